//! `/api/<method>`, as a server of the operator's application meets it.

mod commands;
mod looking;
mod maps;
mod orders;
mod polls;
mod publishing;

use std::sync::Arc;

use crate::harness::{Hub, client, hub_as_node};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use signalbox_actors::nodes::Local;
use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, ChannelRow, NodeState, Question, Rows};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::APPLICATION;

const KEY: &str = "an api key";

/// A node with as many channels as it is told, and one organization's among them.
struct Made {
    channels: usize,
}

impl Local for Made {
    fn carry_out(&self, _: Order) {}

    fn answer(&self, question: &Question) -> Answer {
        let row = |channel: String, organization| ChannelRow {
            channel,
            organization,
            subscribers: 2,
            rate: 0.0,
        };
        match question {
            Question::Channels(wanted) => {
                let mut rows: Vec<_> = (0..self.channels)
                    .map(|n| row(format!("chat:{n:05}"), APPLICATION))
                    .collect();
                rows.push(row("feed:users".to_owned(), OrganizationId::new()));
                Answer::Channels(wanted.page(rows))
            }
            Question::Connections(_) => Answer::Connections(Rows {
                items: Vec::new(),
                total: 0,
            }),
            Question::Connection { .. } => Answer::Connection { found: None },
            Question::Sockets { .. } => Answer::Sockets { rows: Vec::new() },
            Question::Node => Answer::Node(NodeState {
                connections: 3,
                users: 2,
                channels: 1,
                subscriptions: 4,
                version: "1".to_owned(),
                ..NodeState::default()
            }),
        }
    }
}

async fn hub() -> Hub {
    hub_with_channels(3).await
}

async fn hub_with_channels(channels: usize) -> Hub {
    let settings = [
        ("SIGNALBOX__LIVE__API__KEYS", "an api key,another"),
        ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE", "10"),
        ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_TTL", "5m"),
        ("SIGNALBOX__LIVE__NAMESPACES__CHAT__PRESENCE", "true"),
        ("SIGNALBOX__LIVE__NAMESPACES__BOARD__SUBSCRIPTION_TYPE", "map"),
        ("SIGNALBOX__LIVE__NAMESPACES__BOARD__MAP__MODE", "persistent"),
        ("SIGNALBOX__LIVE__NAMESPACES__BOARD__MAP__MAX_KEYS", "5"),
        (
            "SIGNALBOX__LIVE__NAMESPACES__THERE__SUBSCRIPTION_TYPE",
            "map_clients",
        ),
        ("SIGNALBOX__LIVE__NAMESPACES__THERE__MAP__MODE", "ephemeral"),
        ("SIGNALBOX__LIVE__NAMESPACES__RANKS__SUBSCRIPTION_TYPE", "map"),
        ("SIGNALBOX__LIVE__NAMESPACES__RANKS__MAP__MODE", "persistent"),
        ("SIGNALBOX__LIVE__NAMESPACES__RANKS__MAP__ORDERED", "true"),
        ("SIGNALBOX__LIVE__SHARED_POLL__HMAC_SECRET_KEY", "a secret"),
        (
            "SIGNALBOX__LIVE__NAMESPACES__PRICE__SUBSCRIPTION_TYPE",
            "shared_poll",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__PRICE__SHARED_POLL__ENDPOINT",
            "http://127.0.0.1:9/",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__PRICE__SHARED_POLL__MODE",
            "versioned",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__PRICE__SHARED_POLL__PUBLISH_ENABLED",
            "true",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__QUIET__SUBSCRIPTION_TYPE",
            "shared_poll",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__QUIET__SHARED_POLL__ENDPOINT",
            "http://127.0.0.1:9/",
        ),
        (
            "SIGNALBOX__LIVE__NAMESPACES__STATE__PUBLICATION_DATA_FORMAT",
            "json_object",
        ),
    ];
    hub_as_node(&settings, Arc::new(Made { channels })).await
}

impl Hub {
    async fn ask_by_key(&self, method: &str, body: &Value) -> Response {
        let request = client()
            .post(format!("{}/api/{method}", self.url))
            .header("X-API-Key", KEY);
        request.json(body).send().await.unwrap()
    }

    /// The whole answer.
    async fn call(&self, method: &str, body: Value) -> Value {
        let answer = self.ask_by_key(method, &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{method} {body}");
        assert_eq!(answer.headers()["content-type"], "application/json");
        answer.json().await.unwrap()
    }

    async fn result(&self, method: &str, body: Value) -> Value {
        let mut answer = self.call(method, body.clone()).await;
        assert!(answer.get("error").is_none(), "{method} {body}: {answer}");
        answer["result"].take()
    }

    async fn code(&self, method: &str, body: Value) -> u64 {
        let answer = self.call(method, body.clone()).await;
        assert!(answer.get("result").is_none(), "{method} {body}: {answer}");
        assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
        answer["error"]["code"].as_u64().unwrap()
    }
}

/// Every method, with a body that is good.
fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("publish", json!({"channel": "chat:1", "data": {}})),
        ("broadcast", json!({"channels": ["chat:1"], "data": {}})),
        ("subscribe", json!({"user": "7", "channel": "chat:1"})),
        ("unsubscribe", json!({"user": "7", "channel": "chat:1"})),
        ("disconnect", json!({"user": "7"})),
        ("refresh", json!({"user": "7"})),
        ("presence", json!({"channel": "chat:1"})),
        ("presence_stats", json!({"channel": "chat:1"})),
        ("history", json!({"channel": "chat:1"})),
        ("history_remove", json!({"channel": "chat:1"})),
        ("channels", json!({})),
        ("info", json!({})),
        (
            "shared_poll_publish",
            json!({"channel": "price:1", "key": "a", "data": {}, "version": 1}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_done_and_with_one_everything_is() {
    let hub = hub().await;
    for (method, body) in all().into_iter().chain([("batch", json!({"commands": []}))]) {
        let url = format!("{}/api/{method}", hub.url);
        for request in [
            client().post(&url),
            client().post(&url).header("X-API-Key", "wrong"),
            client().post(format!("{url}?api_key=")),
            client().post(&url).bearer_auth(KEY),
        ] {
            assert_eq!(
                request.json(&body).send().await.unwrap().status(),
                StatusCode::UNAUTHORIZED,
                "{method}"
            );
        }
        assert!(hub.call(method, body).await.get("error").is_none(), "{method}");
    }
    for request in [
        client()
            .post(format!("{}/api/info", hub.url))
            .header("Authorization", "apikey another"),
        client().post(format!("{}/api/info?api_key=another", hub.url)),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    let closed = hub_as_node(&[], Arc::new(Made { channels: 0 })).await;
    let nobody = client()
        .post(format!("{}/api/info", closed.url))
        .header("X-API-Key", "");
    assert_eq!(nobody.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hubs_own_channels_are_out_of_reach_and_unknown_ones_unknown() {
    let hub = hub().await;
    let with_channel = [
        "publish",
        "subscribe",
        "unsubscribe",
        "presence",
        "presence_stats",
        "history",
        "history_remove",
    ];
    for method in with_channel {
        for channel in [
            "feed:users",
            "$feed:users",
            "inbox:7",
            "job:1",
            "case:x/1",
            "page:/users",
            "other:1",
            "news",
        ] {
            let body = json!({"channel": channel, "user": "7", "data": {}});
            assert_eq!(hub.code(method, body).await, 102, "{method} {channel}");
        }
        for channel in ["", "chat:\n", "chat:\u{85}"] {
            let body = json!({"channel": channel, "user": "7", "data": {}});
            assert_eq!(hub.code(method, body).await, 107, "{method} {channel:?}");
        }
    }
    let told = hub
        .call("publish", json!({"channel": "feed:users", "data": {}}))
        .await;
    assert!(
        told["error"]["message"].as_str().unwrap().contains("hub's own"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_be_wrong_only_so_often_and_a_right_key_is_let_in_all_the_same() {
    let settings = [
        ("SIGNALBOX__LIVE__API__KEYS", KEY),
        ("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "3"),
    ];
    let hub = hub_as_node(&settings, Arc::new(Made { channels: 0 })).await;
    let guess = async |path: &str| {
        let guess = client().post(format!("{}{path}", hub.url));
        guess.header("X-API-Key", "a guess").send().await.unwrap()
    };
    for path in ["/api/info", "/api", "/api/publish"] {
        hub.result("info", json!({})).await;
        assert_eq!(guess(path).await.status(), StatusCode::UNAUTHORIZED);
    }
    for path in ["/api/info", "/api"] {
        let refused = guess(path).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=21).contains(&wait), "{wait}");
    }
    hub.result("info", json!({})).await;
}
