//! What is done to connections, whichever node they are on.

use signalbox_core::bus::control::Control;
use signalbox_core::bus::orders::Whom;
use signalbox_core::bus::{Signal, Subscription};
use signalbox_core::live::application::ServerSubscription;

use super::*;

/// What nodes are told from now on.
pub async fn orders(hub: &Hub) -> Subscription {
    let bus = &hub.test.store.bus;
    bus.subscribe(&[bus.keys().control()]).await.unwrap()
}

/// The next of it.
pub async fn next(heard: &mut Subscription) -> Order {
    loop {
        if let Some(Signal::Message { payload, .. }) = heard.next().await
            && let Ok(Control::Order(order)) = serde_json::from_slice(&payload)
        {
            return order;
        }
    }
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
