//! Two nodes serve the operator's application on a Redis that refuses what touches two slots: what is done through one is
//! seen on the other, and what a node leaves behind that is killed is gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signalbox_core::testing::Stalls;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::relay::cluster::{Cluster, until};

pub(super) const SECRET: &str = "shared with the application";
const SETTINGS: &[(&str, &str)] = &[
    ("SIGNALBOX__LIVE__TOKEN__HMAC_SECRET", SECRET),
    ("SIGNALBOX__LIVE__API__KEYS", "a key"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE", "100"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_TTL", "5m"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__FORCE_RECOVERY", "true"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__PRESENCE", "true"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__JOIN_LEAVE", "true"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__FORCE_PUSH_JOIN_LEAVE", "true"),
    (
        "SIGNALBOX__LIVE__NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT",
        "true",
    ),
    (
        "SIGNALBOX__LIVE__NAMESPACES__CHAT__MAP_CLIENTS_PRESENCE_CHANNEL_PREFIX",
        "clients:",
    ),
    (
        "SIGNALBOX__LIVE__NAMESPACES__CHAT__MAP_USERS_PRESENCE_CHANNEL_PREFIX",
        "users:",
    ),
    (
        "SIGNALBOX__LIVE__NAMESPACES__CLIENTS__SUBSCRIPTION_TYPE",
        "map_clients",
    ),
    ("SIGNALBOX__LIVE__NAMESPACES__CLIENTS__MAP__MODE", "recoverable"),
    (
        "SIGNALBOX__LIVE__NAMESPACES__USERS__SUBSCRIPTION_TYPE",
        "map_users",
    ),
    ("SIGNALBOX__LIVE__NAMESPACES__USERS__MAP__MODE", "ephemeral"),
];

/// A connection token of the application's: HMAC (RFC 2104) by hand, as whoever has no library would.
pub(super) fn token(user: &str) -> String {
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let body = format!(
        "{}.{}",
        part(json!({"alg": "HS256"})),
        part(json!({"sub": user, "info": {"name": user}}))
    );
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(SECRET.bytes())
            .for_each(|(byte, of)| *byte ^= of);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(&body)
        .finalize();
    let signature = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    format!("{body}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

pub(super) struct Client {
    /// What it has to say. Its line ends with this.
    says: UnboundedSender<Value>,
    /// What it is told, and the code that it is closed with.
    told: UnboundedReceiver<Result<Value, u16>>,
    /// Its id.
    id: String,
}

/// Carries what a client says and is told, and answers pings however long the client itself does not listen.
async fn carry(
    mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    mut says: UnboundedReceiver<Value>,
    told: UnboundedSender<Result<Value, u16>>,
) -> Option<()> {
    loop {
        let come = tokio::select! {
            said = says.recv() => {
                socket.send(Message::text(said?.to_string())).await.ok()?;
                continue;
            }
            come = socket.next() => come,
        };
        match come?.ok()? {
            Message::Close(frame) => told.send(Err(frame?.code.into())).ok()?,
            // several messages may come in one frame
            Message::Text(text) => {
                for line in text.lines() {
                    let message = serde_json::from_str::<Value>(line).ok()?;
                    if message == json!({}) {
                        socket.send(Message::text("{}")).await.ok()?;
                    } else {
                        told.send(Ok(message)).ok()?;
                    }
                }
            }
            _ => {}
        }
    }
}

impl Client {
    /// Signed in, and subscribed to `chat:1`.
    pub(super) async fn connect(url: &str, user: &str) -> Self {
        let url = format!("{}/connection/websocket", url.replacen("http", "ws", 1));
        let (socket, _) = connect_async(url).await.unwrap();
        let (says, said) = unbounded_channel();
        let (tells, told) = unbounded_channel();
        tokio::spawn(carry(socket, said, tells));
        let mut client = Self {
            says,
            told,
            id: String::new(),
        };
        let connect = json!({"id": 1, "connect": {"token": token(user)}});
        client.says.send(connect).unwrap();
        let subscribe = json!({"id": 2, "subscribe": {"channel": "chat:1"}});
        client.says.send(subscribe).unwrap();
        let connected = client.next_where(|told| told["id"] == 1).await;
        connected["connect"]["client"]
            .as_str()
            .unwrap()
            .clone_into(&mut client.id);
        let subscribed = client.next_where(|told| told["id"] == 2).await;
        assert_eq!(subscribed["subscribe"]["recoverable"], true, "{subscribed}");
        client
    }

    /// The next message; or the code it was closed with.
    async fn next(&mut self) -> Result<Value, u16> {
        let told = tokio::time::timeout(Duration::from_mins(1), self.told.recv());
        told.await.expect("nothing is told").expect("the line broke")
    }

    async fn next_where(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = self.next().await.expect("it was closed");
            if fits(&told) {
                return told;
            }
        }
    }

    /// The next publication.
    pub(super) async fn publication(&mut self) -> Value {
        self.next_where(|told| told["push"]["pub"].is_object()).await["push"]["pub"].take()
    }
}

/// Has the server API of the node at `url` do something.
pub(super) async fn api(http: &reqwest::Client, url: &str, method: &str, body: Value) -> Value {
    let request = http
        .post(format!("{url}/api/{method}"))
        .header("X-API-Key", "a key")
        .json(&body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("error").is_none(), "{method} {body}: {answer}");
    answer["result"].take()
}

impl Cluster {
    /// Has the server API of a node do something.
    async fn api(&self, number: usize, method: &str, body: Value) -> Value {
        api(&crate::harness::client(), &self.nodes[number].url, method, body).await
    }

    async fn present(&self, number: usize) -> BTreeSet<String> {
        let presence = self.api(number, "presence", json!({"channel": "chat:1"})).await;
        presence["presence"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }
}

impl Cluster {
    /// The keys of the map that shows by client, or by user, who is in the channel.
    async fn shown(&self, number: usize, by: &str) -> BTreeSet<String> {
        let map = json!({"channel": format!("{by}:chat:1")});
        let state = self.api(number, "map_read_state", map).await;
        let entries = state["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["key"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_through_one_node_happens_to_clients_of_another() {
    let cluster = Cluster::start_with(2, SETTINGS).await;
    let mut ada = Client::connect(&cluster.nodes[0].url, "ada").await;
    let mut bob = Client::connect(&cluster.nodes[1].url, "bob").await;
    let joined = ada
        .next_where(|told| told["push"]["join"]["info"]["user"] == "bob")
        .await;
    assert_eq!(
        joined["push"]["join"]["info"]["conn_info"],
        json!({"name": "bob"})
    );
    // both nodes know both
    let both = BTreeSet::from([ada.id.clone(), bob.id.clone()]);
    assert_eq!(
        (cluster.present(0).await, cluster.present(1).await),
        (both.clone(), both)
    );
    let at = cluster
        .api(1, "publish", json!({"channel": "chat:1", "data": {"n": 1}}))
        .await;
    let heard = [ada.publication().await, bob.publication().await];
    assert!(
        heard
            .iter()
            .all(|heard| heard["data"] == json!({"n": 1}) && heard["offset"] == at["offset"]),
        "{heard:?}"
    );
    // a node that is too busy to answer within a second is left out
    until("both nodes answer for their clients", async || {
        let channels = cluster.api(0, "channels", json!({})).await;
        channels["channels"] == json!({"chat:1": {"num_clients": 2}})
    })
    .await;
    until("both nodes answer for themselves", async || {
        let nodes = cluster.api(0, "info", json!({})).await["nodes"].clone();
        let clients = nodes
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["num_clients"].as_u64().unwrap());
        (clients.clone().count(), clients.sum::<u64>()) == (2, 2)
    })
    .await;

    cluster
        .api(1, "unsubscribe", json!({"user": "ada", "channel": "chat:1"}))
        .await;
    let ended = ada
        .next_where(|told| told["push"]["unsubscribe"].is_object())
        .await;
    assert_eq!(
        (&ended["push"]["channel"], &ended["push"]["unsubscribe"]["code"]),
        (&json!("chat:1"), &json!(2000))
    );
    let left = bob.next_where(|told| told["push"]["leave"].is_object()).await;
    assert_eq!(left["push"]["leave"]["info"]["client"], json!(ada.id));
    cluster
        .api(1, "publish", json!({"channel": "chat:1", "data": {"n": 2}}))
        .await;
    // given back from where she was: what she missed comes with it
    let since = json!({"offset": at["offset"], "epoch": at["epoch"]});
    let back = json!({"user": "ada", "channel": "chat:1", "data": {"hello": 1}, "recover_since": since});
    cluster.api(1, "subscribe", back).await;
    let given = ada.next_where(|told| told["push"]["subscribe"].is_object()).await;
    assert_eq!(given["push"]["subscribe"]["data"], json!({"hello": 1}), "{given}");
    assert_eq!(ada.publication().await["data"], json!({"n": 2}));

    let told = json!({"user": "ada", "disconnect": {"code": 4501, "reason": "that is enough"}});
    cluster.api(1, "disconnect", told).await;
    let code = loop {
        if let Err(code) = ada.next().await {
            break code;
        }
    };
    assert_eq!(code, 4501);
    until("only bob is there", async || {
        cluster.present(0).await == BTreeSet::from([bob.id.clone()])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_killed_node_are_gone_in_five_seconds_and_a_flushed_redis_knows_the_others_again() {
    let mut cluster = Cluster::start_with(2, SETTINGS).await;
    let mut bob = Client::connect(&cluster.nodes[1].url, "bob").await;
    let mut ghosts = BTreeSet::new();
    let mut sockets = Vec::new();
    for n in 0..20 {
        let client = Client::connect(&cluster.nodes[0].url, &format!("ghost {n}")).await;
        ghosts.insert(client.id.clone());
        sockets.push(client);
    }
    until("all have come", async || cluster.present(1).await.len() == 21).await;
    assert_eq!(cluster.shown(1, "clients").await, cluster.present(1).await);
    assert_eq!(cluster.shown(1, "users").await.len(), 21);
    cluster.nodes[0].kill();
    let (killed, stalls) = (Instant::now(), Stalls::watch());
    let only_bob = BTreeSet::from([bob.id.clone()]);
    until("only bob is there", async || cluster.present(1).await == only_bob).await;
    let gone = killed.elapsed();
    let most = Duration::from_secs(5) + stalls.allowance();
    assert!(gone < most, "{gone:?}");
    // they are buried later: by whoever finds the node's lease run out
    until("and in the maps", async || {
        cluster.shown(1, "clients").await == only_bob && cluster.shown(1, "users").await.len() == 1
    })
    .await;
    let mut left = Vec::new();
    while left.len() < ghosts.len() {
        let told = bob.next_where(|told| told["push"]["leave"].is_object()).await;
        left.push(
            told["push"]["leave"]["info"]["client"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(left.iter().cloned().collect::<BTreeSet<_>>(), ghosts, "each once");

    cluster.redis("FLUSHALL");
    until("bob is known again", async || {
        cluster.present(1).await == only_bob && cluster.shown(1, "clients").await == only_bob
    })
    .await;
    assert_eq!(
        cluster.shown(1, "users").await,
        BTreeSet::from(["bob".to_owned()])
    );
    // and told nothing of it but that he must read again or go on
    cluster
        .api(1, "publish", json!({"channel": "chat:1", "data": "after"}))
        .await;
    let told = bob.next_where(|told| {
        let push = &told["push"];
        assert!(push["leave"].is_null() && push["join"].is_null(), "{told}");
        push["pub"]["data"] == "after" || push["unsubscribe"].is_object()
    });
    let told = told.await;
    let code = &told["push"]["unsubscribe"]["code"];
    assert!(code.is_null() || *code == 2500, "{told}");
}
