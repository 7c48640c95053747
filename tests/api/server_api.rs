//! `/api/<method>`, as a server of the operator's application meets it.

use std::sync::Arc;

use crate::harness::{Hub, client, hub_as_node};
use proptest::prelude::*;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use signalbox_actors::live_hub::ChannelKey;
use signalbox_actors::nodes::Local;
use signalbox_core::bus::control::Control;
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::bus::questions::{Answer, ChannelRow, NodeState, Question, Rows};
use signalbox_core::bus::{Signal, Subscription};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::{APPLICATION, ClientInfo, ServerSubscription};
use signalbox_core::live::history::Batch;

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
        for channel in ["", "chat:\n", "chat:é"] {
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
async fn what_is_published_is_in_the_history_as_it_was_sent() {
    let hub = hub().await;
    let sent = r#"{"n": 1.50, "big": 12345678901234567890123}"#;
    let body = format!(
        r#"{{"channel": "chat:1", "data": {sent}, "tags": {{"a": "b"}}, "delta": true, "newer": 1}}"#
    );
    let request = client()
        .post(format!("{}/api/publish", hub.url))
        .header("X-API-Key", KEY)
        .body(body);
    let first: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(first["result"]["offset"], 1);
    let second = hub
        .result("publish", json!({"channel": "chat:1", "b64data": "/wA="}))
        .await;
    assert_eq!(
        (&second["offset"], &second["epoch"]),
        (&json!(2), &first["result"]["epoch"])
    );
    let text = hub
        .ask_by_key("history", &json!({"channel": "chat:1", "limit": -1}))
        .await
        .text()
        .await
        .unwrap();
    assert!(text.contains(sent), "{text}");
    let history: Value = serde_json::from_str(&text).unwrap();
    let publications = &history["result"]["publications"];
    assert_eq!(
        (&publications[0]["offset"], &publications[0]["tags"]),
        (&json!(1), &json!({"a": "b"}))
    );
    assert_eq!(
        (&publications[1]["b64data"], publications[1].get("data")),
        (&json!("/wA="), None)
    );
    assert_eq!(history["result"]["offset"], 2);
    assert_eq!(
        hub.code("publish", json!({"channel": "chat:1"})).await,
        107,
        "nothing to publish"
    );
    assert_eq!(
        hub.code("publish", json!({"channel": "chat:1", "b64data": "%"}))
            .await,
        107
    );
    assert_eq!(
        hub.code("publish", json!({"channel": "state:1", "data": [1]}))
            .await,
        107,
        "not an object"
    );
    let unkept = hub
        .result("publish", json!({"channel": "state:1", "data": {}}))
        .await;
    assert_eq!(unkept, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_repeated_or_outdated_is_published_once() {
    let hub = hub().await;
    let keyed = json!({"channel": "chat:1", "data": 1, "idempotency_key": "k"});
    let first = hub.result("publish", keyed.clone()).await;
    assert_eq!(hub.result("publish", keyed).await, first);
    let version = async |version: u64, epoch: &str| {
        let body = json!({"channel": "chat:1", "data": 1, "version": version, "version_epoch": epoch});
        hub.result("publish", body).await["offset"].clone()
    };
    assert_eq!(
        [
            version(5, "a").await,
            version(5, "a").await,
            version(4, "a").await
        ],
        [2, 2, 2]
    );
    assert_eq!([version(6, "a").await, version(1, "b").await], [3, 4]);
    let skipped = hub
        .result(
            "publish",
            json!({"channel": "chat:1", "data": 1, "skip_history": true}),
        )
        .await;
    assert_eq!(skipped, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_from_a_place_in_both_directions_and_removed_without_its_place() {
    let hub = hub().await;
    for n in 1..=5 {
        hub.result("publish", json!({"channel": "chat:1", "data": n}))
            .await;
    }
    let read = async |more: Value| {
        let mut body = json!({"channel": "chat:1"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let history = hub.result("history", body).await;
        let data: Vec<_> = history["publications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["data"].as_u64().unwrap())
            .collect();
        (
            data,
            history["offset"].as_u64().unwrap(),
            history["epoch"].as_str().unwrap().to_owned(),
        )
    };
    let (nothing, top, epoch) = read(json!({})).await;
    assert_eq!((nothing, top), (vec![], 5));
    assert_eq!(read(json!({"limit": 2})).await.0, [1, 2]);
    assert_eq!(
        read(json!({"limit": -1, "since": {"offset": 3, "epoch": epoch}}))
            .await
            .0,
        [4, 5]
    );
    assert_eq!(read(json!({"limit": 2, "reverse": true})).await.0, [5, 4]);
    assert_eq!(
        read(json!({"limit": -1, "reverse": true, "since": {"offset": 3}}))
            .await
            .0,
        [2, 1]
    );
    let elsewhere = json!({"channel": "chat:1", "limit": 1, "since": {"offset": 1, "epoch": "x"}});
    assert_eq!(hub.code("history", elsewhere).await, 112);
    assert_eq!(
        hub.result("history_remove", json!({"channel": "chat:1"})).await,
        json!({})
    );
    assert_eq!(read(json!({"limit": -1})).await, (vec![], 5, epoch));
    assert_eq!(hub.code("history", json!({"channel": "state:1"})).await, 108);
    assert_eq!(
        hub.code("history_remove", json!({"channel": "state:1"})).await,
        108
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_tells_of_each_channel_how_it_went() {
    let hub = hub().await;
    let channels = ["chat:1", "feed:users", "chat:2", "", "state:1"];
    let body = json!({"channels": channels, "data": {"a": 1}, "idempotency_key": "k"});
    let responses = hub.result("broadcast", body).await["responses"].clone();
    assert_eq!(
        [
            &responses[0]["result"]["offset"],
            &responses[2]["result"]["offset"]
        ],
        [1, 1]
    );
    assert_eq!(
        [&responses[1]["error"]["code"], &responses[3]["error"]["code"]],
        [102, 107]
    );
    assert_eq!(responses[4], json!({"result": {}}));
    assert_eq!(
        hub.code("broadcast", json!({"channels": [], "data": 1})).await,
        107
    );
    assert_eq!(
        hub.code(
            "broadcast",
            json!({"channels": vec!["chat:1"; 10_001], "data": 1})
        )
        .await,
        107
    );
}

async fn orders(hub: &Hub) -> Subscription {
    let bus = &hub.test.store.bus;
    bus.subscribe(&[bus.keys().control()]).await.unwrap()
}

async fn next(heard: &mut Subscription) -> Order {
    loop {
        if let Some(Signal::Message { payload, .. }) = heard.next().await
            && let Ok(Control::Order(order)) = serde_json::from_slice(&payload)
        {
            return order;
        }
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_connections_is_told_to_every_node() {
    let hub = hub().await;
    let mut heard = orders(&hub).await;
    let whom = |user: &str| Whom {
        user: Some(user.to_owned()),
        ..Whom::of(APPLICATION)
    };
    hub.result("disconnect", json!({"user": "7", "whitelist": ["c1"]}))
        .await;
    let spare = vec!["c1".to_owned()];
    let expected = Order::Disconnect {
        whom: Whom { spare, ..whom("7") },
        code: 3503,
        reason: "force disconnect".into(),
    };
    assert_eq!(next(&mut heard).await, expected);
    let told = json!({"user": "", "client": "c", "disconnect": {"code": 4501, "reason": "over"}});
    hub.result("disconnect", told).await;
    let client = Some("c".to_owned());
    let expected = Order::Disconnect {
        whom: Whom { client, ..whom("") },
        code: 4501,
        reason: "over".into(),
    };
    assert_eq!(next(&mut heard).await, expected);
    hub.result("unsubscribe", json!({"user": "7", "channel": "chat:1"}))
        .await;
    let expected = Order::Unsubscribe {
        whom: whom("7"),
        channel: "chat:1".into(),
        code: 2000,
        reason: "server unsubscribe".into(),
    };
    assert_eq!(next(&mut heard).await, expected);
    let said = json!({"user": "7", "session": "s", "expire_at": 99, "info": {"a": 1.50, "b": u64::MAX}});
    for body in [said, json!({"user": "7", "session": "s", "info": null})] {
        let expected = Order::Refresh {
            whom: Whom {
                session: Some("s".to_owned()),
                ..whom("7")
            },
            expired: false,
            expire_at: body["expire_at"].as_i64(),
            info: Some(body["info"].to_string()).filter(|info| info != "null"),
        };
        hub.result("refresh", body).await;
        assert_eq!(next(&mut heard).await, expected);
    }
    let body = json!({
        "user": "7", "channel": "chat:1", "info": {"a": 1}, "b64data": "/w==", "expire_at": 5,
        "recover_since": {"offset": 3, "epoch": "e"}, "override": {"presence": {"value": false}},
    });
    hub.result("subscribe", body).await;
    let Order::Subscribe {
        whom: told,
        channel,
        terms,
    } = next(&mut heard).await
    else {
        panic!("another order")
    };
    let terms: ServerSubscription = serde_json::from_value(terms).unwrap();
    assert_eq!((told, channel.as_str()), (whom("7"), "chat:1"));
    assert_eq!(
        (terms.info.unwrap(), terms.data.unwrap()),
        ("{\"a\":1}".into(), (&b"\xff"[..]).into())
    );
    assert_eq!(
        (
            terms.expire_at,
            terms.recover_since.unwrap().offset,
            terms.overrides.presence
        ),
        (Some(5), 3, Some(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_to_everybody_by_a_field_left_out() {
    let hub = hub().await;
    for method in ["subscribe", "unsubscribe", "disconnect", "refresh"] {
        assert_eq!(
            hub.code(method, json!({"channel": "chat:1"})).await,
            107,
            "{method}"
        );
    }
    let wrong = [
        json!({"code": 2999}),
        json!({"code": 5000}),
        json!({"code": 4000, "reason": "x".repeat(124)}),
        json!({"code": 4000, "reason": "{\"reconnect\":true}"}),
    ];
    for disconnect in wrong {
        assert_eq!(
            hub.code("disconnect", json!({"user": "7", "disconnect": disconnect}))
                .await,
            107,
            "{disconnect}"
        );
    }
    let spared = json!({"user": "7", "whitelist": vec!["c"; 1_001]});
    assert_eq!(hub.code("disconnect", spared).await, 107);
    assert_eq!(
        hub.code(
            "subscribe",
            json!({"user": "7", "channel": "chat:1", "b64info": "%"})
        )
        .await,
        107
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_told_with_what_their_tokens_say() {
    let hub = hub().await;
    let presence = hub.presence.as_ref().unwrap();
    let channel = ChannelKey {
        organization: APPLICATION,
        name: "chat:1".into(),
    };
    let mut here = Vec::new();
    for client in ["c1", "c2"] {
        let info = ClientInfo {
            user: "7".into(),
            client: client.into(),
            conn_info: Some("{\"name\":\"Ada\"}".into()),
            chan_info: None,
        };
        here.push(presence.enter(&channel, info, true).await.unwrap());
    }
    let all = hub.result("presence", json!({"channel": "chat:1"})).await;
    let one = json!({"user": "7", "client": "c1", "conn_info": {"name": "Ada"}});
    assert_eq!(
        (&all["presence"]["c1"], all["presence"].as_object().unwrap().len()),
        (&one, 2)
    );
    let stats = hub.result("presence_stats", json!({"channel": "chat:1"})).await;
    assert_eq!(stats, json!({"num_clients": 2, "num_users": 1}));
    for method in ["presence", "presence_stats"] {
        assert_eq!(hub.code(method, json!({"channel": "state:1"})).await, 108);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_the_applications_own_by_pattern_and_by_page() {
    let hub = hub_with_channels(2_500).await;
    let all = hub.result("channels", json!({})).await;
    assert_eq!(
        all["channels"].as_object().unwrap().len(),
        2_500,
        "no channel of an organization"
    );
    assert_eq!(all["channels"]["chat:00000"], json!({"num_clients": 2}));
    assert_eq!(all.get("next_cursor"), None);
    let some = hub.result("channels", json!({"pattern": "chat:0001*"})).await;
    assert_eq!(some["channels"].as_object().unwrap().len(), 10);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub
            .result("channels", json!({"limit": 1_000, "cursor": cursor}))
            .await;
        seen.extend(page["channels"].as_object().unwrap().keys().cloned());
        match page.get("next_cursor") {
            Some(next) => next.as_str().unwrap().clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(
        seen,
        (0..2_500).map(|n| format!("chat:{n:05}")).collect::<Vec<_>>()
    );
    assert_eq!(hub.code("channels", json!({"cursor": "x"})).await, 107);
}

#[tokio::test(flavor = "multi_thread")]
async fn info_tells_of_every_node() {
    let hub = hub().await;
    let nodes = hub.result("info", json!({})).await["nodes"].clone();
    let node = &nodes[0];
    assert_eq!((&node["uid"], &node["name"]), (&json!("here"), &json!("here")));
    let counts =
        ["num_clients", "num_users", "num_channels", "num_subs"].map(|key| node[key].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 1, 4]);
    assert!(node["version"].is_string() && node["uptime"].is_u64());
    assert_eq!(hub.code("rpc", json!({"method": "x"})).await, 108);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_done_in_order_and_answered_in_order_in_parallel_too() {
    let hub = hub().await;
    for parallel in [false, true] {
        let channel = format!("chat:{parallel}");
        let commands = json!([
            {"publish": {"channel": channel, "data": 1}},
            {"history": {"channel": channel, "limit": -1}},
            {"nonsense": {}},
            null,
            {"batch": {"commands": []}},
            {"publish": {"channel": "feed:users", "data": 1}},
            {"info": {}},
        ]);
        let body = json!({"commands": commands, "parallel": parallel});
        let replies = hub.call("batch", body).await["replies"].clone();
        assert_eq!(replies[0]["publish"]["offset"], 1);
        if !parallel {
            assert_eq!(replies[1]["history"]["publications"][0]["data"], 1);
        }
        let codes = [2, 3, 4, 5].map(|n| replies[n]["error"]["code"].as_u64().unwrap());
        assert_eq!(codes, [104, 107, 104, 102]);
        assert!(replies[6]["info"]["nodes"].is_array());
    }
    let none = hub.call("batch", json!({"commands": []})).await;
    assert_eq!(none, json!({"replies": []}), "no result around it");
    let long = json!({"commands": vec![json!({"info": {}}); 1_001]});
    assert_eq!(hub.code("batch", long).await, 107);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_one_after_another_are_answered_line_by_line() {
    let hub = hub().await;
    let send = async |body: &str| {
        let request = client()
            .post(format!("{}/api", hub.url))
            .header("Authorization", "apikey another");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let commands = [
        r#"{"id": 1, "method": "publish", "params": {"channel": "chat:1", "data": 1}}"#,
        r#"{"method": "history", "params": {"channel": "chat:1"}}"#,
        r#"{"method": "info"}"#,
        r#"{"method": "nonsense", "params": {}}"#,
        r#"{"method": "publish", "params": {"channel": 1}}"#,
    ];
    let (status, text) = send(&commands.join("\n")).await;
    let replies: Vec<Value> = text
        .split('\n')
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((status, replies.len()), (StatusCode::OK, 5));
    assert_eq!(
        (&replies[0]["id"], &replies[0]["result"]["offset"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (replies[1].get("id"), &replies[1]["result"]["offset"]),
        (None, &json!(1))
    );
    assert!(replies[2]["result"]["nodes"].is_array());
    assert_eq!(
        [&replies[3]["error"]["code"], &replies[4]["error"]["code"]],
        [104, 107]
    );
    for wrong in ["", "nope", "[]", r#"{"method": "info"} x"#, &"{}".repeat(1_001)] {
        assert_eq!(send(wrong).await.0, StatusCode::BAD_REQUEST);
    }
    let nobody = client()
        .post(format!("{}/api", hub.url))
        .body(commands[2])
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transport_mode_an_error_is_a_status() {
    let hub = hub().await;
    let cases = [
        ("publish", json!({"channel": "other:1", "data": 1}), 404, 102),
        ("publish", json!({"data": 1}), 400, 107),
        ("history", json!({"channel": "state:1"}), 400, 108),
        (
            "history",
            json!({"channel": "chat:1", "limit": 1, "since": {"offset": 1, "epoch": "x"}}),
            416,
            112,
        ),
    ];
    for (method, body, status, code) in cases {
        let request = client()
            .post(format!("{}/api/{method}", hub.url))
            .header("X-API-Key", KEY);
        let answer = request
            .header("X-Centrifugo-Error-Mode", "transport")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{method} {body}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["code"], code);
    }
    let good = client()
        .post(format!("{}/api/info", hub.url))
        .header("X-API-Key", KEY);
    let good = good
        .header("X-Centrifugo-Error-Mode", "transport")
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_or_no_json_is_refused() {
    let hub = hub().await;
    let send = async |body: Vec<u8>| {
        let request = client()
            .post(format!("{}/api/publish", hub.url))
            .header("X-API-Key", KEY);
        request.body(body).send().await.unwrap().status()
    };
    assert_eq!(
        send(vec![b' '; (1 << 20) + 1]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for body in ["{", "[]", "nope", "{\"channel\": 1}", "\u{0}"] {
        assert_eq!(send(body.into()).await, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(hub.get_path("/api/publish").await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_reaches_the_fan_of_its_channel() {
    let hub = hub().await;
    let bus = &hub.test.store.bus;
    let mut heard = bus
        .subscribe(&[bus.keys().fan(APPLICATION, "chat:1")])
        .await
        .unwrap();
    hub.result(
        "publish",
        json!({"channel": "chat:1", "data": {"a": 1}, "tags": {"k": "v"}}),
    )
    .await;
    loop {
        if let Some(Signal::Message { payload, .. }) = heard.next().await {
            let batch = Batch::parse(&payload).unwrap();
            assert_eq!((batch.channel.as_str(), batch.first), ("chat:1", 1));
            return;
        }
    }
}

impl Hub {
    async fn get_path(&self, path: &str) -> StatusCode {
        let request = client()
            .get(format!("{}{path}", self.url))
            .header("X-API-Key", KEY);
        request.send().await.unwrap().status()
    }
}

#[test]
fn any_body_is_answered_and_the_hub_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let hub = runtime.block_on(hub());
    let mut methods: Vec<_> = all().into_iter().map(|(method, _)| method).collect();
    methods.push("batch");
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("chat:1")),
        Just(json!({})),
        Just(json!([])),
        Just(json!(["chat:1"])),
    ];
    let field = prop::sample::select(vec![
        "channel",
        "channels",
        "data",
        "b64data",
        "tags",
        "user",
        "client",
        "limit",
        "since",
        "reverse",
        "disconnect",
        "whitelist",
        "commands",
        "parallel",
        "version",
        "override",
        "info",
        "pattern",
        "cursor",
        "expire_at",
    ]);
    let body = prop::collection::btree_map(field, value, 0..6);
    proptest!(ProptestConfig::with_cases(150), |(method in prop::sample::select(methods), body in body)| {
        let status = runtime.block_on(async { hub.ask_by_key(method, &json!(body)).await.status() });
        prop_assert!(matches!(status.as_u16(), 200 | 400), "{} {:?}: {}", method, body, status);
    });
    runtime.block_on(async { assert!(hub.result("info", json!({})).await.is_object()) });
    // its server ends with the runtime it was started on
    let _inside = runtime.enter();
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_map_are_published_removed_and_read() {
    let hub = hub().await;
    let put = json!({"channel": "board:1", "key": "a", "data": {"n": 1}, "tags": {"kind": "x"}});
    let first = hub.call("map_publish", put).await["result"].clone();
    assert_eq!(first["offset"], 1, "{first}");
    for (body, why) in [
        (json!({"key": "a", "data": 2, "key_mode": "if_new"}), "key_exists"),
        (
            json!({"key": "b", "data": 2, "key_mode": "if_exists"}),
            "key_not_found",
        ),
        (
            json!({"key": "b", "b64data": "AQI=", "idempotency_key": "once", "version": 3}),
            "",
        ),
        (
            json!({"key": "b", "data": 2, "idempotency_key": "once"}),
            "idempotency",
        ),
        (json!({"key": "b", "data": 2, "version": 3}), "version"),
    ] {
        let mut body = body;
        body["channel"] = json!("board:1");
        let result = hub.call("map_publish", body.clone()).await["result"].clone();
        let suppressed = (!why.is_empty()).then_some(json!(why)).unwrap_or_default();
        assert_eq!(result["suppress_reason"], suppressed, "{body}: {result}");
        assert_eq!(result["suppressed"] == true, !why.is_empty(), "{result}");
    }
    let state = json!({"channel": "board:1", "limit": 1});
    let page = hub.call("map_read_state", state).await["result"].clone();
    let entry = &page["entries"][0];
    assert_eq!(
        (&entry["key"], &entry["data"], &entry["tags"]["kind"]),
        (&json!("a"), &json!({"n": 1}), &json!("x"))
    );
    assert_eq!(
        (&page["cursor"], &page["offset"], &page["epoch"]),
        (&json!("a"), &json!(2), &first["epoch"])
    );
    let state = json!({"channel": "board:1", "cursor": "a", "revision_epoch": first["epoch"]});
    let page = hub.call("map_read_state", state).await["result"].clone();
    assert_eq!(
        (&page["entries"][0]["b64data"], &page["cursor"]),
        (&json!("AQI="), &json!(null))
    );
    let only = json!({"channel": "board:1", "key": "b"});
    assert_eq!(
        hub.call("map_read_state", only).await["result"]["entries"][0]["offset"],
        2
    );
    assert_eq!(
        hub.call("map_stats", json!({"channel": "board:1"})).await["result"],
        json!({"num_keys": 2})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_from_a_map_is_in_its_stream_until_it_is_cleared() {
    let hub = hub().await;
    let put = json!({"channel": "board:1", "key": "a", "data": 1});
    let first = hub.call("map_publish", put).await["result"].clone();
    hub.call(
        "map_publish",
        json!({"channel": "board:1", "key": "b", "data": 2}),
    )
    .await;
    let gone = json!({"channel": "board:1", "key": "a"});
    assert_eq!(hub.call("map_remove", gone.clone()).await["result"]["offset"], 3);
    assert_eq!(
        hub.call("map_remove", gone).await["result"]["suppress_reason"],
        "key_not_found"
    );
    let since = json!({"channel": "board:1", "since_offset": 1, "since_epoch": first["epoch"]});
    let stream = hub.call("map_read_stream", since).await["result"].clone();
    let offsets: Vec<_> = stream["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["offset"])
        .collect();
    assert_eq!(offsets, [2, 3]);
    assert_eq!(stream["entries"][1]["removed"], true);
    let newest = json!({"channel": "board:1", "limit": 1, "reverse": true});
    assert_eq!(
        hub.call("map_read_stream", newest).await["result"]["entries"][0]["offset"],
        3
    );

    hub.call("map_clear", json!({"channel": "board:1"})).await;
    let state = json!({"channel": "board:1", "revision_epoch": first["epoch"]});
    assert_eq!(hub.call("map_read_state", state).await["error"]["code"], 112);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_takes_what_its_namespace_lets_it_and_says_why_not() {
    let hub = hub().await;
    for n in 0..5 {
        hub.call(
            "map_publish",
            json!({"channel": "board:1", "key": n.to_string(), "data": n}),
        )
        .await;
    }
    for (method, body, code) in [
        (
            "map_publish",
            json!({"channel": "board:1", "key": "one more", "data": 1}),
            106,
        ),
        ("map_publish", json!({"channel": "board:1", "data": 1}), 107),
        ("map_publish", json!({"channel": "board:1", "key": "1"}), 107),
        (
            "map_publish",
            json!({"channel": "board:1", "key": "1", "data": 1, "key_mode": "perhaps"}),
            107,
        ),
        (
            "map_publish",
            json!({"channel": "nowhere:1", "key": "1", "data": 1}),
            102,
        ),
        (
            "map_publish",
            json!({"channel": "feed:users", "key": "1", "data": 1}),
            102,
        ),
        (
            "map_publish",
            json!({"channel": "chat:1", "key": "1", "data": 1}),
            108,
        ),
        (
            "map_publish",
            json!({"channel": "there:1", "key": "1", "data": 1}),
            108,
        ),
        ("map_clear", json!({"channel": "there:1"}), 108),
        ("map_stats", json!({"channel": "chat:1"}), 108),
        ("publish", json!({"channel": "board:1", "data": 1}), 108),
    ] {
        let reply = hub.call(method, body.clone()).await;
        assert_eq!(reply["error"]["code"], code, "{method} {body}: {reply}");
    }
}
