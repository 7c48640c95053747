//! What each server's subscribers say to be let in, and how a publication looks among what they hear.

use super::frame::{BINARY, CLOSE, Frame, PING, PONG, TEXT};
use super::payload::{MARK, SIZE};
use anyhow::{Context, bail};
use memchr::memmem::Finder;
use serde_json::{Value, json};
use std::sync::LazyLock;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// A server's way of speaking over WebSocket.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// The Centrifuge protocol's JSON form: the hub, Centrifugo, and the bare loop in what it sends.
    Centrifuge {
        /// Connection token.
        token: String,
        channel: String,
    },
    /// A frame is a payload, and the address is the subscription: Nchan.
    Plain,
    /// Engine.IO 4 with Socket.IO's default namespace.
    SocketIo,
    /// NATS: a stream of bytes that frames cut anywhere.
    Nats { subject: String },
}

/// The lines of a message. Scanned by many bytes at a time: the client is on the machine that it measures.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', message).chain([message.len()]);
    ends.scan(0, move |begin, end| {
        let line = message.get(*begin..end);
        *begin = end + 1;
        line
    })
}

/// One connection's understanding.
pub struct Ear {
    dialect: Dialect,
    /// Answers that the subscription still waits for.
    awaited: u8,
    answers: Vec<(u8, Vec<u8>)>,
    /// The beginning of a NATS message whose end has not come.
    kept: Vec<u8>,
}

impl Ear {
    pub fn new(dialect: Dialect) -> Self {
        let mut ear = Self {
            awaited: 0,
            answers: Vec::new(),
            kept: Vec::new(),
            dialect,
        };
        match &ear.dialect {
            Dialect::Centrifuge { token, channel } => {
                let connect = json!({"id": 1, "connect": {"token": token, "name": "load"}});
                let subscribe = json!({"id": 2, "subscribe": {"channel": channel}});
                ear.say(TEXT, format!("{connect}\n{subscribe}"));
                ear.awaited = 2;
            }
            Dialect::Plain => {}
            Dialect::SocketIo | Dialect::Nats { .. } => ear.awaited = 2,
        }
        ear
    }

    /// True when nothing more is awaited before publications come.
    pub fn greeted(&self) -> bool {
        self.awaited == 0
    }

    /// The next thing to be sent.
    pub fn answer(&mut self) -> Option<(u8, Vec<u8>)> {
        self.answers.pop()
    }

    fn say(&mut self, opcode: u8, text: impl Into<Vec<u8>>) {
        self.answers.push((opcode, text.into()));
    }

    /// A frame before the subscription stands.
    pub fn greet(&mut self, frame: &Frame<'_>) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(frame.payload).into_owned();
        let first = self.awaited == 2;
        match &self.dialect {
            Dialect::Centrifuge { .. } if frame.opcode == TEXT => {
                for line in text.lines().filter(|line| *line != "{}") {
                    let reply: Value = serde_json::from_str(line)?;
                    if reply.get("error").is_some() {
                        bail!("refused: {line}");
                    }
                    self.awaited = self.awaited.saturating_sub(u8::from(reply.get("id").is_some()));
                }
                return Ok(());
            }
            Dialect::SocketIo if first && text.starts_with('0') => self.say(TEXT, "40"),
            Dialect::SocketIo if !first && text.starts_with("40") => {}
            Dialect::Nats { subject } if first && text.starts_with("INFO ") => {
                let connect = json!({"verbose": false, "pedantic": false, "lang": "load", "version": "1"});
                self.say(
                    BINARY,
                    format!("CONNECT {connect}\r\nSUB {subject} 1\r\nPING\r\n"),
                );
            }
            Dialect::Nats { .. } if !first && text.contains("PONG\r\n") => {}
            _ => return self.frame(frame, &mut |_| Ok(())),
        }
        self.awaited -= 1;
        Ok(())
    }

    /// A frame; `heard` gets each publication's payload in it.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        heard: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match frame.opcode {
            TEXT | BINARY => {}
            PING => {
                self.say(PONG, frame.payload);
                return Ok(());
            }
            CLOSE => bail!("closed: {}", reason(frame.payload)),
            _ => return Ok(()),
        }
        match &self.dialect {
            Dialect::Plain => heard(frame.payload),
            Dialect::Centrifuge { .. } => lines(frame.payload).try_for_each(|line| match FINDER.find(line) {
                Some(at) => heard(cut(&line[at..])),
                None => self.centrifuge(line),
            }),
            Dialect::SocketIo => match FINDER.find(frame.payload) {
                Some(at) => heard(cut(&frame.payload[at..])),
                None => self.socket_io(frame.payload),
            },
            Dialect::Nats { .. } => self.nats(frame.payload, heard),
        }
    }

    /// Answers where one of the message's lines is a ping of the Centrifuge protocol.
    pub fn pong_if_pinged(&mut self, message: &[u8]) {
        if message.starts_with(b"{}") || memchr::memmem::find(message, b"\n{}").is_some() {
            self.say(TEXT, "{}");
        }
    }

    /// A line that is no publication.
    fn centrifuge(&mut self, line: &[u8]) -> anyhow::Result<()> {
        if line == b"{}" {
            self.say(TEXT, "{}");
            return Ok(());
        }
        let reply: Value = serde_json::from_slice(line).context("not a line of JSON")?;
        let ended = |what| reply["push"].get(what).is_some();
        if reply.get("error").is_some() || ended("unsubscribe") || ended("disconnect") {
            bail!("{reply}");
        }
        Ok(())
    }

    fn socket_io(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        match packet {
            b"2" => self.say(TEXT, "3"),
            [b'1', ..] | [b'4', b'1' | b'4', ..] => bail!("{}", String::from_utf8_lossy(packet)),
            _ => {}
        }
        Ok(())
    }

    fn nats(
        &mut self,
        bytes: &[u8],
        heard: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.kept.is_empty() {
            let read = self.nats_messages(bytes, heard)?;
            self.kept.extend_from_slice(&bytes[read..]);
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let read = self.nats_messages(&kept, heard)?;
        if read < kept.len() {
            kept.drain(..read);
            self.kept = kept;
        }
        Ok(())
    }

    /// Reads whole messages; how many bytes they took.
    fn nats_messages(
        &mut self,
        bytes: &[u8],
        heard: &mut impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[at..]) {
            let line = bytes[at..at + end].trim_ascii_end();
            let after = at + end + 1;
            if line.starts_with(b"MSG ") {
                let size = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
                let size: usize = std::str::from_utf8(size)?.parse().context("MSG without a size")?;
                let Some(payload) = bytes.get(after..after + size) else {
                    break;
                };
                if bytes.len() < after + size + 2 {
                    break;
                }
                heard(payload)?;
                at = after + size + 2;
                continue;
            }
            match line {
                b"PING" => self.say(BINARY, "PONG\r\n"),
                error if error.starts_with(b"-ERR") => bail!("{}", String::from_utf8_lossy(error)),
                _ => {}
            }
            at = after;
        }
        Ok(at)
    }
}

fn cut(from: &[u8]) -> &[u8] {
    from.get(..SIZE).unwrap_or(from)
}

/// Code and reason of a close frame.
pub fn reason(payload: &[u8]) -> String {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => {
            format!(
                "{} {}",
                u16::from_be_bytes(*code),
                String::from_utf8_lossy(reason)
            )
        }
        None => "without a reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{Stamp, read, write};
    use super::*;

    fn payload(number: u64) -> [u8; SIZE] {
        write(Stamp {
            number,
            lane: 1,
            sent: 5,
        })
    }

    fn hear(ear: &mut Ear, opcode: u8, payload: &[u8]) -> anyhow::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        ear.frame(&Frame { opcode, payload }, &mut |bytes| {
            numbers.push(read(bytes).context("damaged")?.number);
            Ok(())
        })?;
        Ok(numbers)
    }

    fn push(number: u64) -> Vec<u8> {
        let data = String::from_utf8(payload(number).to_vec()).unwrap();
        format!(r#"{{"push":{{"channel":"a:b","pub":{{"data":{data},"offset":{number}}}}}}}"#).into_bytes()
    }

    fn centrifuge() -> Ear {
        Ear::new(Dialect::Centrifuge {
            token: "t".into(),
            channel: "a:b".into(),
        })
    }

    #[test]
    fn lines_of_the_centrifuge_protocol_are_publications_pings_and_ends() {
        let mut ear = centrifuge();
        let hello = String::from_utf8(ear.answer().unwrap().1).unwrap();
        assert_eq!(hello.lines().count(), 2);
        for (reply, greeted) in [
            (r#"{"id":1,"connect":{}}"#, false),
            (r#"{"id":2,"subscribe":{}}"#, true),
        ] {
            let frame = Frame {
                opcode: TEXT,
                payload: reply.as_bytes(),
            };
            ear.greet(&frame).unwrap();
            assert_eq!(ear.greeted(), greeted);
        }
        let lines = [push(1), b"{}".to_vec(), push(2)].join(&b'\n');
        assert_eq!(hear(&mut ear, TEXT, &lines).unwrap(), [1, 2]);
        assert_eq!(ear.answer(), Some((TEXT, b"{}".to_vec())));
        for end in [
            r#"{"push":{"channel":"a:b","unsubscribe":{"code":2500}}}"#,
            r#"{"id":3,"error":{"code":100}}"#,
            "garbage",
        ] {
            assert!(hear(&mut ear, TEXT, end.as_bytes()).is_err(), "{end}");
        }
        let refused = Frame {
            opcode: TEXT,
            payload: br#"{"id":2,"error":{"code":103}}"#,
        };
        assert!(centrifuge().greet(&refused).is_err());
    }

    #[test]
    fn a_publication_cut_short_is_seen() {
        let push = push(1);
        let begin = FINDER.find(&push).unwrap();
        assert!(hear(&mut centrifuge(), TEXT, &push[..begin + SIZE - 1]).is_err());
        assert!(hear(&mut Ear::new(Dialect::Plain), TEXT, &payload(1)[1..]).is_err());
    }

    #[test]
    fn socket_io_greets_twice_and_pings_with_a_digit() {
        let mut ear = Ear::new(Dialect::SocketIo);
        for packet in [r#"0{"sid":"a"}"#, r#"40{"sid":"b"}"#] {
            assert!(!ear.greeted());
            let frame = Frame {
                opcode: TEXT,
                payload: packet.as_bytes(),
            };
            ear.greet(&frame).unwrap();
        }
        assert!(ear.greeted());
        assert_eq!(ear.answer(), Some((TEXT, b"40".to_vec())));
        let event = [&b"42[\"p\","[..], &payload(3), b"]"].concat();
        assert_eq!(hear(&mut ear, TEXT, &event).unwrap(), [3]);
        hear(&mut ear, TEXT, b"2").unwrap();
        assert_eq!(ear.answer(), Some((TEXT, b"3".to_vec())));
        assert!(hear(&mut ear, TEXT, b"41").is_err());
    }

    #[test]
    fn a_nats_stream_is_read_wherever_frames_cut_it() {
        let message = |number| [&b"MSG load 1 128\r\n"[..], &payload(number), b"\r\n"].concat();
        let stream = [message(0), b"PING\r\n".to_vec(), message(1), message(2)].concat();
        for cut in 0..stream.len() {
            let mut ear = Ear::new(Dialect::Nats {
                subject: "load".into(),
            });
            let mut numbers = hear(&mut ear, BINARY, &stream[..cut]).unwrap();
            numbers.extend(hear(&mut ear, BINARY, &stream[cut..]).unwrap());
            assert_eq!(numbers, [0, 1, 2], "cut at {cut}");
            assert_eq!(ear.answer(), Some((BINARY, b"PONG\r\n".to_vec())));
            assert!(ear.kept.is_empty());
        }
        let mut ear = Ear::new(Dialect::Nats {
            subject: "load".into(),
        });
        assert!(hear(&mut ear, BINARY, b"-ERR 'Slow Consumer'\r\n").is_err());
    }

    #[test]
    fn a_websocket_ping_is_answered_and_a_close_is_an_end() {
        let mut ear = Ear::new(Dialect::Plain);
        hear(&mut ear, PING, b"x").unwrap();
        assert_eq!(ear.answer(), Some((PONG, b"x".to_vec())));
        let closed = hear(&mut ear, CLOSE, &[&3008_u16.to_be_bytes()[..], b"slow"].concat());
        assert_eq!(closed.unwrap_err().to_string(), "closed: 3008 slow");
    }
}
