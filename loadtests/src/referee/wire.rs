//! The protocol's transports: WebSocket, the two that emulate it with an endless answer for what comes down and a POST for
//! each command that goes up, to whichever node, and those of clients that only listen.
//!
//! Whatever the dialect, what comes is handed on as the lines that the JSON form would have.

use super::listen::PATIENCE;
use super::protobuf;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    /// The same in Protobuf.
    ProtobufWebSocket,
    /// `/connection/http_stream`, commands to `/emulation`.
    HttpStream,
    /// `/connection/sse`, commands to `/emulation`.
    Sse,
    /// `/api/v1/stream`: a plain EventSource, for the hub's own channels.
    EventStream,
    /// `/connection/uni_websocket`: says who it is and what it wants, and listens.
    UniWebSocket,
    /// `/connection/uni_sse`, resumed by the id that an EventSource brings back.
    UniSse,
    /// `/connection/uni_http_stream`, resumed by the places in its request.
    UniHttpStream,
}

impl Transport {
    /// Whether nothing goes up but the request that opens it.
    pub(super) fn only_listens(self) -> bool {
        matches!(self, Self::UniWebSocket | Self::UniSse | Self::UniHttpStream)
    }

    fn is_sse(self) -> bool {
        matches!(self, Self::Sse | Self::UniSse)
    }
}

/// What came, as lines of the JSON form.
pub(super) struct Came {
    pub lines: Vec<String>,
    /// As it came, where that is another form.
    pub raw: String,
}

/// Marks the line with the id of what follows.
pub(super) const ID: &str = "id: ";

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// An open connection.
pub(super) enum Wire {
    Socket(Transport, Box<Socket>),
    Emulated(Emulated),
}

pub(super) struct Emulated {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    transport: Transport,
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
    /// Connects to `node` and sends `connect`; `last_id` is what an EventSource brings back.
    pub async fn open(
        transport: Transport,
        nodes: &[String],
        node: &str,
        connect: &str,
        last_id: Option<&str>,
    ) -> anyhow::Result<Self> {
        // without a limit of time for the whole answer, which never ends
        let http = Client::builder().connect_timeout(PATIENCE).build()?;
        let request = match transport {
            Transport::WebSocket | Transport::ProtobufWebSocket | Transport::UniWebSocket => {
                return Self::open_socket(transport, node, connect).await;
            }
            Transport::HttpStream => {
                let url = format!("{node}/connection/http_stream");
                http.post(url).body(connect.to_owned())
            }
            Transport::Sse => {
                let url = format!("{node}/connection/sse");
                http.get(url).query(&[("cf_connect", connect)])
            }
            Transport::UniSse => {
                let url = format!("{node}/connection/uni_sse");
                let request = http.get(url).query(&[("cf_connect", connect)]);
                match last_id {
                    Some(id) => request.header("Last-Event-ID", id),
                    None => request,
                }
            }
            Transport::UniHttpStream => {
                let url = format!("{node}/connection/uni_http_stream");
                http.post(url).body(connect.to_owned())
            }
            Transport::EventStream => bail!("it has no way up"),
        };
        let answer = tokio::time::timeout(PATIENCE, request.send()).await??;
        Ok(Self::Emulated(Emulated {
            chunks: answer.error_for_status()?.bytes_stream().boxed(),
            transport,
            waiting: Vec::new(),
            http,
            nodes: nodes.to_vec(),
            posts: 0,
            place: None,
        }))
    }

    async fn open_socket(transport: Transport, node: &str, connect: &str) -> anyhow::Result<Self> {
        let path = match transport {
            Transport::UniWebSocket => "uni_websocket",
            _ => "websocket",
        };
        let url = format!("{}/connection/{path}", node.replacen("http", "ws", 1));
        let mut request = ClientRequestBuilder::new(url.parse()?);
        if transport == Transport::ProtobufWebSocket {
            request = request.with_sub_protocol("centrifuge-protobuf");
        }
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, _) = tokio::time::timeout(PATIENCE, connecting).await??;
        let mut wire = Self::Socket(transport, Box::new(socket));
        wire.send(connect).await?;
        Ok(wire)
    }

    /// Sends commands.
    pub async fn send(&mut self, commands: &str) -> anyhow::Result<()> {
        match self {
            Self::Socket(Transport::ProtobufWebSocket, socket) => {
                Ok(socket.send(Message::binary(protobuf::frame(commands)?)).await?)
            }
            Self::Socket(_, socket) => Ok(socket.send(Message::text(commands)).await?),
            Self::Emulated(emulated) => emulated.post(commands).await,
        }
    }

    /// Waits for what comes next.
    pub async fn next(&mut self, within: Duration) -> anyhow::Result<Came> {
        let mut raw = String::new();
        let came = async {
            match self {
                Self::Socket(transport, socket) => match socket.next().await.context("closed")?? {
                    Message::Close(reason) => bail!("closed: {reason:?}"),
                    Message::Binary(frame) if *transport == Transport::ProtobufWebSocket => {
                        raw = String::from_utf8_lossy(&frame).into_owned();
                        protobuf::lines(&frame)
                    }
                    frame => Ok(replies(frame.to_text()?, *transport)),
                },
                Self::Emulated(emulated) => emulated.lines().await,
            }
        };
        let lines = tokio::time::timeout(within, came).await.context("silence")??;
        Ok(Came { lines, raw })
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
        let lines = replies(&text, self.transport);
        if self.place.is_none() && !self.transport.only_listens() {
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

/// The replies in whole lines of an answer, and ids in front of theirs. Who only listens is sent pushes without a reply
/// around them.
fn replies(text: &str, transport: Transport) -> Vec<String> {
    let reply = |line: &str| {
        let reply = match line.strip_prefix("data: ") {
            Some(data) if transport.is_sse() => data,
            None if transport.is_sse() => return line.starts_with(ID).then(|| line.to_owned()),
            _ => line,
        };
        match reply {
            "" => None,
            push if transport.only_listens() && push != "{}" => Some(format!("{{\"push\":{push}}}")),
            reply => Some(reply.to_owned()),
        }
    };
    text.lines().filter_map(reply).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_lines_or_the_data_of_events() {
        assert_eq!(
            replies("{\"a\":1}\n{}\n", Transport::HttpStream),
            ["{\"a\":1}", "{}"]
        );
        let events = "\r\ndata: {\"a\":1}\ndata: {}\n\nevent: x\n\n";
        assert_eq!(replies(events, Transport::Sse), ["{\"a\":1}", "{}"]);
    }

    #[test]
    fn pushes_without_a_reply_get_one_and_ids_stay_in_front_of_what_they_are_of() {
        let pushes = "{\"channel\":\"c\"}\n{}\n";
        for transport in [Transport::UniWebSocket, Transport::UniHttpStream] {
            assert_eq!(
                replies(pushes, transport),
                ["{\"push\":{\"channel\":\"c\"}}", "{}"]
            );
        }
        let events = "id: c@e:1\ndata: {\"channel\":\"c\"}\n\ndata: {}\n\n";
        assert_eq!(
            replies(events, Transport::UniSse),
            ["id: c@e:1", "{\"push\":{\"channel\":\"c\"}}", "{}"]
        );
    }
}
