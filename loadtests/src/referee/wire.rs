//! The protocol's bidirectional transports: WebSocket, and the two that emulate it with an endless answer for what comes down
//! and a POST for each command that goes up, to whichever node.

use super::listen::PATIENCE;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    /// `/connection/http_stream`, commands to `/emulation`.
    HttpStream,
    /// `/connection/sse`, commands to `/emulation`.
    Sse,
    /// `/api/v1/stream`: a plain EventSource, for the hub's own channels.
    EventStream,
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// An open connection.
pub(super) enum Wire {
    Socket(Box<Socket>),
    Emulated(Emulated),
}

pub(super) struct Emulated {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    sse: bool,
    /// What came after the last whole line.
    waiting: Vec<u8>,
    http: Client,
    /// Nodes to post to, in turn: any of them must reach the one that holds the connection.
    nodes: Vec<String>,
    posts: usize,
    /// Session and node, of the reply to `connect`.
    place: Option<(Value, Value)>,
}

impl Wire {
    /// Connects to `node` and sends `connect`.
    pub async fn open(
        transport: Transport,
        nodes: &[String],
        node: &str,
        connect: &str,
    ) -> anyhow::Result<Self> {
        // without a limit of time for the whole answer, which never ends
        let http = Client::builder().connect_timeout(PATIENCE).build()?;
        let request = match transport {
            Transport::WebSocket => {
                let url = format!("{}/connection/websocket", node.replacen("http", "ws", 1));
                let connecting = tokio_tungstenite::connect_async(url);
                let (mut socket, _) = tokio::time::timeout(PATIENCE, connecting).await??;
                socket.send(Message::text(connect)).await?;
                return Ok(Self::Socket(Box::new(socket)));
            }
            Transport::HttpStream => {
                let url = format!("{node}/connection/http_stream");
                http.post(url).body(connect.to_owned())
            }
            Transport::Sse => {
                let url = format!("{node}/connection/sse");
                http.get(url).query(&[("cf_connect", connect)])
            }
            Transport::EventStream => bail!("it has no way up"),
        };
        let answer = tokio::time::timeout(PATIENCE, request.send()).await??;
        Ok(Self::Emulated(Emulated {
            chunks: answer.error_for_status()?.bytes_stream().boxed(),
            sse: transport == Transport::Sse,
            waiting: Vec::new(),
            http,
            nodes: nodes.to_vec(),
            posts: 0,
            place: None,
        }))
    }

    /// Sends commands.
    pub async fn send(&mut self, commands: &str) -> anyhow::Result<()> {
        match self {
            Self::Socket(socket) => Ok(socket.send(Message::text(commands)).await?),
            Self::Emulated(emulated) => emulated.post(commands).await,
        }
    }

    /// Waits for what comes next; its lines.
    pub async fn lines(&mut self, within: Duration) -> anyhow::Result<Vec<String>> {
        let came = async {
            match self {
                Self::Socket(socket) => match socket.next().await.context("closed")?? {
                    Message::Close(reason) => bail!("closed: {reason:?}"),
                    frame => Ok(frame.to_text()?.lines().map(str::to_owned).collect()),
                },
                Self::Emulated(emulated) => emulated.lines().await,
            }
        };
        let mut lines: Vec<String> = tokio::time::timeout(within, came).await.context("silence")??;
        lines.retain(|line| !line.is_empty());
        Ok(lines)
    }
}

impl Emulated {
    async fn post(&mut self, commands: &str) -> anyhow::Result<()> {
        let (session, node) = self.place.as_ref().context("not connected")?;
        let to = &self.nodes[self.posts % self.nodes.len()];
        self.posts += 1;
        let body = json!({"session": session, "node": node, "data": commands});
        let request = self
            .http
            .post(format!("{to}/emulation"))
            .timeout(PATIENCE)
            .json(&body);
        let status = request.send().await?.status();
        ensure!(status.is_success(), "/emulation: {status}");
        Ok(())
    }

    async fn lines(&mut self) -> anyhow::Result<Vec<String>> {
        let chunk = self.chunks.next().await.context("the answer has ended")??;
        self.waiting.extend_from_slice(&chunk);
        let whole = self.waiting.iter().rposition(|byte| *byte == b'\n');
        let whole: Vec<u8> = self.waiting.drain(..whole.map_or(0, |at| at + 1)).collect();
        let text = String::from_utf8(whole)?;
        let lines = replies(&text, self.sse);
        if self.place.is_none() {
            for line in &lines {
                let connect = &serde_json::from_str::<Value>(line)?["connect"];
                if connect["session"].is_string() {
                    self.place = Some((connect["session"].clone(), connect["node"].clone()));
                }
            }
        }
        Ok(lines)
    }
}

/// The replies in whole lines of an answer.
fn replies(text: &str, sse: bool) -> Vec<String> {
    let lines = text.lines();
    let data = |line: &str| {
        let reply = if sse {
            line.strip_prefix("data: ")
        } else {
            Some(line)
        };
        reply.filter(|reply| !reply.is_empty()).map(str::to_owned)
    };
    lines.filter_map(data).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_lines_or_the_data_of_events() {
        assert_eq!(replies("{\"a\":1}\n{}\n", false), ["{\"a\":1}", "{}"]);
        let events = "\r\ndata: {\"a\":1}\ndata: {}\n\nevent: x\n\n";
        assert_eq!(replies(events, true), ["{\"a\":1}", "{}"]);
    }
}
