//! Who listens on a plain event stream is in a channel like everybody else, and is told of the others.

use signalbox_actors::live_hub::ChannelKey;
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::live::application::APPLICATION;

use super::super::application::token;
use super::super::websocket::Wire;
use super::*;

const SETTINGS: &[(&str, &str)] = &[
    ("TOKEN__HMAC_SECRET", "a secret of the application"),
    ("NAMESPACES__ROOM__PRESENCE", "true"),
    ("NAMESPACES__ROOM__JOIN_LEAVE", "true"),
    ("NAMESPACES__ROOM__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__ROOM__ALLOW_PRESENCE_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__ROOM__MAP_USERS_PRESENCE_CHANNEL_PREFIX", "users:"),
    ("NAMESPACES__USERS__SUBSCRIPTION_TYPE", "map_users"),
    ("NAMESPACES__USERS__MAP__MODE", "ephemeral"),
    ("NAMESPACES__QUIET__PRESENCE", "true"),
    ("NAMESPACES__QUIET__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
];

fn of(user: &str) -> String {
    token(json!({"sub": user, "info": {"name": user}}))
}

async fn follows(node: &Node, user: &str) -> Wire {
    let mut wire = Wire::signed_in(node, &of(user)).await;
    let wish = json!({"channel": "room:1", "join_leave": true});
    let reply = wire.ask(json!({"id": 2, "subscribe": wish})).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    wire
}

async fn there(node: &Node, channel: &str) -> Vec<String> {
    let key = ChannelKey {
        organization: APPLICATION,
        name: channel.into(),
    };
    let all = node.presence.of(&key).await.unwrap();
    let mut users: Vec<_> = all.into_values().map(|info| info.user).collect();
    users.sort();
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_on_a_plain_stream_is_there_and_comes_and_goes_before_the_others_eyes() {
    let node = Node::serving(SETTINGS).await;
    let mut bob = follows(&node, "bob").await;
    assert_eq!(bob.push().await["join"]["info"]["user"], "bob");
    let mut ada = Source::open(&node, &of("ada"), "channel=room:1&channel=quiet:1", None).await;
    let came = bob.push().await;
    assert_eq!(
        (
            &came["join"]["info"]["user"],
            &came["join"]["info"]["conn_info"]["name"]
        ),
        (&json!("ada"), &json!("ada"))
    );
    for channel in ["room:1", "quiet:1"] {
        assert!(
            there(&node, channel).await.contains(&"ada".to_owned()),
            "{channel}"
        );
    }
    // she is told who is there, and who comes and goes
    let first = ada.next().await.unwrap();
    assert_eq!(
        (first.name.as_str(), &first.data["channel"]),
        ("presence", &json!("room:1"))
    );
    let mut users: Vec<_> = first.data["presence"].as_object().unwrap().values().collect();
    users.sort_by_key(|info| info["user"].as_str().map(ToOwned::to_owned));
    assert_eq!(
        (&users[0]["user"], &users[1]["user"]),
        (&json!("ada"), &json!("bob"))
    );
    let told = async |source: &mut Source, name: &str, user: &str| loop {
        let event = source.next().await.unwrap();
        assert!(["join", "leave"].contains(&event.name.as_str()), "{event:?}");
        if event.name == name && event.data["info"]["user"] == user {
            return assert_eq!(event.data["channel"], "room:1");
        }
    };
    let eve = follows(&node, "eve").await;
    told(&mut ada, "join", "eve").await;
    drop(eve);
    told(&mut ada, "leave", "eve").await;
    // what a server says of her is what others see
    let whom = Whom {
        user: Some("ada".to_owned()),
        ..Whom::of(APPLICATION)
    };
    let info = Some(json!({"name": "Ada L."}).to_string());
    let order = Order::Refresh {
        whom,
        expired: false,
        expire_at: None,
        info,
    };
    node.nodes.tell(order).await.unwrap();
    eventually("she is seen as the server says", async || {
        let key = ChannelKey {
            organization: APPLICATION,
            name: "room:1".into(),
        };
        let all = node.presence.of(&key).await.unwrap();
        all.values()
            .any(|info| info.conn_info == Some(json!({"name": "Ada L."}).to_string().into()))
    })
    .await;
    drop(ada);
    loop {
        let push = bob.push().await;
        if push["leave"]["info"]["user"] == "ada" {
            break;
        }
    }
    eventually("she is gone", async || {
        there(&node, "room:1").await == ["bob"] && there(&node, "quiet:1").await.is_empty()
    })
    .await;
}
