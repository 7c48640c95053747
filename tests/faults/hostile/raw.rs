//! A client by hand, that does what no library would: WebSocket frames (RFC 6455) byte by byte, on a socket that takes little
//! before it is read from.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::faults::application::token;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// Generous: two cores run everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub struct Raw {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects to the hub at `url`, and sends nothing.
    pub async fn dial(url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // how much the kernel would take otherwise grows with the machine
        socket.set_recv_buffer_size(4_096).unwrap();
        let address = url.trim_start_matches("http://").parse().unwrap();
        Self {
            stream: socket.connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// A WebSocket, of somebody at the address `from`.
    pub async fn open(url: &str, from: &str) -> Self {
        let mut raw = Self::dial(url).await;
        raw.send(upgrade(from).as_bytes()).await;
        while !raw.read.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(raw.more().await, "the handshake was not answered");
        }
        let head = String::from_utf8_lossy(&raw.read).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw.read.drain(..head.find("\r\n\r\n").unwrap() + 4);
        raw
    }

    /// As [`Raw::open`], signed in as `user`.
    pub async fn signed_in(url: &str, from: &str, user: &str) -> Self {
        let mut raw = Self::open(url, from).await;
        raw.say(&format!(r#"{{"id":1,"connect":{{"token":"{}"}}}}"#, token(user)))
            .await;
        let (_, answer) = raw.frame().await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("\"client\""), "{answer}");
        raw
    }

    /// As [`Raw::signed_in`], subscribed to `chat:1`.
    pub async fn following(url: &str, from: &str, user: &str) -> Self {
        let mut raw = Self::signed_in(url, from, user).await;
        raw.say(r#"{"id":2,"subscribe":{"channel":"chat:1"}}"#).await;
        raw.frame().await.unwrap();
        raw
    }

    /// Sends what the hub takes of it: it may have had enough.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn say(&mut self, text: &str) {
        self.send(&masked(TEXT, text.as_bytes())).await;
    }

    /// False when nothing follows.
    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        read.expect("nothing came").is_ok_and(|bytes| bytes > 0)
    }

    /// The next frame of the hub: its first byte, and what it carries. `None` at the end of the connection.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((header, length)) = header(&self.read)
                && self.read.len() >= header + length
            {
                let first = self.read[0];
                let frame = self.read.drain(..header + length).skip(header).collect();
                return Some((first, frame));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The code that the hub closes with, whatever comes before it. `None` when the connection ends without one.
    pub async fn code(&mut self) -> Option<u16> {
        loop {
            if let (CLOSE, why) = self.frame().await? {
                return Some(u16::from_be_bytes([why[0], why[1]]));
            }
        }
    }

    /// What is read until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }
}

/// The request that makes a WebSocket of a connection.
pub fn upgrade(from: &str) -> String {
    format!(
        "GET /connection/websocket HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {from}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A client's frame, masked with nothing.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            frame.push(0xFE);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => frame.extend_from_slice(&announced(length as u64)[1..10]),
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The header of a text frame of so many bytes.
pub fn announced(bytes: u64) -> Vec<u8> {
    let mut header = vec![TEXT, 0xFF];
    header.extend_from_slice(&bytes.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    header
}

/// Bytes of the header and of the payload of a server's frame.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into())),
        127 => Some((
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        )),
        length => Some((2, length.into())),
    }
}
