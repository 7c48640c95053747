//! Bytes on the wire: WebSocket frames of a server (RFC 6455 §5.2: never masked, so one serves all clients) and the lines of
//! an event stream.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::json;
use signalbox_actors::live_hub::{Encoding, Frame, Item, Queued};
use signalbox_core::live::application::ClientInfo;

use super::protocol::wire::Presence;
use super::protocol::{Codec, Disconnect, Push, Reply};

/// Messages joined into one WebSocket frame at most.
const JOINED: usize = 16;

const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;
const FINAL_CLOSE: u8 = 0x88;
const FINAL_PING: u8 = 0x89;
const FINAL_PONG: u8 = 0x8A;

/// How a connection of the Centrifuge protocol is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Replies in JSON.
    Json,
    /// Replies in Protobuf.
    Protobuf,
    /// Pushes in JSON, of a client that only listens.
    Pushes,
}

impl Dialect {
    /// How messages are written.
    pub fn codec(self) -> Codec {
        match self {
            Self::Json | Self::Pushes => Codec::Json,
            Self::Protobuf => Codec::Protobuf,
        }
    }

    /// How publications are written.
    pub fn encoding(self) -> &'static dyn Encoding {
        match self {
            Self::Json => &Replies(Self::Json),
            Self::Protobuf => &Replies(Self::Protobuf),
            Self::Pushes => &Replies(Self::Pushes),
        }
    }

    /// One message. A client that only listens has asked for nothing, so it is told the push alone.
    pub fn frame(self, reply: Reply) -> Frame {
        let message = match (self, reply) {
            (Self::Pushes, Reply { push: Some(push), .. }) => Codec::Json.push(&push),
            (Self::Pushes, Reply { connect, .. }) => Codec::Json.push(&Push {
                connect,
                ..Push::default()
            }),
            (_, reply) => self.codec().reply(&reply),
        };
        message_frame(self.codec(), &message)
    }
}

/// Publications as the Centrifuge protocol writes them.
#[derive(Debug)]
struct Replies(Dialect);

impl Encoding for Replies {
    fn id(&self) -> u8 {
        match self.0 {
            Dialect::Json => 1,
            Dialect::Protobuf => 3,
            Dialect::Pushes => 4,
        }
    }

    fn is_json(&self) -> bool {
        self.0.codec() == Codec::Json
    }

    fn publication(&self, channel: &str, item: &Item) -> Frame {
        self.0.frame(Reply::push(Push::publication(channel, item.into())))
    }

    fn join(&self, frames: &[Frame]) -> Option<Frame> {
        // the browser of one that only listens resumes by an id, which each event has for itself
        if self.0 == Dialect::Pushes {
            return None;
        }
        let codec = self.0.codec();
        let messages = frames.iter().map(Frame::messages).sum::<usize>();
        let mut out = BytesMut::new();
        put_joined(codec, frames, &mut out);
        let length = payload_length(codec, frames);
        Some(Frame::joined(out.freeze(), header_length(length), messages as u8))
    }

    fn presence(&self, channel: &str, came: bool, info: &ClientInfo) -> Option<Frame> {
        let presence = Some(Presence {
            info: Some(info.into()),
        });
        let (join, leave) = if came { (presence, None) } else { (None, presence) };
        Some(self.0.frame(Reply::push(Push {
            join,
            leave,
            ..Push::on(channel)
        })))
    }
}

/// Publications as EventSource reads them. The `id:` line is each stream's own and is written in front.
#[derive(Debug)]
pub struct EventStream;

impl Encoding for EventStream {
    fn id(&self) -> u8 {
        2
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        event_frame(None, &String::from_utf8_lossy(&item.data))
    }

    /// Each event has an id of its own.
    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, channel: &str, came: bool, info: &ClientInfo) -> Option<Frame> {
        let event = if came { "join" } else { "leave" };
        let info: super::protocol::wire::ClientInfo = info.into();
        let data = json!({"channel": channel, "info": info});
        Some(event_frame(Some(event), &data.to_string()))
    }
}

/// One message as a frame of its own.
pub fn message_frame(codec: Codec, message: &[u8]) -> Frame {
    let mut bytes = BytesMut::with_capacity(message.len() + 10);
    put_header(codec, &mut bytes, message.len());
    let header = header_length(message.len());
    bytes.put_slice(message);
    Frame::new(bytes.freeze(), header)
}

/// A ping of WebSocket itself.
pub fn ping_frame() -> Frame {
    Frame::alone(control(FINAL_PING, &[]))
}

/// The answer to a WebSocket ping, which must carry its payload (at most 125 bytes).
pub fn pong_frame(payload: &[u8]) -> Frame {
    Frame::alone(control(FINAL_PONG, &payload[..payload.len().min(125)]))
}

/// The end of a connection, with code and reason.
pub fn close_frame(why: &Disconnect) -> Bytes {
    let mut payload = why.code().to_be_bytes().to_vec();
    payload.extend_from_slice(why.reason().as_bytes());
    control(FINAL_CLOSE, &payload)
}

/// A batch as it is written: alone a shared frame goes out as it is, together up to [`JOINED`] messages share a header.
pub fn websocket_bytes(codec: Codec, batch: VecDeque<Queued>) -> Bytes {
    let mut items = batch.into_iter();
    match (items.next(), items.len()) {
        (Some(only), 0) => only.frame.whole(),
        (Some(first), _) => join(codec, std::iter::once(first).chain(items)),
        (None, _) => Bytes::new(),
    }
}

fn join(codec: Codec, items: impl Iterator<Item = Queued>) -> Bytes {
    let mut out = BytesMut::new();
    let mut run: Vec<Frame> = Vec::with_capacity(JOINED);
    let mut messages = 0;
    for Queued { frame, .. } in items {
        if frame.is_alone() || messages + frame.messages() > JOINED {
            put_run(codec, &mut run, &mut out);
            messages = 0;
        }
        if frame.is_alone() {
            out.put_slice(&frame.whole());
        } else if !frame.payload().is_empty() {
            messages += frame.messages();
            run.push(frame);
        }
    }
    put_run(codec, &mut run, &mut out);
    out.freeze()
}

fn put_run(codec: Codec, run: &mut Vec<Frame>, out: &mut BytesMut) {
    match run.as_slice() {
        [] => {}
        [only] => out.put_slice(&only.whole()),
        frames => put_joined(codec, frames, out),
    }
    run.clear();
}

/// One frame of the messages of several.
fn put_joined(codec: Codec, frames: &[Frame], out: &mut BytesMut) {
    let length = payload_length(codec, frames);
    out.reserve(length + 10);
    put_header(codec, out, length);
    codec.join(frames.iter().map(Frame::payload), out);
}

fn payload_length(codec: Codec, frames: &[Frame]) -> usize {
    let between = if codec == Codec::Json { frames.len() - 1 } else { 0 };
    frames.iter().map(|frame| frame.payload().len()).sum::<usize>() + between
}

/// Bytes of a header before so many.
fn header_length(length: usize) -> u8 {
    match length {
        0..126 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

fn put_header(codec: Codec, out: &mut BytesMut, length: usize) {
    out.put_u8(match codec {
        Codec::Json => FINAL_TEXT,
        Codec::Protobuf => FINAL_BINARY,
    });
    if length < 126 {
        out.put_u8(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        out.put_u8(126);
        out.put_u16(length);
    } else {
        out.put_u8(127);
        out.put_u64(length as u64);
    }
}

fn control(first: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(payload.len() + 2);
    bytes.put_u8(first);
    // control frames carry at most 125 bytes
    bytes.put_u8(payload.len() as u8);
    bytes.put_slice(payload);
    bytes.freeze()
}

/// One event of an event stream. `data` is one line.
pub fn event_frame(event: Option<&str>, data: &str) -> Frame {
    let name = event.map(|event| format!("event: {event}\n")).unwrap_or_default();
    Frame::new(format!("{name}data: {data}\n\n").into(), 0)
}

/// A line that clients ignore: it keeps proxies from closing the stream.
pub fn comment_frame() -> Frame {
    Frame::new(Bytes::from_static(b":\n\n"), 0)
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};
    use proptest::prelude::*;

    use super::*;

    fn queued(frame: Frame) -> Queued {
        Queued::new(frame, 0, 0)
    }

    fn read(bytes: &Bytes) -> Vec<(OpCode, Vec<u8>)> {
        let mut input = BytesMut::from(&bytes[..]);
        let frames = std::iter::from_fn(|| Parser::parse(&mut input, false, usize::MAX).unwrap());
        frames
            .map(|(_, code, payload)| (code, payload.unwrap_or_default().to_vec()))
            .collect()
    }

    #[test]
    fn an_event_is_one_event_of_the_stream() {
        assert_eq!(event_frame(None, "{}").payload(), b"data: {}\n\n");
        assert_eq!(
            event_frame(Some("reset"), "{}").payload(),
            b"event: reset\ndata: {}\n\n"
        );
    }

    #[test]
    fn a_pong_between_messages_stays_a_frame_of_its_own() {
        let batch = [
            message_frame(Codec::Json, b"a"),
            message_frame(Codec::Json, b"b"),
            pong_frame(b"p"),
            message_frame(Codec::Json, b"c"),
        ];
        let frames = read(&websocket_bytes(
            Codec::Json,
            batch.into_iter().map(queued).collect(),
        ));
        let expected = [
            (OpCode::Text, &b"a\nb"[..]),
            (OpCode::Pong, b"p"),
            (OpCode::Text, b"c"),
        ];
        assert_eq!(frames, expected.map(|(code, payload)| (code, payload.to_vec())));
    }

    #[test]
    fn a_close_frame_carries_code_and_reason() {
        for why in Disconnect::ALL {
            let (code, payload) = read(&close_frame(&why)).remove(0);
            assert_eq!(code, OpCode::Close);
            assert_eq!(payload[..2], why.code().to_be_bytes());
            assert_eq!(&payload[2..], why.reason().as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_message_of_a_batch_is_read_back_in_order_and_no_frame_joins_more_than_16(
            sizes in prop::collection::vec(prop_oneof![1..300usize, 65_500..65_600usize], 1..50),
        ) {
            let codec = Codec::Json;
            let messages: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'x'; *size]).collect();
            let batch = messages.iter().map(|message| queued(message_frame(codec, message))).collect();
            let mut got = Vec::new();
            for (_, text) in read(&websocket_bytes(codec, batch)) {
                let joined: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                prop_assert!(joined.len() <= JOINED);
                got.extend(joined);
            }
            prop_assert_eq!(got, messages);
        }
    }
}
