//! The npm package `centrifuge`, unmodified, in a process of Node.js: told what to do by lines of JSON, and telling what
//! happens the same way.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// One client.
pub struct Sdk {
    _process: Child,
    orders: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Sdk {
    /// A client of the hub at `address`, whose first token is `token`.
    pub fn start(address: &str, token: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/sdk.mjs");
        let mut process = Command::new("node")
            // Node 22 has WebSocket by default; 20 behind this flag, which 22 takes and ignores
            .arg("--experimental-websocket")
            .arg(script)
            .arg(format!("ws://{address}/connection/websocket"))
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

    /// Has it do something.
    pub async fn order(&mut self, order: Value) {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
    }

    /// What it tells next that is not about `connecting`.
    pub async fn told(&mut self) -> Value {
        loop {
            let line = tokio::time::timeout(Duration::from_mins(1), self.told.next_line());
            let line = line.await.expect("the SDK tells nothing").unwrap();
            let line = line.expect("the SDK's process ended: is `npm ci` done in console?");
            let told: Value = serde_json::from_str(&line).unwrap();
            if told["event"] != "connecting" && told["event"] != "subscribing" {
                return told;
            }
        }
    }

    /// The next thing it tells of this kind; what comes before is not looked at.
    pub async fn told_of(&mut self, event: &str) -> Value {
        loop {
            let told = self.told().await;
            if told["event"] == event {
                return told;
            }
        }
    }
}
