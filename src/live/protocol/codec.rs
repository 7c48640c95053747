//! The two forms of a message: JSON, one line each, and Protobuf, each behind its length as a varint.

use bytes::{Buf, BufMut, BytesMut};
use prost::Message;
use prost::encoding::{decode_varint, encode_varint};

use super::command::{Command, command};
use super::raw::Object;
use super::wire::{self, Reply};
use super::{Disconnect, Push};

/// The longest frame, whole, that a client may send, in bytes.
pub const MAX_FRAME_BYTES: usize = 65_536;

/// How the messages of a connection are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// One line of JSON a message, joined by newlines.
    Json,
    /// Length and Protobuf, one behind the other.
    Protobuf,
}

impl Codec {
    /// The commands of a frame, read one by one, so that a bad one costs nothing behind it. In JSON one newline at the end
    /// is allowed; an empty frame or an empty line is not the protocol.
    pub fn commands(self, frame: &[u8]) -> Result<Commands<'_>, Disconnect> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(Disconnect::TooLarge);
        }
        let rest = match self {
            Self::Json => frame.strip_suffix(b"\n").unwrap_or(frame),
            Self::Protobuf => frame,
        };
        if rest.is_empty() {
            return Err(Disconnect::BadRequest);
        }
        Ok(Commands {
            codec: self,
            rest: Some(rest),
        })
    }

    /// A reply as it is sent: in Protobuf with its length in front.
    pub fn reply(self, reply: &Reply) -> BytesMut {
        self.message(reply)
    }

    /// A push without a reply around it, as unidirectional transports have it.
    pub fn push(self, push: &Push) -> BytesMut {
        self.message(push)
    }

    fn message<M: Message + serde::Serialize>(self, message: &M) -> BytesMut {
        match self {
            // writing plain structs with string keys into memory has no way to fail; an empty message is a ping
            Self::Json => BytesMut::from(&serde_json::to_vec(message).unwrap_or_else(|_| b"{}".to_vec())[..]),
            Self::Protobuf => {
                let length = message.encoded_len();
                let mut bytes = BytesMut::with_capacity(length + 5);
                encode_varint(length as u64, &mut bytes);
                // the buffer grows as it must
                let _ = message.encode(&mut bytes);
                bytes
            }
        }
    }

    /// Joins messages into one frame.
    pub fn join<'a>(self, messages: impl Iterator<Item = &'a [u8]>, out: &mut BytesMut) {
        for (n, message) in messages.enumerate() {
            if n > 0 && self == Self::Json {
                out.put_u8(b'\n');
            }
            out.put_slice(message);
        }
    }
}

/// The commands of one frame.
#[derive(Debug)]
pub struct Commands<'a> {
    codec: Codec,
    rest: Option<&'a [u8]>,
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, Disconnect>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (message, rest) = match self.codec {
            Codec::Json => match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&rest[..end], Some(&rest[end + 1..])),
                None => (rest, None),
            },
            Codec::Protobuf => match delimited(rest) {
                Some((message, rest)) => (message, Some(rest).filter(|rest| !rest.is_empty())),
                None => return Some(self.bad()),
            },
        };
        self.rest = rest;
        let command = match self.codec {
            Codec::Json => of_json(message),
            Codec::Protobuf => of_protobuf(message),
        };
        match command {
            Ok(command) => Some(Ok(command)),
            Err(_) => Some(self.bad()),
        }
    }
}

impl<'a> Commands<'a> {
    /// What is not read yet, as a frame of its own.
    pub fn rest(&self) -> Option<&'a [u8]> {
        self.rest
    }
    /// The last item: behind what cannot be read nothing can.
    fn bad<T>(&mut self) -> Result<T, Disconnect> {
        self.rest = None;
        Err(Disconnect::BadRequest)
    }
}

/// The first message of several, and the others.
fn delimited(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
    (length <= bytes.remaining()).then(|| bytes.split_at(length))
}

fn of_json(line: &[u8]) -> Result<Command, Disconnect> {
    let Object(message): Object<wire::Command> =
        serde_json::from_slice(line).map_err(|_| Disconnect::BadRequest)?;
    let empty = line.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}");
    command(message, empty)
}

fn of_protobuf(bytes: &[u8]) -> Result<Command, Disconnect> {
    let message = wire::Command::decode(bytes).map_err(|_| Disconnect::BadRequest)?;
    command(message, bytes.is_empty())
}
