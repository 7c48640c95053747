//! Channels of the operator's application, on real sockets: tokens, namespaces, presence, history, patches, filters, and
//! the transports that are off until they are switched on.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac_sha256::sign;
use reqwest::Client as Http;
use serde_json::{Value, json};
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::live::application::broker::{self, Extra};
use signalbox_core::live::application::{APPLICATION, Publication};
use signalbox_core::testing::eventually;

use super::Node;
use super::websocket::Wire;

const SECRET: &str = "a secret of the application";

/// What the tests' application has configured.
const SETTINGS: &[(&str, &str)] = &[
    ("TOKEN__HMAC_SECRET", SECRET),
    ("PERSONAL_CHANNEL__ENABLED", "true"),
    ("PERSONAL_CHANNEL__NAMESPACE", "me"),
    ("TRANSPORTS__HTTP_STREAM", "true"),
    ("TRANSPORTS__SSE", "true"),
    ("TRANSPORTS__UNI_SSE", "true"),
    ("TRANSPORTS__UNI_WEBSOCKET", "true"),
    ("NAMESPACES__ME__ALLOW_USER_LIMITED_CHANNELS", "true"),
    ("NAMESPACES__CHAT__HISTORY_SIZE", "100"),
    ("NAMESPACES__CHAT__HISTORY_TTL", "300s"),
    ("NAMESPACES__CHAT__FORCE_RECOVERY", "true"),
    ("NAMESPACES__CHAT__PRESENCE", "true"),
    ("NAMESPACES__CHAT__JOIN_LEAVE", "true"),
    ("NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__CHAT__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOW_PRESENCE_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOW_HISTORY_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__CHAT__DELTA_PUBLISH", "true"),
    ("NAMESPACES__CHAT__ALLOW_TAGS_FILTER", "true"),
    ("NAMESPACES__LAST__HISTORY_SIZE", "1"),
    ("NAMESPACES__LAST__HISTORY_TTL", "300s"),
    ("NAMESPACES__LAST__FORCE_RECOVERY", "true"),
    ("NAMESPACES__LAST__FORCE_RECOVERY_MODE", "cache"),
    ("NAMESPACES__LAST__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__SHUT__HISTORY_SIZE", "0"),
];

pub(super) mod hmac_sha256 {
    use sha2::{Digest, Sha256};

    /// HMAC by RFC 2104, for keys of at most 64 bytes.
    pub fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
        let pad = |byte: u8| {
            let mut pad = [byte; 64];
            pad.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            pad
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize()
            .to_vec()
    }
}

pub(super) fn token(claims: Value) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let body = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(SECRET.as_bytes(), body.as_bytes()));
    format!("{body}.{signature}")
}

fn of(user: &str) -> String {
    token(json!({"sub": user, "info": {"name": user}}))
}

async fn node() -> Node {
    Node::serving(SETTINGS).await
}

impl Node {
    /// Publishes as the application's server does.
    async fn publish(&self, channel: &str, data: Value, tags: &[(&str, &str)]) -> u64 {
        let namespaces = self.settings.live.namespaces();
        let tags: BTreeMap<_, _> = tags
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let publication = Publication {
            data: data.to_string().into(),
            tags,
            ..Publication::default()
        };
        let options = namespaces.of(channel).unwrap();
        let bus = &self.test.store.bus;
        broker::publish(bus, channel, options, publication, Extra::default())
            .await
            .unwrap()
            .offset
    }

    async fn tell(&self, order: Order) {
        self.nodes.tell(order).await.unwrap();
    }
}

impl Wire {
    async fn subscribed(node: &Node, user: &str, wish: Value) -> (Self, Value) {
        let mut wire = Self::signed_in(node, &of(user)).await;
        let reply = wire.ask(json!({"id": 2, "subscribe": wish})).await;
        (wire, reply["subscribe"].clone())
    }

    /// The next push, with pings answered.
    pub(super) async fn push(&mut self) -> Value {
        loop {
            let next = self.next().await.unwrap();
            if next != json!({}) {
                return next["push"].clone();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_client_says_others_hear_with_who_said_it_and_history_keeps_it() {
    let node = node().await;
    let (mut ada, result) = Wire::subscribed(&node, "ada", json!({"channel": "chat:1"})).await;
    assert_eq!(
        (&result["recoverable"], &result["positioned"]),
        (&json!(true), &json!(true))
    );
    let (mut bob, _) = Wire::subscribed(&node, "bob", json!({"channel": "chat:1"})).await;
    bob.say(r#"{"id":3,"publish":{"channel":"chat:1","data":{"text":"hello"}}}"#)
        .await;
    let push = ada.push().await;
    assert_eq!(push["pub"]["data"], json!({"text": "hello"}));
    assert_eq!(
        (&push["pub"]["offset"], &push["pub"]["info"]["user"]),
        (&json!(1), &json!("bob"))
    );
    assert_eq!(push["pub"]["info"]["conn_info"], json!({"name": "bob"}));
    let history = ada
        .ask(json!({"id": 4, "history": {"channel": "chat:1", "limit": 10}}))
        .await;
    assert_eq!(history["history"]["publications"][0]["data"]["text"], "hello");
    assert_eq!(history["history"]["offset"], 1);
    let wrong = json!({"channel": "chat:1", "limit": 10, "since": {"offset": 0, "epoch": "other"}});
    assert_eq!(
        ada.ask(json!({"id": 5, "history": wrong})).await["error"]["code"],
        112
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_as_open_as_its_namespace_says_and_the_hubs_own_stay_closed() {
    let node = node().await;
    let mut wire = Wire::signed_in(&node, &of("ada")).await;
    let cases = [
        ("feed:users", 103),
        ("inbox:018f2d5e-0000-7000-8000-000000000000", 103),
        ("feed:nope", 102),
        ("job:nope", 102),
        ("nowhere:1", 102),
        ("plain", 102),
        ("shut:1", 103),
        ("$chat:1", 103),
        ("me:#bob", 103),
        ("chat:\u{e9}", 107),
    ];
    for (n, (channel, code)) in cases.into_iter().enumerate() {
        let reply = wire
            .ask(json!({"id": n + 10, "subscribe": {"channel": channel}}))
            .await;
        assert_eq!(reply["error"]["code"], code, "{channel}: {reply}");
    }
    let publish = json!({"id": 90, "publish": {"channel": "chat:1", "data": 1}});
    assert_eq!(wire.ask(publish).await["error"]["code"], 103, "not a subscriber");
    let presence = json!({"id": 91, "presence": {"channel": "shut:1"}});
    assert_eq!(wire.ask(presence).await["error"]["code"], 108, "not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_token_opens_its_own_channel_for_its_own_user_and_runs_out() {
    let node = node().await;
    let mut wire = Wire::signed_in(&node, &of("ada")).await;
    let good = token(json!({"sub": "ada", "channel": "$shut:1", "exp": 4_000_000_000_u64}));
    let subscribe =
        |id: u32, token: &str| json!({"id": id, "subscribe": {"channel": "$shut:1", "token": token}});
    let reply = wire.ask(subscribe(2, &good)).await;
    assert_eq!(reply["subscribe"]["expires"], true, "{reply}");
    let renewal = json!({"id": 3, "sub_refresh": {"channel": "$shut:1", "token": good}});
    assert_eq!(wire.ask(renewal).await["sub_refresh"]["expires"], true);
    let old = token(json!({"sub": "ada", "channel": "$shut:1", "exp": 1}));
    let mut other = Wire::signed_in(&node, &of("ada")).await;
    assert_eq!(other.ask(subscribe(2, &old)).await["error"]["code"], 109);
    assert_eq!(other.ask(subscribe(3, "nonsense")).await["error"]["code"], 103);
    let anothers = token(json!({"sub": "bob", "channel": "$shut:1"}));
    other.say(&subscribe(4, &anothers).to_string()).await;
    assert_eq!(other.close().await, 3500);
    wire.say(&json!({"id": 5, "sub_refresh": {"channel": "$shut:1", "token": old}}).to_string())
        .await;
    assert_eq!(wire.close().await, 3006);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_a_channel_is_seen_and_comes_and_goes_before_the_others_eyes() {
    let node = node().await;
    let (mut ada, _) = Wire::subscribed(&node, "ada", json!({"channel": "chat:1", "join_leave": true})).await;
    let own = ada.push().await;
    assert_eq!(own["join"]["info"]["user"], "ada", "{own}");
    let (bob, _) = Wire::subscribed(&node, "bob", json!({"channel": "chat:1"})).await;
    assert_eq!(ada.push().await["join"]["info"]["user"], "bob");
    let presence = ada.ask(json!({"id": 3, "presence": {"channel": "chat:1"}})).await;
    let mut users: Vec<_> = presence["presence"]["presence"]
        .as_object()
        .unwrap()
        .values()
        .map(|info| info["user"].as_str().unwrap().to_owned())
        .collect();
    users.sort();
    assert_eq!(users, ["ada", "bob"]);
    let stats = ada
        .ask(json!({"id": 4, "presence_stats": {"channel": "chat:1"}}))
        .await;
    assert_eq!(stats["presence_stats"], json!({"num_clients": 2, "num_users": 2}));
    drop(bob);
    assert_eq!(ada.push().await["leave"]["info"]["user"], "bob");
    for n in 0..20 {
        ada.say(&format!(
            "{}\n{}",
            json!({"id": 100 + n, "unsubscribe": {"channel": "chat:1"}}),
            json!({"id": 200 + n, "subscribe": {"channel": "chat:1"}})
        ))
        .await;
    }
    let mut seen = 0;
    while seen < 40 {
        let next = ada.next().await.unwrap();
        seen += usize::from(next["id"].is_u64());
    }
    ada.ask(json!({"id": 300, "unsubscribe": {"channel": "chat:1"}}))
        .await;
    let key = signalbox_actors::live_hub::ChannelKey {
        organization: APPLICATION,
        name: "chat:1".into(),
    };
    eventually("nobody is left in the channel", async || {
        node.presence.of(&key).await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_refresh_says_of_a_user_is_what_others_see_from_then_on() {
    let node = node().await;
    let named = |name: &str| token(json!({"sub": "ada", "exp": 4_000_000_000_i64, "info": {"name": name}}));
    let mut ada = Wire::signed_in(&node, &named("ada")).await;
    ada.ask(json!({"id": 2, "subscribe": {"channel": "chat:1"}}))
        .await;
    let (mut bob, _) = Wire::subscribed(&node, "bob", json!({"channel": "chat:1", "join_leave": true})).await;
    // what was told of Ada's coming may reach him, too
    while bob.push().await["join"]["info"]["user"] != "bob" {}
    let key = signalbox_actors::live_hub::ChannelKey {
        organization: APPLICATION,
        name: "chat:1".into(),
    };
    let is_seen = async |name: &str| {
        let seen = node.presence.of(&key).await.unwrap();
        let info = seen.values().find(|info| info.user == "ada").cloned();
        info.and_then(|info| info.conn_info) == Some(json!({"name": name}).to_string().into())
    };
    let renewed = ada
        .ask(json!({"id": 3, "refresh": {"token": named("by token")}}))
        .await;
    assert!(renewed.get("refresh").is_some(), "{renewed}");
    eventually("she is seen as her token says", async || {
        is_seen("by token").await
    })
    .await;
    let refresh = async |info: Option<&str>| {
        node.tell(Order::Refresh {
            whom: Whom {
                user: Some("ada".to_owned()),
                ..Whom::of(APPLICATION)
            },
            expired: false,
            expire_at: None,
            info: info.map(|name| json!({"name": name}).to_string()),
        })
        .await;
    };
    refresh(Some("Ada L.")).await;
    assert!(ada.push().await.get("refresh").is_some());
    eventually("she is seen as the server says", async || is_seen("Ada L.").await).await;
    refresh(None).await;
    assert!(ada.push().await.get("refresh").is_some());
    ada.say(&json!({"id": 4, "publish": {"channel": "chat:1", "data": "hello"}}).to_string())
        .await;
    let heard = bob.push().await;
    assert_eq!(
        heard["pub"]["info"]["conn_info"],
        json!({"name": "Ada L."}),
        "what is not said stays, and nobody was told to have come or left: {heard}"
    );
    drop(ada);
    let left = bob.push().await;
    assert_eq!(
        left["leave"]["info"]["conn_info"],
        json!({"name": "Ada L."}),
        "{left}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_are_cut_from_the_publication_before_and_begin_with_a_whole_one() {
    let node = node().await;
    let text = |n: u32| json!({"text": "дела идут хорошо, и слов здесь достаточно для заплатки 😀", "n": n});
    let wish = json!({"channel": "chat:1", "delta": "fossil"});
    let (mut ada, result) = Wire::subscribed(&node, "ada", wish.clone()).await;
    assert_eq!(result["delta"], true);
    node.publish("chat:1", text(1), &[]).await;
    node.publish("chat:1", text(2), &[]).await;
    let whole = ada.push().await;
    assert_eq!(whole["pub"]["delta"], Value::Null);
    assert_eq!(
        serde_json::from_str::<Value>(whole["pub"]["data"].as_str().unwrap()).unwrap(),
        text(1)
    );
    let patched = ada.push().await;
    assert_eq!(patched["pub"]["delta"], true, "{patched}");
    let patch = patched["pub"]["data"].as_str().unwrap();
    assert!(
        patch.len() < text(2).to_string().len() && patch.ends_with(';'),
        "{patch}"
    );
    // what was recovered is a base; nothing recovered is none
    let mut at = wish;
    (at["recover"], at["epoch"], at["offset"]) = (json!(true), result["epoch"].clone(), json!(1));
    let (mut bob, recovered) = Wire::subscribed(&node, "bob", at.clone()).await;
    assert_eq!(recovered["publications"][0]["delta"], Value::Null);
    at["offset"] = json!(2);
    let (mut eve, nothing) = Wire::subscribed(&node, "eve", at).await;
    assert_eq!(
        (&nothing["recovered"], &nothing["publications"]),
        (&json!(true), &Value::Null)
    );
    node.publish("chat:1", text(3), &[]).await;
    assert_eq!(bob.push().await["pub"]["delta"], true);
    assert_eq!(eve.push().await["pub"]["delta"], Value::Null);
    node.publish("chat:1", text(4), &[]).await;
    assert_eq!(eve.push().await["pub"]["delta"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_on_tags_lets_through_what_fits_live_and_recovered() {
    let node = node().await;
    let filter = json!({"op": "and", "nodes": [{"key": "team", "cmp": "eq", "val": "red"}, {"key": "level", "cmp": "gte", "val": "3"}]});
    let wish = json!({"channel": "chat:1", "tf": filter});
    let (mut ada, result) = Wire::subscribed(&node, "ada", wish.clone()).await;
    for (n, (team, level)) in [("red", "3"), ("blue", "9"), ("red", "1"), ("red", "10")]
        .into_iter()
        .enumerate()
    {
        node.publish("chat:1", json!(n), &[("team", team), ("level", level)])
            .await;
    }
    assert_eq!(ada.push().await["pub"]["data"], 0);
    let push = ada.push().await;
    assert_eq!(
        (&push["pub"]["data"], &push["pub"]["offset"]),
        (&json!(3), &json!(4))
    );
    assert_eq!(push["pub"]["tags"]["team"], "red");
    let mut again = wish;
    (again["recover"], again["epoch"], again["offset"]) = (json!(true), result["epoch"].clone(), json!(1));
    let (_bob, recovered) = Wire::subscribed(&node, "bob", again).await;
    let offsets: Vec<_> = recovered["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["offset"].clone())
        .collect();
    assert_eq!(
        (recovered["recovered"].clone(), offsets),
        (json!(true), vec![json!(4)])
    );
    let bad = json!({"channel": "chat:2", "tf": {"key": "a", "cmp": "like", "val": "b"}});
    let mut eve = Wire::signed_in(&node, &of("eve")).await;
    assert_eq!(
        eve.ask(json!({"id": 2, "subscribe": bad})).await["error"]["code"],
        107
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_keeps_only_the_newest_gives_it_to_whoever_comes() {
    let node = node().await;
    for n in 1..=3 {
        node.publish("last:price", json!(n), &[]).await;
    }
    let (mut ada, result) =
        Wire::subscribed(&node, "ada", json!({"channel": "last:price", "recover": true})).await;
    assert_eq!(result["recovered"], true);
    let publications = result["publications"].as_array().unwrap();
    assert_eq!((publications.len(), &publications[0]["data"]), (1, &json!(3)));
    node.publish("last:price", json!(4), &[]).await;
    assert_eq!(ada.push().await["pub"]["data"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_come_with_the_token_and_from_where_the_client_was() {
    let node = node().await;
    let claims = json!({"sub": "ada", "channels": ["chat:1"]});
    let mut wire = Wire::open(&node).await;
    let connect = wire
        .ask(json!({"id": 1, "connect": {"token": token(claims.clone())}}))
        .await;
    let subs = &connect["connect"]["subs"];
    assert!(
        subs["chat:1"]["recoverable"] == true && subs["me:#ada"].is_object(),
        "{connect}"
    );
    let epoch = subs["chat:1"]["epoch"].clone();
    node.publish("me:#ada", json!("for you"), &[]).await;
    assert_eq!(wire.push().await["pub"]["data"], "for you");
    node.publish("chat:1", json!("while it listens"), &[]).await;
    assert_eq!(wire.push().await["channel"], "chat:1");
    drop(wire);
    node.publish("chat:1", json!("while it was away"), &[]).await;
    let mut wire = Wire::open(&node).await;
    let subs = json!({"chat:1": {"recover": true, "epoch": epoch, "offset": 1}, "shut:1": {"recover": true}});
    let connect = wire
        .ask(json!({"id": 1, "connect": {"token": token(claims), "subs": subs}}))
        .await;
    let chat = &connect["connect"]["subs"]["chat:1"];
    assert_eq!(
        (&chat["recovered"], &chat["publications"][0]["data"]),
        (&json!(true), &json!("while it was away"))
    );
    assert_eq!(
        connect["connect"]["subs"]["shut:1"],
        Value::Null,
        "a client adds nothing by itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_old_foreign_or_nobodys_is_told_apart() {
    let node = node().await;
    let connect = |token: String| json!({"id": 1, "connect": {"token": token}}).to_string();
    let mut wire = Wire::open(&node).await;
    let reply = wire
        .ask(json!({"id": 1, "connect": {"token": token(json!({"sub": "ada", "exp": 1}))}}))
        .await;
    assert_eq!(reply["error"]["code"], 109);
    for (bad, code) in [
        (token(json!({"sub": "ada", "channel": "chat:1"})), 3500),
        (token(json!({"sub": ""})), 3507),
        (format!("{}x", of("ada")), 3500),
        (String::new(), 3501),
    ] {
        let mut wire = Wire::open(&node).await;
        wire.say(&connect(bad)).await;
        assert_eq!(wire.close().await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_reach_the_connections_they_are_about_on_every_node() {
    let one = node().await;
    let two = Node::beside(one.test.clone(), SETTINGS).await;
    let (mut here, _) = Wire::subscribed(&one, "ada", json!({"channel": "chat:1"})).await;
    let (mut there, _) = Wire::subscribed(&two, "ada", json!({"channel": "chat:1"})).await;
    let (mut other, _) = Wire::subscribed(&two, "bob", json!({"channel": "chat:1"})).await;
    let ada = || Whom {
        user: Some("ada".to_owned()),
        ..Whom::of(APPLICATION)
    };
    let terms = json!({"data": {"welcome": true}});
    one.tell(Order::Subscribe {
        whom: ada(),
        channel: "shut:1".into(),
        terms,
    })
    .await;
    for wire in [&mut here, &mut there] {
        let push = wire.push().await;
        assert_eq!(
            (&push["channel"], &push["subscribe"]["data"]["welcome"]),
            (&json!("shut:1"), &json!(true)),
            "{push}"
        );
    }
    let (channel, reason) = ("chat:1".to_owned(), "tidied up".to_owned());
    two.tell(Order::Unsubscribe {
        whom: ada(),
        channel,
        code: 2000,
        reason,
    })
    .await;
    for wire in [&mut here, &mut there] {
        assert_eq!(
            wire.push().await["unsubscribe"],
            json!({"code": 2000, "reason": "tidied up"})
        );
    }
    one.tell(Order::Refresh {
        whom: ada(),
        expired: false,
        expire_at: Some(4_000_000_000),
        info: None,
    })
    .await;
    assert_eq!(there.push().await["refresh"]["expires"], true);
    one.tell(Order::Disconnect {
        whom: ada(),
        code: 4_700,
        reason: "no more".into(),
    })
    .await;
    assert_eq!((here.close().await, there.close().await), (4_700, 4_700));
    one.publish("chat:1", json!("still here"), &[]).await;
    assert_eq!(other.push().await["pub"]["data"], "still here");
}

/// Reads an endless answer piece by piece.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next line that is not empty.
    async fn line(&mut self) -> String {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.trim().to_owned(), rest.to_owned());
                self.text = rest;
                if !line.is_empty() {
                    return line;
                }
                continue;
            }
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), self.response.chunk());
            let chunk = chunk
                .await
                .expect("nothing came")
                .unwrap()
                .expect("the stream ended");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(line.strip_prefix("data: ").unwrap_or(&line)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_its_commands_through_any_node() {
    let one = node().await;
    let two = Node::beside(one.test.clone(), SETTINGS).await;
    let commands = format!(
        "{}\n{}",
        json!({"id": 1, "connect": {"token": of("ada")}}),
        json!({"id": 2, "subscribe": {"channel": "chat:1"}})
    );
    let lines = Http::new()
        .post(format!("http://{}/connection/http_stream", one.address))
        .body(commands.clone());
    let events = Http::new()
        .get(format!("http://{}/connection/sse", one.address))
        .query(&[("cf_connect", commands)]);
    for request in [lines, events] {
        let mut stream = Stream::open(request).await;
        let connect = stream.json().await["connect"].clone();
        assert_eq!((&connect["ping"], &connect["pong"]), (&json!(25), &json!(true)));
        assert!(stream.json().await["subscribe"].is_object());
        let (node, session) = (&connect["node"], &connect["session"]);
        assert_ne!(session.as_str().unwrap().split_once('.').unwrap().1, "");
        for (at, n) in [(&one, 3), (&two, 4)] {
            let command = json!({"id": n, "publish": {"channel": "chat:1", "data": n}}).to_string();
            let body = json!({"node": node, "session": session, "data": command});
            eventually("the nodes know each other", async || {
                let post = Http::new()
                    .post(format!("http://{}/emulation", at.address))
                    .json(&body);
                post.send().await.unwrap().status() == 204
            })
            .await;
            let mut answers = [stream.json().await, stream.json().await];
            answers.sort_by_key(|answer| answer["id"].as_u64());
            assert_eq!(answers[0]["push"]["pub"]["data"], n, "{answers:?}");
            assert_eq!(answers[1], json!({"id": n, "publish": {}}));
        }
        let ada = Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        };
        one.tell(Order::Disconnect {
            whom: ada,
            code: 3503,
            reason: String::new(),
        })
        .await;
        let end = stream.json().await;
        assert_eq!(end["push"]["disconnect"]["code"], 3503, "{end}");
    }
    let nobody = json!({"node": "gone", "session": "x", "data": "{}"});
    let post = |body: String| {
        Http::new()
            .post(format!("http://{}/emulation", two.address))
            .body(body)
            .send()
    };
    assert_eq!(post(nobody.to_string()).await.unwrap().status(), 404);
    assert_eq!(post("[]".to_owned()).await.unwrap().status(), 400);
    assert_eq!(post("x".repeat(70_000)).await.unwrap().status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_resumes_by_the_id_it_brings_back() {
    let node = node().await;
    let connect = json!({"token": of("ada"), "subs": {"chat:1": {}}}).to_string();
    let request = || {
        Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
    };
    let mut stream = Stream::open(request()).await;
    let first = stream.line().await;
    assert!(first.starts_with("id: "), "{first}");
    let hello = stream.json().await;
    assert!(
        hello["connect"]["subs"]["chat:1"].is_object() && hello["connect"]["session"].is_string(),
        "{hello}"
    );
    node.publish("chat:1", json!("one"), &[]).await;
    let id = stream.line().await;
    let push = stream.json().await;
    assert_eq!(
        (&push["channel"], &push["pub"]["data"]),
        (&json!("chat:1"), &json!("one"))
    );
    drop(stream);
    node.publish("chat:1", json!("two"), &[]).await;
    let mut stream = Stream::open(request().header("last-event-id", id.strip_prefix("id: ").unwrap())).await;
    let moved = stream.line().await;
    let hello = stream.json().await;
    let sub = &hello["connect"]["subs"]["chat:1"];
    assert_eq!(
        (&sub["recovered"], &sub["publications"][0]["data"]),
        (&json!(true), &json!("two")),
        "{hello}"
    );
    assert!(moved.contains(":2"), "{moved}");
    let refused = json!({"token": of("ada"), "subs": {"shut:1": {}}}).to_string();
    let request = Http::new()
        .get(format!("http://{}/connection/uni_sse", node.address))
        .query(&[("cf_connect", &refused)]);
    let mut stream = Stream::open(request).await;
    assert_eq!(stream.json().await["disconnect"]["code"], 3507);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_is_not_resumed_with_other_rights_than_it_had() {
    let node = node().await;
    node.person("someone", &["users:read", "users:read_pii"]);
    node.happen(1).await;
    let connect = json!({"token": "someone", "subs": {"feed:users": {}}}).to_string();
    let open = async |last: &str| {
        let request = Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
            .header("last-event-id", last);
        let mut stream = Stream::open(request).await;
        let id = stream.line().await;
        let hello = stream.json().await;
        let recovered = hello["connect"]["subs"]["feed:users"]["recovered"] == true;
        (id.strip_prefix("id: ").unwrap().to_owned(), recovered)
    };
    let (id, _) = open("").await;
    assert_eq!(open(&id).await, (id.clone(), true));
    node.door.grant("someone", &["users:read"]);
    let (other, recovered) = open(&id).await;
    assert!(!recovered && other != id, "{id} {other}");
    assert_eq!(open(&other).await, (other.clone(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn transports_that_nobody_switched_on_are_not_there() {
    let node = Node::start().await;
    for path in [
        "connection/http_stream",
        "connection/sse",
        "connection/uni_sse",
        "emulation",
    ] {
        let post = Http::new()
            .post(format!("http://{}/{path}", node.address))
            .body("{}");
        assert_eq!(post.send().await.unwrap().status(), 404, "{path}");
    }
    let init = Http::new()
        .get(format!("http://{}/connection/init", node.address))
        .send()
        .await
        .unwrap();
    assert_eq!(init.json::<Value>().await.unwrap(), json!({}));
}
