//! WebSocket frames as a server sends them (RFC 6455 §5.2), read in place.

use anyhow::{bail, ensure};

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The longest message that is taken: far beyond anything a scenario sends.
const MOST: usize = 16 * 1024 * 1024;

/// One whole message or control frame.
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
}

/// Cuts a stream of bytes into frames. What is whole is read where it lies; only the beginning of a frame whose end has not
/// come yet is kept.
#[derive(Default)]
pub struct Parser {
    kept: Vec<u8>,
    /// A message that comes in fragments: its opcode and what has come of it.
    fragments: Option<(u8, Vec<u8>)>,
}

struct Header {
    fin: bool,
    opcode: u8,
    begin: usize,
    end: usize,
}

impl Parser {
    /// One that holds `bytes` already; the next [`Parser::feed`] reads them.
    pub fn with(bytes: Vec<u8>) -> Self {
        Self {
            kept: bytes,
            fragments: None,
        }
    }

    /// Takes `bytes` as they came; `on` gets each frame that they complete.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.kept.is_empty() {
            let read = self.read(bytes, on)?;
            self.kept.extend_from_slice(&bytes[read..]);
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let read = self.read(&kept, on)?;
        // nothing left: the memory goes too, so that an idle connection holds none
        if read < kept.len() {
            kept.drain(..read);
            self.kept = kept;
        }
        Ok(())
    }

    /// Reads whole frames; how many bytes they took.
    fn read(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let mut at = 0;
        while let Some(header) = header(&bytes[at..])? {
            let payload = &bytes[at + header.begin..at + header.end];
            at += header.end;
            match (header.opcode, header.fin, &mut self.fragments) {
                (0, fin, Some((opcode, message))) => {
                    ensure!(message.len() + payload.len() <= MOST, "an endless message");
                    message.extend_from_slice(payload);
                    if fin {
                        let (opcode, message) = (*opcode, std::mem::take(message));
                        self.fragments = None;
                        on(Frame {
                            opcode,
                            payload: &message,
                        })?;
                    }
                }
                (0, _, None) => bail!("the continuation of nothing"),
                (TEXT | BINARY, _, Some(_)) => bail!("a message inside another"),
                (opcode @ (TEXT | BINARY), false, None) => self.fragments = Some((opcode, payload.to_vec())),
                (opcode, ..) => on(Frame { opcode, payload })?,
            }
        }
        Ok(at)
    }
}

/// The first frame's header, once the whole frame is there.
fn header(bytes: &[u8]) -> anyhow::Result<Option<Header>> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    ensure!(first & 0x70 == 0, "reserved bits are set");
    ensure!(second & 0x80 == 0, "a server does not mask");
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
    let (extended, length) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (2, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (8, usize::try_from(u64::from_be_bytes(*length))?),
            None => return Ok(None),
        },
        short => (0, usize::from(short)),
    };
    match opcode {
        0..=2 => ensure!(length <= MOST, "a frame of {length} bytes"),
        8..=10 => ensure!(fin && length <= 125, "a control frame is short and whole"),
        other => bail!("opcode {other}"),
    }
    let begin = 2 + extended;
    Ok((bytes.len() >= begin + length).then_some(Header {
        fin,
        opcode,
        begin,
        end: begin + length,
    }))
}

/// A client's frame: whole, and masked as a client must.
pub fn masked(opcode: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        middle @ ..65_536 => {
            frame.push(0xFE);
            frame.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0xFF);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ ..126 => frame.push(short as u8),
            middle @ ..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn read(pieces: &[&[u8]]) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
        let (mut parser, mut got) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, &mut |frame| {
                got.push((frame.opcode, frame.payload.to_vec()));
                Ok(())
            })?;
        }
        Ok(got)
    }

    #[test]
    fn fragments_become_one_message_and_a_ping_may_stand_between() {
        let pieces = [
            frame(TEXT, b"ab"),
            frame(0x80 | PING, b"p"),
            frame(0, b"cd"),
            frame(0x80, b"e"),
        ];
        let got = read(&[&pieces.concat()]).unwrap();
        assert_eq!(got, [(PING, b"p".to_vec()), (TEXT, b"abcde".to_vec())]);
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        let bad: [&[u8]; 7] = [
            &[0xC1, 0],                                     // a reserved bit
            &[0x81, 0x81, 0, 0, 0, 0, 0],                   // masked
            &[0x80, 0],                                     // continues nothing
            &[0x83, 0],                                     // an opcode that is none
            &[0x09, 0],                                     // a ping in fragments
            &[0x89, 126, 0, 200],                           // a long ping
            &[0x82, 127, 255, 255, 255, 255, 255, 0, 0, 0], // more than there is memory
        ];
        for bytes in bad {
            assert!(read(&[bytes]).is_err(), "{bytes:?}");
        }
        assert!(read(&[&frame(TEXT, b"a"), &frame(0x81, b"b")]).is_err());
    }

    #[test]
    fn an_idle_parser_holds_no_memory() {
        let mut parser = Parser::default();
        let bytes = frame(0x81, &[b'x'; 300]);
        parser.feed(&bytes[..100], &mut |_| Ok(())).unwrap();
        parser.feed(&bytes[100..], &mut |_| Ok(())).unwrap();
        assert_eq!(parser.kept.capacity(), 0);
    }

    proptest! {
        #[test]
        fn frames_are_read_back_wherever_the_stream_is_cut(
            sizes in prop::collection::vec(prop_oneof![0..200usize, 65_530..65_540usize], 1..6),
            cuts in prop::collection::vec(1..400usize, 1..400),
        ) {
            let messages: Vec<Vec<u8>> = sizes.iter().map(|size| vec![b'a' + (size % 26) as u8; *size]).collect();
            let stream: Vec<u8> = messages.iter().flat_map(|message| frame(0x82, message)).collect();
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let got: Vec<Vec<u8>> = read(&pieces).unwrap().into_iter().map(|(_, payload)| payload).collect();
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&bytes]);
        }

        #[test]
        fn a_masked_frame_unmasks_to_its_payload(
            size in prop_oneof![0..200usize, 65_530..65_540usize],
            byte: u8,
            mask: [u8; 4],
        ) {
            let payload = vec![byte; size];
            let sent = masked(TEXT, &payload, mask);
            let begin = sent.len() - payload.len();
            let unmasked: Vec<u8> = sent[begin..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            prop_assert_eq!(&sent[begin - 4..begin], &mask);
            prop_assert_eq!(unmasked, payload);
        }
    }
}
