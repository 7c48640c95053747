//! What tokens open, and what the server orders.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use signalbox_core::bus::orders::Whom;
use signalbox_core::bus::questions::Question;
use signalbox_core::live::application::APPLICATION;
use signalbox_core::testing::eventually;

use super::*;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_orders_of_a_channel_is_done_in_the_order_in_which_it_came() {
    let node = node().await;
    let mut wire = Wire::signed_in(&node, &of("ada")).await;
    let whom = || Whom {
        user: Some("ada".to_owned()),
        ..Whom::of(APPLICATION)
    };
    for round in 0..20 {
        let channel = format!("chat:{round}");
        let subscribe = Order::Subscribe {
            whom: whom(),
            channel: channel.clone(),
            terms: json!({}),
        };
        let unsubscribe = Order::Unsubscribe {
            whom: whom(),
            channel: channel.clone(),
            code: 2000,
            reason: "tidied up".to_owned(),
        };
        node.tell(subscribe).await;
        node.tell(unsubscribe).await;
        let push = wire.push().await;
        assert!(push["subscribe"].is_object(), "{push}");
        let push = wire.push().await;
        assert_eq!(
            (&push["channel"], &push["unsubscribe"]["code"]),
            (&json!(channel), &json!(2000))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_orders_while_a_client_renews_its_token_is_done_and_in_its_order() {
    let node = node().await;
    let brief = token(json!({"sub": "ada", "exp": 4_000_000_000_u64}));
    let mut wire = Wire::signed_in(&node, &brief).await;
    let whom = || Whom {
        user: Some("ada".to_owned()),
        ..Whom::of(APPLICATION)
    };
    let asking = node.door.slow.lock().await;
    node.tell(Order::Subscribe {
        whom: whom(),
        channel: "chat:slow".to_owned(),
        terms: json!({}),
    })
    .await;
    eventually("the channel is being followed", async || {
        node.door.asked_slow.load(Ordering::SeqCst) > 0
    })
    .await;
    node.tell(Order::Unsubscribe {
        whom: whom(),
        channel: "chat:slow".to_owned(),
        code: 2000,
        reason: "tidied up".to_owned(),
    })
    .await;
    let renewed = wire.ask(json!({"id": 3, "refresh": {"token": brief}})).await;
    assert!(renewed["refresh"].is_object(), "{renewed}");
    drop(asking);
    let push = wire.push().await;
    assert!(push["subscribe"].is_object(), "{push}");
    let push = wire.push().await;
    assert_eq!(push["unsubscribe"]["code"], 2000, "{push}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_orders_while_a_client_signs_in_comes_behind_the_answer_and_nothing_twice() {
    let node = node().await;
    let channels: Vec<_> = (0..60).map(|n| format!("chat:{n}")).collect();
    let claims = json!({"sub": "ada", "channels": channels});
    let mut orders = tokio::task::JoinSet::new();
    let nodes = node.nodes.clone();
    orders.spawn(async move {
        loop {
            let order = Order::Subscribe {
                whom: Whom {
                    user: Some("ada".to_owned()),
                    ..Whom::of(APPLICATION)
                },
                channel: "chat:59".into(),
                terms: json!({}),
            };
            nodes.tell(order).await.unwrap();
            // many within one sign-in, and fewer than a flood
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut shown = 0;
    while shown < 20 {
        let mut wire = Wire::open(&node).await;
        wire.say(&json!({"id": 1, "connect": {"token": token(claims.clone())}}).to_string())
            .await;
        let first = match wire.next().await {
            // kept waiting for so long that the orders were too many
            Err(3013) => continue,
            first => first.unwrap(),
        };
        assert!(first["connect"]["subs"]["chat:59"].is_object(), "{first}");
        let published = node.publish("chat:59", json!("once"), &[]).await;
        let after = node.publish("chat:59", json!("behind it"), &[]).await;
        let mut got = Vec::new();
        while got.last() != Some(&after) {
            let push = wire.push().await;
            got.extend(push["pub"]["offset"].as_u64());
        }
        assert_eq!(got, [published, after]);
        shown += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_gives_ends_when_it_says_whatever_its_own_end() {
    let node = node().await;
    let ended = |claims: Value| {
        let mut claims = claims;
        claims["exp"] = json!(4_000_000_000_u64);
        claims["expire_at"] = json!(1_000_000_000);
        token(claims)
    };
    let mut wire = Wire::open(&node).await;
    let connect = json!({"id": 1, "connect": {"token": ended(json!({"sub": "ada"}))}});
    assert_eq!(wire.ask(connect).await["error"]["code"], 109);
    let lasting = token(json!({"sub": "ada", "exp": 4_000_000_000_u64}));
    let of_channel = ended(json!({"sub": "ada", "channel": "$shut:1"}));
    let mut wire = Wire::signed_in(&node, &lasting).await;
    let subscribe = json!({"id": 2, "subscribe": {"channel": "$shut:1", "token": of_channel}});
    assert_eq!(wire.ask(subscribe).await["error"]["code"], 109);
    let refresh = json!({"id": 3, "refresh": {"token": ended(json!({"sub": "ada"}))}});
    wire.say(&refresh.to_string()).await;
    assert_eq!(wire.close().await, 3005);
    let mut wire = Wire::signed_in(&node, &lasting).await;
    let good =
        json!({"sub": "ada", "channel": "$shut:1", "exp": 4_000_000_000_u64, "data": {"welcome": true}});
    let reply = wire
        .ask(json!({"id": 2, "subscribe": {"channel": "$shut:1", "token": token(good)}}))
        .await;
    assert_eq!(reply["subscribe"]["data"], json!({"welcome": true}));
    let renewal = json!({"id": 3, "sub_refresh": {"channel": "$shut:1", "token": of_channel}});
    wire.say(&renewal.to_string()).await;
    assert_eq!(wire.close().await, 3006);
    let mut wire = Wire::signed_in(&node, &lasting).await;
    node.tell(Order::Refresh {
        whom: Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        },
        expired: false,
        expire_at: Some(1_000_000_000),
        info: None,
    })
    .await;
    assert_eq!(wire.close().await, 3005);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_which_the_server_could_not_follow_a_channel_comes_back() {
    let node = node().await;
    let mut wire = Wire::signed_in(&node, &of("ada")).await;
    node.door.unsure.store(true, Ordering::SeqCst);
    node.tell(Order::Subscribe {
        whom: Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        },
        channel: "chat:1".into(),
        terms: json!({}),
    })
    .await;
    assert_eq!(wire.close().await, 3011);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_a_personal_channel_whatever_it_is_called_and_resumes_it_by_its_id() {
    let node = node().await;
    let mut wire = Wire::open(&node).await;
    let connect = json!({"id": 1, "connect": {"token": of("zoë 🦊")}});
    let subs = wire.ask(connect).await["connect"]["subs"].clone();
    assert!(subs["me:#zoë 🦊"].is_object(), "{subs}");
    node.publish("me:#zoë 🦊", json!("for you"), &[]).await;
    let push = wire.push().await;
    assert_eq!(
        (&push["channel"], &push["pub"]["data"]),
        (&json!("me:#zoë 🦊"), &json!("for you"))
    );
    // what a client asks for itself is ASCII, in the protocol
    for channel in ["me:#zoë 🦊", "chat:zoë"] {
        let reply = wire
            .ask(json!({"id": 3, "subscribe": {"channel": channel}}))
            .await;
        assert_eq!(reply["error"]["code"], 107, "{channel}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_only_listens_is_counted_as_what_it_is() {
    let node = node().await;
    let address = format!("ws://{}/connection/uni_websocket", node.address);
    let connect = json!({"token": of("ada")}).to_string();
    let address = reqwest::Url::parse_with_params(&address, [("cf_connect", connect)]).unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(address.as_str()).await.unwrap();
    let hello = socket.next().await.unwrap().unwrap().to_string();
    assert!(hello.contains("\"me:#ada\""), "{hello}");
    let _beside = Wire::signed_in(&node, &of("bob")).await;
    let told = node.nodes.ask(Question::Node).await;
    let counted = &told.nodes()[0].state.transports;
    let expected = [("uni_websocket".to_owned(), 1), ("websocket".to_owned(), 1)];
    assert_eq!(*counted, expected.into());
}
