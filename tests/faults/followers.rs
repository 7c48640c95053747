//! Those who follow the people, by a socket and by a stream.

use futures::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A WebSocket that follows them.
pub async fn socket(url: &str, token: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("{}/connection/websocket", url.replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await.unwrap();
    for command in [
        json!({"id": 1, "connect": {"token": token}}),
        json!({"id": 2, "subscribe": {"channel": "feed:users"}}),
    ] {
        socket.send(Message::text(command.to_string())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert!(
            answer.is_text() && !answer.to_text().unwrap().contains("error"),
            "{answer:?}"
        );
    }
    socket
}

/// An event stream that follows them; resolves to what it said behind its first bytes, once it has ended.
pub async fn stream(url: &str, token: &str) -> impl Future<Output = String> + use<> {
    let asked = crate::harness::client().get(format!("{url}/api/v1/stream?channel=feed:users"));
    let answer = asked.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut chunks = answer.bytes_stream();
    // they prove that it flows
    chunks.next().await.unwrap().unwrap();
    async move {
        let mut text = String::new();
        while let Some(Ok(chunk)) = chunks.next().await {
            text += &String::from_utf8_lossy(&chunk);
        }
        text
    }
}
