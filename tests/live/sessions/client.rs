//! One SDK in one of its forms, and what it has told so far.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::process::Command;

use super::super::driver::{Sdk, npm};

/// What the application signs its users' tokens with.
pub const SECRET: &str = "a secret that the application and the hub share";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    JavaScript,
    Python,
    Go,
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its name, and its user's.
    pub name: &'static str,
    language: Language,
    protobuf: bool,
    transport: Option<&'static str>,
}

impl Form {
    const fn npm(name: &'static str, protobuf: bool, transport: Option<&'static str>) -> Self {
        Self {
            name,
            language: Language::JavaScript,
            protobuf,
            transport,
        }
    }

    const fn over_websocket(name: &'static str, language: Language, protobuf: bool) -> Self {
        Self {
            name,
            language,
            protobuf,
            transport: None,
        }
    }

    /// Every form that the SDKs offer. SSE has no bytes, so no Protobuf.
    pub const ALL: [Self; 9] = [
        Self::npm("npm-json", false, None),
        Self::npm("npm-protobuf", true, None),
        Self::npm("npm-http-stream", false, Some("http_stream")),
        Self::npm("npm-http-stream-protobuf", true, Some("http_stream")),
        Self::npm("npm-sse", false, Some("sse")),
        Self::over_websocket("python-json", Language::Python, false),
        Self::over_websocket("python-protobuf", Language::Python, true),
        Self::over_websocket("go-json", Language::Go, false),
        Self::over_websocket("go-protobuf", Language::Go, true),
    ];

    /// The Python client of 0.5.0 renews a subscription's token without saying for which channel
    /// (https://github.com/centrifugal/centrifuge-python/issues/50).
    pub fn forgets_the_channel(self) -> bool {
        self.language == Language::Python
    }

    /// The Python client of 0.5.0 does not hear of subscriptions that the server makes after the connect.
    pub fn skips_subscribe_pushes(self) -> bool {
        self.language == Language::Python
    }

    /// The Python client of 0.5.0 and the Go client of 0.12.1 know neither maps nor polled channels.
    pub fn knows_maps(self) -> bool {
        self.language == Language::JavaScript
    }

    fn program(self) -> Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        match self.language {
            Language::JavaScript => npm(),
            Language::Go => Command::new(root.join("target/go/sdk")),
            Language::Python => {
                let mut python = Command::new(root.join("target/python/bin/python3"));
                python.arg(root.join("tests/live/sdk.py"));
                python
            }
        }
    }

    fn address(self, at: &str) -> String {
        let format = if self.protobuf && self.transport.is_none() && self.language == Language::JavaScript {
            // so the npm client is told to: it offers the subprotocol too
            "?format=protobuf"
        } else {
            ""
        };
        format!("ws://{at}/connection/websocket{format}")
    }
}

/// A token of the application with these claims, signed with `secret`, that ends in so many seconds.
pub fn token_by(secret: &str, mut claims: Value, lasts: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    claims["exp"] = json!(now as i64 + lasts);
    encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

/// One client. It is given the tokens it asks for.
pub struct Client {
    /// How it speaks.
    pub form: Form,
    /// Its connection's id, where a test has noted it.
    pub id: String,
    sdk: Sdk,
    /// Told and not looked at yet.
    told: Vec<Value>,
    /// How often it has asked for a token: for the connection (""), and for channels.
    asked: HashMap<String, u32>,
}

impl Client {
    /// A client of the hub at `at` with `token` as its first.
    pub fn start(form: Form, at: &str, token: &str) -> Self {
        let options = json!({"protobuf": form.protobuf, "transport": form.transport, "asks": true});
        let mut program = form.program();
        program.args([form.address(at), token.to_owned(), options.to_string()]);
        Self {
            form,
            id: String::new(),
            sdk: Sdk::of(&mut program),
            told: Vec::new(),
            asked: HashMap::new(),
        }
    }

    /// A channel of this client alone.
    pub fn own(&self, namespace: &str) -> String {
        format!("{namespace}:{}", self.form.name)
    }

    /// Has it do something.
    pub async fn order(&mut self, order: Value) {
        self.sdk.order(order).await;
    }

    /// Has it subscribe, and says how the subscription stands.
    pub async fn subscribe(&mut self, channel: &str, with: Value) -> Value {
        let mut order = with;
        order["subscribe"] = json!(channel);
        self.order(order).await;
        self.told(json!({"event": "subscribed", "channel": channel}))
            .await
    }

    /// What it is answered: `result`, or `error` with a code.
    pub async fn ask(&mut self, ask: &str, channel: &str, with: Value) -> Value {
        let mut order = with;
        order["ask"] = json!(ask);
        order["channel"] = json!(channel);
        self.order(order).await;
        self.told(json!({"event": "answer"})).await
    }

    /// The first thing it has told, or tells, that has all this in it. What else it tells stays for later.
    pub async fn told(&mut self, wanted: Value) -> Value {
        let told = self.told_within(Duration::from_secs(40), &wanted).await;
        told.unwrap_or_else(|| panic!("{} never told {wanted}, but {}", self.form.name, json!(self.told)))
    }

    /// As [`Client::told`], if it tells it in time.
    pub async fn told_within(&mut self, within: Duration, wanted: &Value) -> Option<Value> {
        let until = tokio::time::Instant::now() + within;
        loop {
            if let Some(told) = self.take(wanted) {
                return Some(told);
            }
            tokio::time::timeout_at(until, self.hear()).await.ok()?;
        }
    }

    /// Payloads of the next publications in a channel, in the order in which they come.
    pub async fn publications(&mut self, channel: &str, count: usize) -> Vec<Value> {
        let mut payloads = Vec::with_capacity(count);
        while payloads.len() < count {
            let wanted = json!({"event": "publication", "channel": channel});
            payloads.push(self.told(wanted).await["data"].clone());
        }
        payloads
    }

    /// What it has told with all this in it and nobody has looked at.
    pub fn left(&self, wanted: &Value) -> Vec<&Value> {
        self.told.iter().filter(|told| contains(told, wanted)).collect()
    }

    /// Nobody will look at what it has told of this so far.
    pub fn forget(&mut self, unwanted: &Value) {
        self.told.retain(|told| !contains(told, unwanted));
    }

    /// Waits until it has asked so often for a token of `channel`; "" for the connection's.
    pub async fn asked_for_tokens(&mut self, channel: &str, times: u32) {
        while self.asked.get(channel).is_none_or(|asked| *asked < times) {
            self.hear().await;
        }
    }

    /// What it has told already that has all this in it.
    pub fn take(&mut self, wanted: &Value) -> Option<Value> {
        let at = self.told.iter().position(|told| contains(told, wanted))?;
        Some(self.told.remove(at))
    }

    async fn hear(&mut self) {
        let told = self.sdk.told().await;
        if told["event"] != "token_wanted" {
            return self.told.push(told);
        }
        let channel = told["channel"].as_str().unwrap_or_default().to_owned();
        let asked = self.asked.entry(channel.clone()).or_default();
        *asked += 1;
        // the first hardly lasts, so that the client must come with another
        let lasts = if *asked == 1 { 8 } else { 3600 };
        let mut claims = json!({"sub": self.form.name, "info": {"called": self.form.name}});
        if channel.is_empty() {
            claims["channels"] = json!([self.own("desk"), self.own("desk:aside")]);
        } else {
            claims["channel"] = json!(channel);
        }
        let token = token_by(SECRET, claims, lasts);
        self.sdk.order(json!({"n": told["n"], "token": token})).await;
    }
}

/// Whether `whole` has every field of `part`, with its value.
fn contains(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(fields) => fields.iter().all(|(name, field)| contains(&whole[name], field)),
        part => whole == part,
    }
}
