//! The npm package `centrifuge`, unmodified, as the console uses it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Node;

/// The SDK in a process of Node.js, told what to do by lines of JSON and telling what happens the same way.
struct Sdk {
    _process: Child,
    orders: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Sdk {
    fn start(node: &Node, token: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/sdk.mjs");
        let mut process = Command::new("node")
            // Node 22 has WebSocket by default; 20 behind this flag, which 22 takes and ignores
            .arg("--experimental-websocket")
            .arg(script)
            .arg(format!("ws://{}/connection/websocket", node.address))
            .arg(token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js is needed: bin/test says where to get it");
        let orders = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            _process: process,
            orders,
            told,
        }
    }

    async fn order(&mut self, order: Value) {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
    }

    /// What it tells next that is not about `connecting`.
    async fn told(&mut self) -> Value {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(30), self.told.next_line());
            let line = line.await.expect("the SDK tells nothing").unwrap();
            let told: Value =
                serde_json::from_str(&line.expect("the SDK's process ended: is `npm ci` done in console?"))
                    .unwrap();
            if told["event"] != "connecting" && told["event"] != "subscribing" {
                return told;
            }
        }
    }

    async fn numbers(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = vec![];
        while numbers.len() < count {
            let told = self.told().await;
            if told["event"] == "publication" {
                numbers.push(told["data"]["n"].as_u64().unwrap());
            }
        }
        numbers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_connects_follows_and_resumes_without_gap_after_the_hub_was_gone() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut sdk = Sdk::start(&node, "someone");
    assert_eq!(sdk.told().await["event"], "connected");
    sdk.order(json!({"subscribe": "feed:users"})).await;
    let subscribed = sdk.told().await;
    assert_eq!(
        (&subscribed["event"], &subscribed["recoverable"]),
        (&json!("subscribed"), &json!(true))
    );
    node.happen(5).await;
    assert_eq!(sdk.numbers(5).await, [1, 2, 3, 4, 5]);
    let node = node.restart(4).await;
    let back = loop {
        let told = sdk.told().await;
        if told["event"] == "subscribed" {
            break told;
        }
    };
    assert_eq!(
        (&back["wasRecovering"], &back["recovered"]),
        (&json!(true), &json!(true))
    );
    node.happen(2).await;
    assert_eq!(sdk.numbers(6).await, [6, 7, 8, 9, 10, 11]);
    sdk.order(json!({"unsubscribe": "feed:users"})).await;
    assert_eq!(
        sdk.told().await,
        json!({"event": "unsubscribed", "channel": "feed:users", "code": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_learns_which_channels_it_may_not_follow() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut sdk = Sdk::start(&node, "someone");
    sdk.told().await;
    for (channel, code) in [("feed:audit", 103), ("feed:nothing", 102)] {
        sdk.order(json!({"subscribe": channel})).await;
        assert_eq!(
            sdk.told().await,
            json!({"event": "unsubscribed", "channel": channel, "code": code})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_fetches_another_token_when_its_own_has_expired() {
    let node = Node::start().await;
    node.person("fresh", &["users:read"]);
    let mut sdk = Sdk::start(&node, "expired");
    assert_eq!(sdk.told().await, json!({"event": "error", "code": 109}));
    assert_eq!(sdk.told().await["event"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_of_a_banned_person_stays_away() {
    let node = Node::start().await;
    node.person("bad", &["users:read"]);
    let mut sdk = Sdk::start(&node, "bad");
    sdk.told().await;
    node.door.ban("bad");
    assert_eq!(
        sdk.told().await,
        json!({"event": "disconnected", "code": 4501, "reason": "access ended"})
    );
}
