//! SDKs, unmodified, in processes of their own: told what to do by lines of JSON, and telling what happens the same way.

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
    /// The npm package, for the hub at `address`, with `token` as its first token.
    pub fn start(address: &str, token: &str) -> Self {
        Self::of(npm().args([&format!("ws://{address}/connection/websocket"), token]))
    }

    /// A client that a process is.
    pub fn of(process: &mut Command) -> Self {
        let mut process = process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js, Python and the Go client are needed: bin/test installs them");
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
            let line = line.expect("the SDK's process ended: bin/test installs its package");
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

/// Node.js with the npm client; what follows is its address, its token and its options.
pub fn npm() -> Command {
    let mut node = Command::new("node");
    // Node 22 has WebSocket by default; 20 behind this flag, which 22 takes and ignores
    node.args(["--experimental-websocket", "--experimental-eventsource"]);
    node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/sdk.mjs"));
    node
}
