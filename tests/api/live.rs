//! Nodes, connections and channels, on a node whose connections are made up.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Hub, SignedIn, hub_as_node, problem};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_actors::live_hub::ChannelKey;
use signalbox_actors::nodes::Local;
use signalbox_core::bus::Signal;
use signalbox_core::bus::control::Control;
use signalbox_core::bus::orders::{Order, Whom};
use signalbox_core::bus::questions::{Answer, ChannelRow, ConnectionRow, NodeState, Question};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::{APPLICATION, ClientInfo};
use signalbox_core::live::history::{Begin, append};
use time::OffsetDateTime;

/// Made up when the test knows whose they are.
#[derive(Default)]
struct Made {
    connections: Mutex<Vec<ConnectionRow>>,
    channels: Mutex<Vec<ChannelRow>>,
}

impl Local for Made {
    fn carry_out(&self, _: Order) {}

    fn answer(&self, question: &Question) -> Answer {
        let rows = self.connections.lock().clone();
        match question {
            Question::Node => Answer::Node(NodeState {
                connections: rows.len() as u64,
                transports: [("websocket".to_owned(), rows.len() as u64)].into(),
                ..NodeState::default()
            }),
            Question::Connections(wanted) => Answer::Connections(wanted.page(rows)),
            Question::Connection {
                organizations,
                client,
            } => Answer::Connection {
                found: rows
                    .into_iter()
                    .find(|row| row.client == *client && organizations.contains(&row.organization))
                    .map(|row| (row, vec!["feed:users".to_owned(), "feed:audit".to_owned()])),
            },
            Question::Channels(wanted) => Answer::Channels(wanted.page(self.channels.lock().clone())),
            Question::Sockets { .. } => Answer::Sockets { rows: Vec::new() },
        }
    }
}

impl Made {
    fn connect(&self, organization: OrganizationId, user: &str) -> String {
        let mut connections = self.connections.lock();
        let count = connections.len();
        let client = format!("client-{count}");
        connections.push(ConnectionRow {
            client: client.clone(),
            organization,
            user: user.to_owned(),
            transport: "websocket".to_owned(),
            protocol: "json".to_owned(),
            name: "js".to_owned(),
            version: "5".to_owned(),
            address: "192.0.2.7".to_owned(),
            connected_at: OffsetDateTime::from_unix_timestamp(count as i64).unwrap(),
            channels: 2,
            queue_bytes: 10,
            latency_ms: Some(3),
        });
        client
    }

    fn follow(&self, organization: OrganizationId, channel: &str) {
        self.channels.lock().push(ChannelRow {
            channel: channel.to_owned(),
            organization,
            subscribers: 2,
            rate: 0.5,
        });
    }
}

const NEWS: (&str, &str) = ("SIGNALBOX__LIVE__NAMESPACES__NEWS__HISTORY_SIZE", "10");
const THERE: (&str, &str) = ("SIGNALBOX__LIVE__NAMESPACES__NEWS__PRESENCE", "true");
const TTL: (&str, &str) = ("SIGNALBOX__LIVE__NAMESPACES__NEWS__HISTORY_TTL", "1h");

async fn node() -> (Hub, Arc<Made>) {
    let made = Arc::new(Made::default());
    (hub_as_node(&[NEWS, TTL, THERE], made.clone()).await, made)
}

async fn got(hub: &Hub, who: &SignedIn, path: &str) -> Value {
    let answer = hub.get(who, path).await;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_connections_and_channels_are_seen_by_whoever_may_see_them_and_by_nobody_else() {
    let (hub, made) = node().await;
    let (owner, viewer, user) = (
        hub.owner().await,
        hub.someone(&["viewer"]).await,
        hub.someone(&["user"]).await,
    );
    let client = made.connect(hub.test.organization, &owner.id.to_string());
    for path in [
        "/live/nodes",
        "/live/connections",
        &format!("/live/connections/{client}"),
        "/live/channels",
        "/live/channels/news:a",
        "/live/channels/news:a/history",
    ] {
        assert_eq!(hub.get(&viewer, path).await.status(), 200, "{path}");
        assert_eq!(
            problem(hub.get(&user, path).await).await,
            (403, "permission.missing".into()),
            "{path}"
        );
    }
    let nodes = got(&hub, &viewer, "/live/nodes").await;
    let node = &nodes["items"][0];
    assert_eq!(
        (&node["node"], &node["connections"], &nodes["missing"]),
        (&json!("here"), &json!(1), &json!([]))
    );
    assert!(!node["version"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_paged_filtered_and_named_and_those_of_others_are_not_there() {
    let (hub, made) = node().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let mine = made.connect(hub.test.organization, &owner.id.to_string());
    made.connect(OrganizationId::new(), "somebody else's");
    for n in 0..3 {
        made.connect(APPLICATION, &format!("visitor-{n}"));
    }
    let all = got(&hub, &viewer, "/live/connections").await;
    assert_eq!(
        (&all["total"], all["items"].as_array().unwrap().len()),
        (&json!(4), 4)
    );
    let first = got(&hub, &viewer, "/live/connections?limit=3").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = got(
        &hub,
        &viewer,
        &format!("/live/connections?limit=3&cursor={cursor}"),
    )
    .await;
    assert!(second.get("next_cursor").is_none());
    let last = &second["items"][0];
    assert_eq!(
        (&last["client"], &last["user_name"]),
        (&json!(mine), &json!("Owner"))
    );
    assert_eq!(
        (&last["application"], &last["node"], &last["address"]),
        (&json!(false), &json!("here"), &json!("192.0.2.7"))
    );
    let count =
        async |query: &str| got(&hub, &viewer, &format!("/live/connections?{query}")).await["total"].clone();
    assert_eq!(count("q=OWNER").await, 1, "by name");
    assert_eq!(count("q=visitor").await, 3);
    assert_eq!(count(&format!("user={}", owner.id)).await, 1);
    assert_eq!(count("transport=sse").await, 0);
    assert_eq!(
        got(&hub, &viewer, "/live/connections?node=there").await["items"],
        json!([])
    );
    assert_eq!(count("q=192.0.2.7").await, 4);
    let one = got(&hub, &viewer, &format!("/live/connections/{mine}")).await;
    assert_eq!(one["subscriptions"], json!(["feed:audit", "feed:users"]));
    assert_eq!(one["user_name"], "Owner");
    let foreign = hub.get(&viewer, "/live/connections/client-1").await;
    assert_eq!(foreign.status(), 404, "of another organization");
    for bad in ["limit=0", "cursor=nonsense", "sort=name", "colour=red"] {
        let answer = hub.get(&viewer, &format!("/live/connections?{bad}")).await;
        assert!([400, 422].contains(&answer.status().as_u16()), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_ended_with_a_reason_that_stands_in_the_audit_log_and_on_every_node() {
    let (hub, made) = node().await;
    let (owner, moderator, user) = (
        hub.owner().await,
        hub.someone(&["moderator"]).await,
        hub.someone(&["user"]).await,
    );
    let theirs = made.connect(hub.test.organization, &user.id.to_string());
    let visitor = made.connect(APPLICATION, "");
    let owners = made.connect(hub.test.organization, &owner.id.to_string());
    let bus = &hub.test.store.bus;
    let mut heard = bus.subscribe(&[bus.keys().control()]).await.unwrap();
    let path = |client: &str| format!("/live/connections/{client}/disconnect");
    let end = async |who: &SignedIn, client: &str, body: Value| {
        hub.send(who, Method::POST, &path(client), body).await
    };
    assert_eq!(end(&user, &theirs, json!({"reason": "no"})).await.status(), 403);
    assert_eq!(
        end(&moderator, &owners, json!({"reason": "no"})).await.status(),
        403,
        "somebody who holds more"
    );
    for reason in ["", "  ", &"x".repeat(124)] {
        assert_eq!(
            end(&moderator, &theirs, json!({"reason": reason})).await.status(),
            422
        );
    }
    assert_eq!(
        end(&moderator, "nobody", json!({"reason": "a"})).await.status(),
        404
    );
    assert!(
        hub.audited()
            .await
            .iter()
            .all(|action| action != "live.disconnect")
    );
    assert_eq!(
        end(&moderator, &theirs, json!({"reason": "Too loud."}))
            .await
            .status(),
        204
    );
    let back = json!({"reason": "Come back.", "reconnect": true});
    assert_eq!(end(&moderator, &visitor, back).await.status(), 204);
    let mut orders = Vec::new();
    let listen = async {
        while orders.len() < 2 {
            if let Some(Signal::Message { payload, .. }) = heard.next().await
                && let Ok(Control::Order(order)) = serde_json::from_slice(&payload)
            {
                orders.push(order);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listen)
        .await
        .unwrap();
    let order = |organization, client: String, code, reason: &str| Order::Disconnect {
        whom: Whom {
            client: Some(client),
            ..Whom::of(organization)
        },
        code,
        reason: reason.to_owned(),
    };
    let expected = [
        order(hub.test.organization, theirs, 3503, "Too loud."),
        order(APPLICATION, visitor.clone(), 3011, "Come back."),
    ];
    assert_eq!(orders, expected);
    let list = got(&hub, &owner, "/audit?action=live.disconnect").await;
    let [second, first] = &list["items"].as_array().unwrap()[..] else {
        panic!("{list}")
    };
    assert_eq!(
        (&first["subject"]["id"], &first["reason"]),
        (&json!(user.id), &json!("Too loud."))
    );
    assert_eq!(
        (&second["subject"]["kind"], &second["details"]["client"]),
        (&json!("connection"), &json!(visitor))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_channel_is_published_to_by_hand_and_shows_what_it_keeps() {
    let (hub, made) = node().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    made.follow(APPLICATION, "news:a/b#1");
    made.follow(hub.test.organization, "feed:users");
    made.follow(OrganizationId::new(), "feed:audit");
    let name = "/live/channels/news:a%2Fb%231";
    let publish = async |who: &SignedIn, path: &str, body: Value| {
        hub.send(who, Method::POST, &format!("{path}/publish"), body)
            .await
    };
    assert_eq!(publish(&viewer, name, json!({"data": 1})).await.status(), 403);
    for n in 1..=3 {
        assert_eq!(
            publish(&owner, name, json!({"data": {"n": n}})).await.status(),
            204
        );
    }
    let history = got(&hub, &viewer, &format!("{name}/history?limit=2")).await;
    let items: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["offset"], &item["data"]))
        .collect();
    assert_eq!(
        items,
        [(&json!(3), &json!({"n": 3})), (&json!(2), &json!({"n": 2}))]
    );
    let list = got(&hub, &viewer, "/live/channels").await;
    let shown: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                &item["channel"],
                &item["application"],
                &item["subscribers"],
                &item["offset"],
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (&json!("feed:users"), &json!(false), &json!(2), &Value::Null),
            (&json!("news:a/b#1"), &json!(true), &json!(2), &json!(3)),
        ]
    );
    let one = got(&hub, &viewer, name).await;
    assert_eq!(
        (&one["epoch"], &one["options"]["history_size"]),
        (&history["epoch"], &json!(10))
    );
    assert_eq!(one["presence"], json!([]), "kept, and nobody is there");
    let key = ChannelKey {
        organization: APPLICATION,
        name: "news:a/b#1".into(),
    };
    let info = ClientInfo {
        user: "7".to_owned(),
        client: "c1".to_owned(),
        ..ClientInfo::default()
    };
    let here = hub
        .presence
        .as_ref()
        .unwrap()
        .enter(&key, info, true)
        .await
        .unwrap();
    let one = got(&hub, &viewer, name).await;
    assert_eq!(one["presence"], json!([{"client": "c1", "user": "7"}]));
    drop(here);
    let feed = got(&hub, &viewer, "/live/channels/feed:users").await;
    assert_eq!(feed["presence"], Value::Null);
    assert_eq!(
        publish(&owner, "/live/channels/feed:users", json!({"data": 1}))
            .await
            .status(),
        409
    );
    for unknown in ["/live/channels/old:a", "/live/channels/%0A"] {
        assert_eq!(
            publish(&owner, unknown, json!({"data": 1})).await.status(),
            404,
            "{unknown}"
        );
        assert_eq!(hub.get(&owner, unknown).await.status(), 404, "{unknown}");
    }
    let told = hub.audited().await;
    assert_eq!(told.iter().filter(|action| *action == "live.publish").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_the_hubs_own_channels_is_masked_and_shut_to_whoever_may_not_follow_them() {
    let (hub, _) = node().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let event = json!({"event": {"type": "user.updated", "patch": {"name": "Ann", "email": "ann@example.com"}}, "row": "user"});
    let payload = [event.to_string().into_bytes()];
    let organization = hub.test.organization;
    let bus = &hub.test.store.bus;
    append(
        bus,
        organization,
        "feed:users",
        "e",
        &Begin::Over(None),
        1,
        &payload,
    )
    .await
    .unwrap();
    let email = async |who: &SignedIn| {
        let history = got(&hub, who, "/live/channels/feed:users/history").await;
        assert_eq!(history["offset"], 1);
        (
            history["items"][0]["data"]["patch"]["email"].clone(),
            history["epoch"].clone(),
        )
    };
    let (shown, hidden) = (email(&owner).await, email(&viewer).await);
    assert_eq!((&shown.0, &hidden.0), (&json!("ann@example.com"), &Value::Null));
    assert_ne!(shown.1, hidden.1, "a place of the one is none of the other");
    let moderator = hub.someone(&["moderator"]).await;
    let answer = hub.get(&moderator, "/live/channels/feed:jobs/history").await;
    assert_eq!(answer.status(), 403, "may not see jobs");
    let inbox = format!("/live/channels/inbox:{}/history", owner.id);
    assert_eq!(hub.get(&viewer, &inbox).await.status(), 404, "another's");
    assert_eq!(hub.get(&owner, &inbox).await.status(), 200, "their own");
    let made = hub
        .send(
            &owner,
            Method::POST,
            "/api_keys",
            json!({"name": "Watch", "scopes": ["live:read"]}),
        )
        .await;
    let key: Value = made.json().await.unwrap();
    for (channel, status) in [
        (inbox.as_str(), 404),
        ("/live/channels/feed:saved_filters/history", 404),
        ("/live/channels/feed:jobs/history", 403),
        ("/live/channels/feed:live/history", 200),
    ] {
        let asked = hub
            .ask(Method::GET, channel)
            .bearer_auth(key["secret"].as_str().unwrap());
        let answer = asked.send().await.unwrap();
        assert_eq!(
            answer.status(),
            status,
            "{channel}: a key is given nothing for being its owner's"
        );
    }
}
