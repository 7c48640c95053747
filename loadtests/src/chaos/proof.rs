//! One message in 10,000 dropped, doubled, swapped or with a field too many: the referee finds each, from a server of a few
//! lines that makes no mistake itself.

use super::listeners::found_out;
use crate::peers::Scratch;
use crate::referee::{Committed, Hearing, Line, Mischief, Transport, Verdict, judge, lines, listen};
use futures::{SinkExt, StreamExt};
use serde_json::json;
use std::path::Path;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

const CHANNEL: &str = "kept:proof";
const MESSAGES: u64 = 10_010;
/// Messages in one frame, as a busy hub sends them.
const JOINED: usize = 16;

/// Says yes to everything and sends [`MESSAGES`] messages.
async fn serve(listener: TcpListener) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    for reply in [
        json!({"id": 1, "connect": {}}),
        json!({"id": 2, "subscribe": {"epoch": "e", "recoverable": true}}),
    ] {
        socket.next().await.unwrap().unwrap();
        socket.send(Message::text(reply.to_string())).await.unwrap();
    }
    let pushes: Vec<String> = (1..=MESSAGES)
        .map(|version| {
            let subject = json!({"id": "a", "version": version});
            let data = json!({"type": "t", "subject": subject, "patch": {"email": null}});
            let push = json!({"channel": CHANNEL, "pub": {"data": data, "offset": version}});
            json!({"push": push}).to_string()
        })
        .collect();
    for joined in pushes.chunks(JOINED) {
        socket.send(Message::text(joined.join("\n"))).await.unwrap();
    }
    // until the listener goes
    while let Some(Ok(_)) = socket.next().await {}
}

/// Whether the last message has been heard, wherever in the order.
fn heard_all(heard: &Path) -> bool {
    let last = |line: &Line| matches!(line, Line::Event { offset, .. } if *offset == MESSAGES);
    lines(heard).unwrap_or_default().iter().rev().take(2).any(last)
}

async fn verdict(mischief: Option<Mischief>) -> Verdict {
    // as the program does at its start
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = Scratch::new("proof").unwrap();
    let (heard, database) = (folder.path().join("heard"), folder.path().join("database"));
    std::fs::write(&database, "").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hearing = Hearing {
        transport: Transport::WebSocket,
        nodes: vec![format!("http://{}", listener.local_addr().unwrap())],
        token: String::new(),
        channels: vec![CHANNEL.to_owned()],
        database: Some(database),
        forbidden: vec!["a secret".to_owned()],
        mischief: mischief.map(|what| (what, 10_000)),
        out: heard.clone(),
    };
    tokio::select! {
        () = serve(listener) => {}
        ended = listen(hearing) => ended.unwrap(),
        () = async {
            while !heard_all(&heard) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        } => {}
    }
    let committed: Vec<Committed> = (1..=MESSAGES as i64)
        .map(|version| Committed {
            channel: CHANNEL.to_owned(),
            id: "a".to_owned(),
            version,
        })
        .collect();
    judge(&lines(&heard).unwrap(), &committed, "t")
}

#[tokio::test]
async fn one_message_in_10_000_that_is_wrong_is_found_and_none_where_none_is() {
    let clean = verdict(None).await;
    assert!(clean.holds() && clean.delivered == MESSAGES as usize, "{clean:?}");
    for what in [Mischief::Drop, Mischief::Double, Mischief::Swap, Mischief::Leak] {
        let verdict = verdict(Some(what)).await;
        assert!(found_out((what, 10_000), &verdict), "{what:?}: {verdict:?}");
    }
}
