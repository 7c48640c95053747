//! A WebSocket on a bare TCP stream: the handshake, masked frames out, frames in.

use super::frame::{Frame, Parser, TEXT, masked};
use anyhow::{Context, bail, ensure};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};

/// Connections from one loopback address at most: a system has some 28,000 ports for one pair of addresses.
const FROM_ONE_ADDRESS: usize = 10_000;
/// A server that is up answers a handshake within it, however busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest head of an answer.
const HEAD: usize = 8 * 1024;
/// From RFC 6455 §1.3: any 16 bytes do, as nothing is hidden by it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

thread_local! {
    /// All connections of a thread read into the same bytes, one after the other.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// The loopback address that the `n`-th connection comes from.
pub fn source(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + (n / FROM_ONE_ADDRESS).min(200) as u8)
}

/// An open WebSocket. Dropped, it is reset: thousands of closed connections would else wait for their ports.
pub struct Socket {
    stream: TcpStream,
    parser: Parser,
    mask: [u8; 4],
    /// The greeting came in one packet with the head, and waits to be read.
    early: bool,
}

impl Socket {
    /// Connects from `from` and upgrades.
    pub async fn open(to: SocketAddr, from: Ipv4Addr, path: &str) -> anyhow::Result<Self> {
        tokio::time::timeout(PATIENCE, Self::upgrade(to, from, path))
            .await
            .context("no answer to the handshake")?
    }

    async fn upgrade(to: SocketAddr, from: Ipv4Addr, path: &str) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if from != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
        }
        let mut stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        stream.set_zero_linger()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self {
            stream,
            parser: Parser::default(),
            mask: rand::random(),
            early: false,
        };
        let early = socket.head().await?;
        socket.early = !early.is_empty();
        socket.parser = Parser::with(early);
        Ok(socket)
    }

    /// Reads the head of the answer; the bytes that came after it.
    async fn head(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break end;
            }
            ensure!(head.len() < HEAD, "an endless head");
            if self.stream.read_buf(&mut head).await? == 0 {
                bail!("closed during the handshake");
            }
        };
        let text = String::from_utf8_lossy(&head[..end]).into_owned();
        ensure!(
            text.starts_with("HTTP/1.1 101 "),
            "refused: {}",
            text.lines().next().unwrap_or_default()
        );
        let expected = tokio_tungstenite::tungstenite::handshake::derive_accept_key(KEY.as_bytes());
        ensure!(text.contains(&expected), "a wrong Sec-WebSocket-Accept");
        Ok(head.split_off(end + 4))
    }

    /// Sends one masked frame.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&masked(opcode, payload, self.mask)).await?)
    }

    /// Sends one message of text.
    pub async fn text(&mut self, text: &str) -> anyhow::Result<()> {
        self.send(TEXT, text.as_bytes()).await
    }

    /// Waits for bytes and reads them once; `on` gets each frame that they complete. False when the peer has closed.
    pub async fn receive(
        &mut self,
        mut on: impl FnMut(Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let Self { stream, parser, .. } = self;
        if std::mem::take(&mut self.early) {
            parser.feed(&[], &mut on)?;
            return Ok(true);
        }
        std::future::poll_fn(|cx| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
                let read = buffer.filled();
                Poll::Ready(parser.feed(read, &mut on).map(|()| !read.is_empty()))
            })
        })
        .await
    }

    /// The stream, for those who misbehave.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}
