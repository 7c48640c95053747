//! Keys that are polled for clients, on real sockets, with a server that answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox_core::testing::eventually;

use super::Node;
use super::application::token;
use super::polled::{Backend, signature};
use super::websocket::Wire;

const SECRET: &str = "what keys are signed with";
const CHANNEL: &str = "poll:1";

async fn node(url: &str) -> Node {
    Node::serving(&[
        ("TOKEN__HMAC_SECRET", "a secret of the application"),
        ("SHARED_POLL__HMAC_SECRET_KEY", SECRET),
        ("NAMESPACES__POLL__SUBSCRIPTION_TYPE", "shared_poll"),
        ("NAMESPACES__POLL__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
        ("NAMESPACES__POLL__SHARED_POLL__ENDPOINT", url),
        ("NAMESPACES__POLL__SHARED_POLL__REFRESH_INTERVAL", "1s"),
        ("NAMESPACES__POLL__SHARED_POLL__MAX_KEYS_PER_CONNECTION", "3"),
        ("NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ])
    .await
}

fn track(id: u32, user: &str, keys: &[&str]) -> Value {
    let items: Vec<_> = keys.iter().map(|key| json!({"key": key})).collect();
    let batch = json!({"signature": signature(SECRET, user, CHANNEL, keys, 4_000_000_000), "items": items});
    json!({"id": id, "sub_refresh": {"channel": "poll:1", "type": 1, "track": [batch]}})
}

impl Wire {
    async fn polling(node: &Node, user: &str) -> Self {
        let mut wire = Self::signed_in(node, &token(json!({"sub": user}))).await;
        let reply = wire
            .ask(json!({"id": 2, "subscribe": {"channel": "poll:1", "type": 4}}))
            .await;
        assert_eq!(reply["subscribe"]["type"], 4, "{reply}");
        assert!(reply["subscribe"]["epoch"].is_string(), "{reply}");
        wire
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_asked_once_for_all_who_track_a_key_and_only_changes_are_pushed() {
    let (backend, url) = Backend::start();
    let node = node(&url).await;
    backend.set("a", json!({"n": 1}));
    backend.set("b", json!(2));
    let mut clients = Vec::new();
    for user in ["ada", "bob", "eve"] {
        let mut wire = Wire::polling(&node, user).await;
        let reply = wire.ask(track(3, user, &["a", "b"])).await;
        assert_eq!(reply["sub_refresh"]["expires"], true, "{reply}");
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for item in reply["sub_refresh"]["items"].as_array().into_iter().flatten() {
            seen.insert(item["key"].as_str().unwrap().to_owned(), item["data"].clone());
        }
        while seen.len() < 2 {
            let push = wire.push().await["pub"].clone();
            assert!(push["version"].as_u64().unwrap() > 0, "{push}");
            seen.insert(push["key"].as_str().unwrap().to_owned(), push["data"].clone());
        }
        assert_eq!(
            seen,
            BTreeMap::from([("a".into(), json!({"n": 1})), ("b".into(), json!(2))])
        );
        clients.push(wire);
    }
    let before = backend.asked().len();
    eventually("it is asked again", async || backend.asked().len() >= before + 2).await;
    let asked = backend.asked();
    assert_eq!(
        asked.last().unwrap()["items"].as_array().unwrap().len(),
        2,
        "{asked:?}"
    );
    assert_eq!(asked.last().unwrap()["channel"], "poll:1");
    backend.set("b", json!(3));
    for wire in &mut clients {
        let push = wire.push().await["pub"].clone();
        assert_eq!(
            (&push["key"], &push["data"]),
            (&json!("b"), &json!(3)),
            "and nothing of a"
        );
    }
    let untrack = json!({"id": 4, "sub_refresh": {"channel": "poll:1", "type": 2, "untrack": ["b"]}});
    assert_eq!(clients[0].ask(untrack).await["sub_refresh"], json!({}));
    backend.set("b", json!(4));
    backend.set("a", Value::Null);
    let push = clients[0].push().await["pub"].clone();
    assert_eq!(
        (&push["key"], &push["removed"]),
        (&json!("a"), &json!(true)),
        "{push}"
    );
    drop(clients);
    let mut late = Wire::polling(&node, "joe").await;
    late.ask(track(3, "joe", &["c"])).await;
    // the first question for a key that is not known names it alone, the ones at each turn all that are tracked
    eventually("only what is still tracked is asked for", async || {
        let asked = backend.asked();
        let last: Vec<_> = asked.iter().rev().take(2).map(|one| &one["items"]).collect();
        last == [&json!([{"key": "c"}]); 2]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_keys_are_tracked_and_so_many() {
    let (_, url) = Backend::start();
    let node = node(&url).await;
    let mut ada = Wire::polling(&node, "ada").await;
    let of_bob = track(3, "bob", &["a"]);
    assert_eq!(ada.ask(of_bob).await["error"]["code"], 103);
    let past = json!({"signature": signature(SECRET, "ada", CHANNEL, &["a"], 1_000_000_000), "items": [{"key": "a"}]});
    let past = json!({"id": 4, "sub_refresh": {"channel": "poll:1", "type": 1, "track": [past]}});
    assert_eq!(ada.ask(past).await["error"]["code"], 109);
    let nothing = json!({"id": 5, "sub_refresh": {"channel": "poll:1", "type": 1}});
    assert_eq!(ada.ask(nothing).await["error"]["code"], 107);
    assert_eq!(
        ada.ask(track(6, "ada", &["a", "b", "c", "d"])).await["error"]["code"],
        106
    );
    assert!(ada.ask(track(7, "ada", &["a", "b", "c"])).await["sub_refresh"].is_object());
    assert_eq!(ada.ask(track(8, "ada", &["d"])).await["error"]["code"], 106);
    // what was given up makes room, also in the same breath
    let mut swap = track(9, "ada", &["d"]);
    swap["sub_refresh"]["untrack"] = json!(["a"]);
    assert!(ada.ask(swap).await["sub_refresh"].is_object());
    assert_eq!(
        ada.ask(json!({"id": 10, "sub_refresh": {"channel": "chat:1", "type": 1}}))
            .await["error"]["code"],
        103
    );
    let chat = json!({"id": 11, "subscribe": {"channel": "chat:1"}});
    assert!(ada.ask(chat).await["subscribe"].is_object());
    assert_eq!(
        ada.ask(json!({"id": 12, "sub_refresh": {"channel": "chat:1", "type": 1}}))
            .await["error"]["code"],
        103
    );
    assert_eq!(
        ada.ask(json!({"id": 13, "publish": {"channel": "poll:1", "data": 1}}))
            .await["error"]["code"],
        108
    );
    for kind in [0, 1] {
        let other = json!({"id": 20 + kind, "subscribe": {"channel": "poll:2", "type": kind, "phase": 2}});
        assert_eq!(ada.ask(other).await["error"]["code"], 103);
    }
}
