//! Who is there, which channels are followed, how the nodes are.

use signalbox_actors::live_hub::ChannelKey;
use signalbox_core::live::application::ClientInfo;

use super::*;

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
