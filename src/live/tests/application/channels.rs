//! What is said in channels: who hears it, who is there, how it is kept and written.

use signalbox_core::bus::orders::Whom;
use signalbox_core::live::application::APPLICATION;
use signalbox_core::testing::eventually;

use super::*;

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
async fn what_a_subscription_token_tells_of_a_client_is_told_with_what_it_says_where_nobody_is_seen_too() {
    let node = node().await;
    let told = json!({"sub": "ada", "channel": "said:1", "info": {"role": "host"}});
    let wish = json!({"channel": "said:1", "token": token(told)});
    let (mut ada, result) = Wire::subscribed(&node, "ada", wish).await;
    assert!(result.is_object());
    ada.say(r#"{"id":3,"publish":{"channel":"said:1","data":1}}"#)
        .await;
    let mut push = ada.push().await;
    while push.is_null() {
        // the answer to its own publish
        push = ada.push().await;
    }
    let info = &push["pub"]["info"];
    assert_eq!(
        (&info["conn_info"], &info["chan_info"]),
        (&json!({"name": "ada"}), &json!({"role": "host"})),
        "{info}"
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
async fn who_is_there_is_not_told_where_it_would_not_fit_and_the_client_stays() {
    let node = node().await;
    let mut there = Vec::new();
    for n in 0..32 {
        let told = json!({"sub": n.to_string(), "info": {"long": "x".repeat(7_000)}});
        let mut wire = Wire::signed_in(&node, &token(told)).await;
        wire.ask(json!({"id": 2, "subscribe": {"channel": "chat:1"}}))
            .await;
        there.push(wire);
    }
    let presence = json!({"id": 3, "presence": {"channel": "chat:1"}});
    assert_eq!(there[0].ask(presence).await["error"]["code"], 106);
    let stats = there[0]
        .ask(json!({"id": 4, "presence_stats": {"channel": "chat:1"}}))
        .await;
    assert_eq!(stats["presence_stats"]["num_clients"], 32, "{stats}");
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
