//! WebSocket: the handshake, frames in and bytes out. All that is known of actix-web-actors stands here.
//!
//! Invariant: reading and timers never wait for writing: each half of the socket is a task of its own on the same thread.
//! Invariant: no frame, however fragmented, takes more than [`MAX_FRAME_BYTES`] of memory.
//! Invariant: an idle socket has no buffers.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_http::ws::{OpCode, Parser, ProtocolError};
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::rt::net::TcpStream;
use actix_web::{HttpRequest, HttpResponse};
use actix_web_actors::ws;
use bytes::{Buf, Bytes, BytesMut};
use signalbox_actors::live_hub::{Outlet, Taken};

use super::protocol::{Codec, Disconnect, MAX_FRAME_BYTES, Push, Reply};
use super::wire::{Dialect, close_frame, websocket_bytes};
use crate::listener::Takeover;

/// Bytes taken from a queue at once.
const CHUNK: usize = 32 * 1024;

/// Bytes read from a socket at once.
const PIECE: usize = 4 * 1024;

/// The subprotocols a client may offer; JSON is also spoken without any.
const SUBPROTOCOLS: &[&str] = &[PROTOBUF, "centrifuge-json"];
const PROTOBUF: &str = "centrifuge-protobuf";

/// The longest header of a client's frame.
const HEADER: usize = 14;

/// Answers the handshake. Once that is sent, the socket is `serve`'s, with what was read behind the request.
///
/// # Errors
/// It is no WebSocket handshake.
pub fn upgrade(
    request: &HttpRequest,
    serve: impl FnOnce(TcpStream, BytesMut) + 'static,
) -> Result<HttpResponse, ws::HandshakeError> {
    let mut response = ws::handshake_with_protocols(request, SUBPROTOCOLS)?.finish();
    Takeover::of(&mut response, serve);
    Ok(response)
}

/// How a client wants messages written: by the subprotocol that the handshake answers, the first it offers of those that
/// are spoken; else by its query.
pub fn codec(request: &HttpRequest) -> Codec {
    let offers = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok());
    let chosen = offers
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find(|offer| SUBPROTOCOLS.contains(offer));
    let by_query = || {
        let mut pairs = request.query_string().split('&');
        pairs.any(|pair| matches!(pair, "format=protobuf" | "cf_protocol=protobuf"))
    };
    match chosen {
        Some(PROTOBUF) => Codec::Protobuf,
        None if by_query() => Codec::Protobuf,
        _ => Codec::Json,
    }
}

/// The writing half: writes what its outlet gets, and its last words.
pub struct Writer {
    stream: Rc<TcpStream>,
    outlet: Arc<Outlet>,
    dialect: Dialect,
    unwritten: Bytes,
    said_why: bool,
}

impl Writer {
    /// Writes to `stream`.
    pub fn new(stream: Rc<TcpStream>, outlet: Arc<Outlet>, dialect: Dialect) -> Self {
        Self {
            stream,
            outlet,
            dialect,
            unwritten: Bytes::new(),
            said_why: false,
        }
    }

    /// Writes what is taken from the queue already. False when the socket is gone.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while !self.unwritten.is_empty() {
            if ready!(self.stream.poll_write_ready(cx)).is_err() {
                return Poll::Ready(false);
            }
            match self.stream.try_write(&self.unwritten) {
                Ok(written) if written > 0 => self.unwritten.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => return Poll::Ready(false),
            }
        }
        // an idle connection keeps no bytes
        self.unwritten = Bytes::new();
        Poll::Ready(true)
    }

    fn last_words(&self, why: &Disconnect) -> Bytes {
        let mut bytes = BytesMut::new();
        if self.dialect == Dialect::Pushes {
            // of whoever only listens not everybody sees close frames
            let words = self.dialect.frame(Reply::push(Push::disconnect(why)));
            bytes.extend_from_slice(&words.whole());
        }
        bytes.extend_from_slice(&close_frame(why));
        bytes.freeze()
    }
}

impl Future for Writer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_flush(cx)) && !self.said_why {
            self.unwritten = match ready!(self.outlet.poll_take(cx, CHUNK)) {
                Taken::Batch(batch) => websocket_bytes(self.dialect.codec(), batch),
                Taken::Ended(why) => {
                    self.said_why = true;
                    self.last_words(&why)
                }
            };
        }
        // the reading half keeps the socket until the peer has had its time to answer the close
        Poll::Ready(())
    }
}

impl Drop for Writer {
    /// The socket is gone: whoever feeds it has nobody left to feed.
    fn drop(&mut self) {
        self.outlet.cut(Disconnect::ForceReconnect);
    }
}

/// The code with which a close is answered: its own, where that may be sent (RFC 6455 §7.4).
fn answer_to(payload: &[u8]) -> u16 {
    match payload {
        [] => 1000,
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => code,
            _ => 1002,
        },
        [_] => 1002,
    }
}

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Bytes),
    /// A WebSocket ping, to be answered with its payload.
    Ping(Bytes),
    /// The answer to a WebSocket ping.
    Pong,
    /// The peer closes, or has gone.
    Closed,
    /// A close frame, with the code that answers it (RFC 6455 §5.5.1).
    Farewell(u16),
    /// What came is not the protocol.
    Bad(Disconnect),
}

/// The reading half.
pub struct Reader {
    stream: Rc<TcpStream>,
    /// What messages must be: text for JSON, binary for Protobuf.
    expected: OpCode,
    buffer: BytesMut,
    message: BytesMut,
    continuing: bool,
}

impl Reader {
    /// Reads frames from `stream`, of which the bytes in `buffer` are read already.
    pub fn new(stream: Rc<TcpStream>, mut buffer: BytesMut, codec: Codec) -> Self {
        if buffer.is_empty() {
            // the HTTP dispatcher's is large
            buffer = BytesMut::new();
        }
        let expected = match codec {
            Codec::Json => OpCode::Text,
            Codec::Protobuf => OpCode::Binary,
        };
        Self {
            stream,
            expected,
            buffer,
            message: BytesMut::new(),
            continuing: false,
        }
    }

    /// The next thing a peer sent. Safe to drop and ask again. After `Closed`, `Farewell` or `Bad` nothing follows.
    pub async fn next(&mut self) -> Incoming {
        loop {
            match self.parse() {
                Ok(Some(incoming)) => return incoming,
                Ok(None) if self.buffer.len() > MAX_FRAME_BYTES + HEADER => {
                    return Incoming::Bad(Disconnect::TooLarge);
                }
                Ok(None) => {}
                Err(ProtocolError::Overflow) => return Incoming::Bad(Disconnect::TooLarge),
                Err(_) => return Incoming::Bad(Disconnect::BadRequest),
            }
            if !self.read().await {
                return Incoming::Closed;
            }
        }
    }

    /// Reads on without heeding what comes, until the peer closes or goes. A socket that is closed over unread bytes is
    /// reset, and the peer then loses the code that says why.
    pub async fn drain(&mut self) {
        loop {
            match self.next().await {
                Incoming::Closed | Incoming::Farewell(_) => return,
                Incoming::Bad(_) => break,
                Incoming::Message(_) | Incoming::Ping(_) | Incoming::Pong => {}
            }
        }
        while self.read().await {
            self.buffer.clear();
        }
    }

    /// Reads what has come. False when the peer sends nothing more.
    async fn read(&mut self) -> bool {
        loop {
            if poll_fn(|cx| self.stream.poll_read_ready(cx)).await.is_err() {
                return false;
            }
            match self.take() {
                Ok(count) => return count > 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
    }

    /// How many bytes had come. The piece stands on the stack of this call, not in every connection.
    fn take(&mut self) -> std::io::Result<usize> {
        let mut piece = [0; PIECE];
        let count = self.stream.try_read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    fn parse(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        while let Some((last, code, payload)) = Parser::parse(&mut self.buffer, true, MAX_FRAME_BYTES)? {
            if self.buffer.is_empty() {
                // an idle connection keeps no buffer
                self.buffer = BytesMut::new();
            }
            let payload = payload.unwrap_or_default();
            match code {
                OpCode::Ping => return Ok(Some(Incoming::Ping(payload.freeze()))),
                OpCode::Pong => return Ok(Some(Incoming::Pong)),
                OpCode::Close => return Ok(Some(Incoming::Farewell(answer_to(&payload)))),
                code if code == self.expected && !self.continuing && last => {
                    return Ok(Some(Incoming::Message(payload.freeze())));
                }
                code if code == self.expected && !self.continuing => {
                    self.continuing = true;
                    self.message = payload;
                }
                OpCode::Continue if self.continuing => {
                    self.message.extend_from_slice(&payload);
                    if self.message.len() > MAX_FRAME_BYTES {
                        return Err(ProtocolError::Overflow);
                    }
                    if last {
                        self.continuing = false;
                        return Ok(Some(Incoming::Message(
                            std::mem::take(&mut self.message).freeze(),
                        )));
                    }
                }
                // the other form was not agreed upon
                OpCode::Text | OpCode::Continue | OpCode::Binary | OpCode::Bad => {
                    return Err(ProtocolError::BadOpCode);
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// What a reader makes of a peer that sends these bytes and goes; the first `ahead` came with the handshake.
    fn all_of(bytes: &[u8], ahead: usize) -> Vec<Incoming> {
        actix_web::rt::System::new().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let (ahead, rest) = bytes.split_at(ahead);
            let mut reader = Reader::new(Rc::new(stream), ahead.into(), Codec::Json);
            let read = async {
                let mut all = vec![];
                loop {
                    let incoming = reader.next().await;
                    let last = matches!(
                        incoming,
                        Incoming::Closed | Incoming::Farewell(_) | Incoming::Bad(_)
                    );
                    all.push(incoming);
                    if last {
                        return all;
                    }
                }
            };
            let write = async {
                // an error is a reader that has had enough
                let _ = peer.write_all(rest).await;
                let _ = peer.shutdown().await;
            };
            tokio::select! {
                all = read => all,
                // the rest of what is read follows
                never = async { write.await; std::future::pending().await } => never,
            }
        })
    }

    fn all(bytes: Vec<u8>) -> Vec<Incoming> {
        let read = all_of(&bytes, 0);
        assert_eq!(read, all_of(&bytes, bytes.len() / 2));
        read
    }

    fn frame(code: OpCode, last: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        Parser::write_message(&mut bytes, payload, code, last, true);
        bytes.to_vec()
    }

    fn message(text: &'static str) -> Incoming {
        Incoming::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn messages_in_pieces_and_pings_between_them_are_read() {
        let bytes = [
            frame(OpCode::Text, true, b"one"),
            frame(OpCode::Text, false, b"tw"),
            frame(OpCode::Ping, true, b"p"),
            frame(OpCode::Pong, true, b"answered"),
            frame(OpCode::Continue, true, b"o"),
            frame(OpCode::Close, true, b""),
            frame(OpCode::Text, true, b"after the end"),
        ];
        let ping = Incoming::Ping(Bytes::from_static(b"p"));
        assert_eq!(
            all(bytes.concat()),
            [
                message("one"),
                ping,
                Incoming::Pong,
                message("two"),
                Incoming::Farewell(1000)
            ]
        );
    }

    #[test]
    fn a_close_is_answered_with_its_own_code_or_told_that_it_is_none() {
        let cases: [(&[u8], u16); 6] = [
            (&[], 1000),
            (&[0x03, 0xe8, b'x'], 1000),
            (&[0x0b, 0xb8], 3000),
            // one byte, a code that may not be sent, and one that is nobody's
            (&[0x03], 1002),
            (&[0x03, 0xee], 1002),
            (&[0xff, 0xff], 1002),
        ];
        for (payload, code) in cases {
            let all = all(frame(OpCode::Close, true, payload));
            assert_eq!(all, [Incoming::Farewell(code)], "{payload:?}");
        }
    }

    #[test]
    fn a_peer_that_goes_away_has_closed() {
        assert_eq!(all(vec![]), [Incoming::Closed]);
        assert_eq!(
            all(frame(OpCode::Text, true, b"cut off")[..8].to_vec()),
            [Incoming::Closed]
        );
    }

    #[test]
    fn a_message_over_the_limit_is_refused_whole_in_pieces_or_only_announced() {
        let too_large = [Incoming::Bad(Disconnect::TooLarge)];
        let piece = vec![b'x'; MAX_FRAME_BYTES];
        let just = frame(OpCode::Text, true, &piece);
        assert!(matches!(all(just)[0], Incoming::Message(_)));
        assert_eq!(
            all(frame(OpCode::Text, true, &[&piece[..], b"x"].concat())),
            too_large
        );
        let pieces = [
            frame(OpCode::Text, false, &piece),
            frame(OpCode::Continue, true, b"x"),
        ]
        .concat();
        assert_eq!(all(pieces), too_large);
        let mut announced = vec![0x81, 0xFF];
        announced.extend_from_slice(&(1u64 << 40).to_be_bytes());
        announced.extend(std::iter::repeat_n(0, MAX_FRAME_BYTES + 100));
        assert_eq!(all(announced), too_large);
    }

    #[test]
    fn what_is_not_a_clients_text_frame_is_a_bad_request() {
        let mut unmasked = BytesMut::new();
        Parser::write_message(&mut unmasked, "{}", OpCode::Text, true, false);
        for bytes in [
            unmasked.to_vec(),
            frame(OpCode::Binary, true, b"\x00"),
            frame(OpCode::Continue, true, b"nothing to continue"),
            [frame(OpCode::Text, false, b"a"), frame(OpCode::Text, true, b"b")].concat(),
            vec![0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ] {
            assert_eq!(
                all(bytes.clone()),
                [Incoming::Bad(Disconnect::BadRequest)],
                "{bytes:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_closed_or_bad(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let last = all(bytes).pop();
            prop_assert!(matches!(last, Some(Incoming::Closed | Incoming::Farewell(_) | Incoming::Bad(_))), "{last:?}");
        }
    }
}
