//! Who may read a map and publish to it, under which keys, for how long, and who is told to be there.

use signalbox_actors::live_hub::ChannelKey;
use signalbox_core::live::application::{APPLICATION, broker};
use signalbox_core::testing::eventually;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_followed_as_what_it_is_and_published_to_as_that() {
    let node = node().await;
    let mut ada = Wire::signed_in(&node, &of("ada")).await;
    let cases = [
        (
            json!({"subscribe": {"channel": "chat:1", "type": 1, "phase": 2}}),
            103,
        ),
        (json!({"subscribe": {"channel": "board:1"}}), 103),
        (
            json!({"subscribe": {"channel": "board:1", "type": 2, "phase": 2}}),
            103,
        ),
        (json!({"subscribe": {"channel": "board:1", "type": 4}}), 103),
        (
            json!({"subscribe": {"channel": "feed:users", "type": 1, "phase": 2}}),
            103,
        ),
        (
            json!({"subscribe": {"channel": "cursors:1", "type": 1, "phase": 2, "tf": {"key": "a", "cmp": "ex"}}}),
            107,
        ),
        (
            json!({"subscribe": {"channel": "cursors:1", "type": 1, "phase": 1, "recover": true, "epoch": "e"}}),
            107,
        ),
        (
            json!({"publish": {"channel": "board:1", "type": 1, "key": "a", "data": 1}}),
            103,
        ),
        (json!({"publish": {"channel": "board:1", "data": 1}}), 108),
        (
            json!({"publish": {"channel": "chat:1", "type": 1, "key": "a", "data": 1}}),
            108,
        ),
        (
            json!({"publish": {"channel": "clients:board:1", "type": 1, "key": "a", "data": 1}}),
            108,
        ),
        (
            json!({"publish": {"channel": "cursors:1", "type": 1, "key": "a"}}),
            107,
        ),
    ];
    for (n, (mut command, code)) in cases.into_iter().enumerate() {
        command["id"] = json!(n + 10);
        let reply = ada.ask(command.clone()).await;
        assert_eq!(reply["error"]["code"], code, "{command}: {reply}");
    }
    let options = node.settings.live.namespaces().of("board:1").unwrap().clone();
    let (bus, said) = (
        &node.test.store.bus,
        Publication {
            data: "1".into(),
            ..Publication::default()
        },
    );
    let published = broker::publish(bus, "board:1", &options, said, broker::Extra::default()).await;
    assert!(published.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_does_not_last_is_live_behind_its_last_page_and_keys_are_who_publishes() {
    let node = node().await;
    node.fill("cursors:1", 3).await;
    let mut ada = Follower::connect(&node, "ada", "cursors:1", 1).await;
    let first = ada.ask(json!({"phase": 2, "limit": 2})).await["subscribe"].clone();
    for n in 0..20 {
        node.put("cursors:1", "k000", 100 + n).await;
    }
    ada.take(&first["state"]);
    let next = json!({"phase": 2, "limit": 2, "cursor": first["cursor"], "epoch": first["epoch"], "offset": first["offset"]});
    let live = ada.ask(next).await["subscribe"].clone();
    assert_eq!(
        (&live["phase"], &live["recoverable"]),
        (&json!(null), &json!(null))
    );
    ada.take(&live["state"]);
    ada.take(&live["publications"]);
    assert_eq!(ada.values, values(&[("k000", 119), ("k001", 1), ("k002", 2)]));
    let say = |id: u32, more: Value| {
        let mut publish = json!({"channel": "cursors:1", "type": 1, "key": "of somebody else"});
        publish
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"id": id, "publish": publish})
    };
    let mut bob = Wire::signed_in(&node, &of("bob")).await;
    assert_eq!(bob.ask(say(3, json!({"data": 7}))).await["publish"], json!({}));
    ada.becomes(&values(&[("k000", 119), ("k001", 1), ("k002", 2), ("bob", 7)]))
        .await;
    assert_eq!(
        bob.ask(say(4, json!({"removed": true}))).await["publish"],
        json!({})
    );
    ada.becomes(&values(&[("k000", 119), ("k001", 1), ("k002", 2)]))
        .await;
    let mut nobody = Wire::open(&node).await;
    nobody.ask(json!({"id": 1, "connect": {}})).await;
    assert_eq!(
        nobody.ask(say(2, json!({"data": 7}))).await["error"]["code"],
        103,
        "has no id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pages_at_once_are_refused_and_whoever_takes_too_long_is_closed() {
    let node = node().await;
    node.fill("brief:1", 9).await;
    let mut ada = Follower::connect(&node, "ada", "brief:1", 1).await;
    let page = r#"{"channel":"brief:1","type":1,"phase":2,"limit":2}"#;
    let both = format!("{{\"id\":3,\"subscribe\":{page}}}\n{{\"id\":4,\"subscribe\":{page}}}");
    ada.wire.say(&both).await;
    let mut replies = [ada.wire.next().await.unwrap(), ada.wire.next().await.unwrap()];
    replies.sort_by_key(|reply| reply["id"].as_u64());
    assert_eq!(replies[1]["error"]["code"], 113, "{replies:?}");
    let result = &replies[0]["subscribe"];
    let next = json!({"channel": "brief:1", "type": 1, "phase": 2, "limit": 2, "cursor": result["cursor"],
        "epoch": result["epoch"], "offset": result["offset"]});
    let next = json!({"id": 5, "subscribe": next}).to_string();
    // the slow client itself: a second is what the namespace gives it to be live
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    ada.wire.say(&next).await;
    assert_eq!(ada.wire.next().await, Err(3008));
    // nor is whoever never says another word let hold a place in it
    let mut bob = Follower::connect(&node, "bob", "brief:1", 1).await;
    assert!(bob.ask(json!({"phase": 2, "limit": 2})).await["subscribe"]["cursor"].is_string());
    assert_eq!(bob.wire.next().await, Err(3008));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_look_no_more_reads_no_further_page() {
    let node = node().await;
    node.fill("board:1", 9).await;
    node.person("operator", &["live:read"]);
    let mut wire = Wire::signed_in(&node, "operator").await;
    let page = json!({"channel": "board:1", "type": 1, "phase": 2, "limit": 2});
    let first = wire.ask(json!({"id": 2, "subscribe": page})).await["subscribe"].clone();
    node.door.grant("operator", &[]);
    let next = json!({"channel": "board:1", "type": 1, "phase": 2, "limit": 2, "cursor": first["cursor"],
        "epoch": first["epoch"], "offset": first["offset"]});
    let refused = wire.ask(json!({"id": 3, "subscribe": next})).await;
    assert!(
        refused["error"].is_object() && refused["subscribe"].is_null(),
        "{refused}"
    );
    let anew = wire.ask(json!({"id": 4, "subscribe": page})).await;
    assert_eq!(anew["error"]["code"], 103, "{anew}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_has_run_out_is_refused_and_one_that_will_says_when() {
    let node = node().await;
    node.fill("board:1", 3).await;
    let mut ada = Follower::connect(&node, "ada", "board:1", 1).await;
    let good = token(json!({"sub": "ada", "channel": "board:1", "exp": 4_000_000_000_u64}));
    let live = ada.ask(json!({"phase": 2, "token": good})).await["subscribe"].clone();
    assert_eq!(live["expires"], true);
    assert!(live["ttl"].as_u64().unwrap() > 1_000);
    let mut bob = Follower::connect(&node, "bob", "board:1", 1).await;
    let past = token(json!({"sub": "bob", "channel": "board:1", "exp": 1_000_000_000_u64}));
    assert_eq!(
        bob.ask(json!({"phase": 2, "token": past})).await["error"]["code"],
        109
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_channel_is_a_map_of_clients_and_one_of_users() {
    let node = node().await;
    let mut clients = Follower::live(&node, "watcher", "clients:board:1", 2).await;
    let mut users = Follower::live(&node, "watcher", "users:board:1", 3).await;
    assert!(clients.recoverable && !users.recoverable && clients.values.is_empty());
    let first = Follower::live(&node, "ada", "board:1", 1).await;
    let second = Follower::live(&node, "ada", "board:1", 1).await;
    while clients.values.len() < 2 {
        let push = clients.wire.push().await;
        assert_eq!(push["pub"]["info"]["user"], "ada", "{push}");
        clients.take(&json!([push["pub"]]));
    }
    let present = |keys: &[&str]| -> Values { keys.iter().map(|key| ((*key).into(), json!(null))).collect() };
    users.becomes(&present(&["ada"])).await;
    let late = Follower::live(&node, "late", "clients:board:1", 2).await;
    assert_eq!(late.keys(), clients.keys());
    drop(first);
    let left = clients.wire.push().await;
    assert_eq!(left["pub"]["removed"], true, "{left}");
    let bob = Follower::live(&node, "bob", "board:1", 1).await;
    users.becomes(&present(&["ada", "bob"])).await;
    drop((second, bob));
    users.becomes(&present(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_published_under_its_id_goes_when_it_does_and_what_nobody_renews_lapses() {
    let node = node().await;
    let mut ada = Follower::live(&node, "ada", "hands:1", 1).await;
    let mut bob = Follower::live(&node, "bob", "hands:1", 1).await;
    let raise = json!({"id": 90, "publish": {"channel": "hands:1", "type": 1, "data": 1}});
    bob.wire.ask(raise.clone()).await;
    let push = ada.wire.push().await;
    assert_eq!(push["pub"]["key"], push["pub"]["info"]["client"], "{push}");
    drop(bob);
    let gone = ada.wire.push().await;
    assert_eq!(
        (&gone["pub"]["key"], &gone["pub"]["removed"]),
        (&push["pub"]["key"], &json!(true))
    );
    ada.wire.ask(raise).await;
    let mine = ada.wire.push().await["pub"]["key"].clone();
    let lapsed = ada.wire.push().await;
    assert_eq!(
        (&lapsed["pub"]["key"], &lapsed["pub"]["removed"]),
        (&mine, &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_tags_are_no_longer_wanted_is_told_as_removed_once_and_without_a_word_of_what_it_became()
 {
    let node = node().await;
    let put = async |key: &str, kind: &str| {
        let always = Change::Put(Condition::Always);
        let data = json!({"kind": kind});
        node.change("board:1", always, key, data).await;
    };
    put("a", "red").await;
    put("b", "blue").await;
    let mut ada = Follower::connect(&node, "ada", "board:1", 1).await;
    ada.wants = Some("red");
    ada.read(5).await;
    assert_eq!((ada.keys(), ada.place.as_ref().unwrap().0), (vec!["a"], 2));
    // out of it, further changes out of it, and back
    for kind in ["blue", "green", "blue", "red"] {
        put("a", kind).await;
    }
    let gone = ada.wire.push().await["pub"].clone();
    assert_eq!(gone["removed"], true, "{gone}");
    assert_eq!(
        (&gone["key"], &gone["offset"], &gone["tags"]),
        (&json!("a"), &json!(3), &Value::Null)
    );
    assert!(!gone.to_string().contains("blue"), "{gone}");
    let back = ada.wire.push().await["pub"].clone();
    assert_eq!(
        (&back["key"], &back["offset"], &back["data"]["kind"]),
        (&json!("a"), &json!(6), &json!("red")),
        "told once"
    );
    // whoever takes everything is told nothing of it
    let mut all = Follower::live(&node, "all", "board:1", 1).await;
    put("a", "blue").await;
    assert_eq!(all.wire.push().await["pub"]["data"]["kind"], "blue");
    node.remove("board:1", "a").await;
    for offset in [7, 8] {
        let gone = ada.wire.push().await["pub"].clone();
        assert_eq!(
            (&gone["key"], &gone["removed"], &gone["offset"]),
            (&json!("a"), &json!(true), &json!(offset))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_told_which_entries_are_no_longer_for_them_page_by_page() {
    let node = node().await;
    let put = async |key: String, kind: &str| {
        let always = Change::Put(Condition::Always);
        let data = json!({"kind": kind});
        node.change("board:1", always, &key, data).await;
    };
    for n in 0..4 {
        put(format!("k{n}"), "red").await;
    }
    let mut ada = Follower::connect(&node, "ada", "board:1", 1).await;
    ada.wants = Some("red");
    ada.read(2).await;
    assert_eq!(ada.values.len(), 4);
    for n in 0..3 {
        put(format!("k{n}"), "blue").await;
        put(format!("k{n}"), "green").await;
    }
    for limit in [2, 100] {
        // of what it knew when it left
        let left = (ada.values.clone(), ada.place.clone());
        ada = ada.returns(&node).await;
        ada.pages.clear();
        ada.read(limit).await;
        assert_eq!(ada.keys(), ["k3"]);
        assert_eq!(ada.pages.iter().all(|page| *page == 0), limit == 100, "in pages");
        (ada.values, ada.place) = left;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_listens_is_given_no_map_and_neither_is_whoever_brings_one_with_the_connect() {
    let node = node().await;
    let url = format!("http://{}/connection/uni_sse", node.address);
    let connect = json!({"token": of("ada"), "subs": {"board:1": {"type": 1, "phase": 2}}});
    let request = reqwest::Client::new()
        .get(url)
        .query(&[("cf_connect", connect.to_string())]);
    let told = request.send().await.unwrap().text().await.unwrap();
    assert!(told.contains("\"disconnect\":{\"code\":3507"), "{told}");
    let with_a_map = token(json!({"sub": "ada", "channels": ["board:1"]}));
    let mut wire = Wire::open(&node).await;
    let connect = json!({"id": 1, "connect": {"token": with_a_map, "subs": {"board:1": {"type": 1}}}});
    assert_eq!(wire.ask(connect).await["error"]["code"], 103);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_the_right_to_look_sees_a_map_as_a_stream_of_changes() {
    let node = node().await;
    node.person("operator", &["live:read"]);
    let mut wire = Wire::signed_in(&node, "operator").await;
    let reply = wire
        .ask(json!({"id": 2, "subscribe": {"channel": "board:1"}}))
        .await;
    assert_eq!(reply["subscribe"]["recoverable"], true, "{reply}");
    node.put("board:1", "a", 1).await;
    assert_eq!(wire.push().await["pub"]["key"], "a");
    let publish = json!({"id": 3, "publish": {"channel": "board:1", "type": 1, "key": "a", "data": 1}});
    assert_eq!(wire.ask(publish).await["error"]["code"], 103);
    eventually("the operator is nobody's presence", async || {
        node.presence
            .of(&ChannelKey {
                organization: APPLICATION,
                name: "clients:board:1".into(),
            })
            .await
            .unwrap()
            .is_empty()
    })
    .await;
}
