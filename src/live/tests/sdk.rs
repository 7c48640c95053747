//! The npm package `centrifuge`, unmodified, as the console uses it.

use serde_json::json;

use super::Node;
use super::driver::Sdk;

async fn numbers(sdk: &mut Sdk, count: usize) -> Vec<u64> {
    let mut numbers = vec![];
    while numbers.len() < count {
        numbers.push(sdk.told_of("publication").await["data"]["n"].as_u64().unwrap());
    }
    numbers
}

fn client(node: &Node, token: &str) -> Sdk {
    Sdk::start(&node.address.to_string(), token)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_connects_follows_and_resumes_without_gap_after_the_hub_was_gone() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut sdk = client(&node, "someone");
    assert_eq!(sdk.told().await["event"], "connected");
    sdk.order(json!({"subscribe": "feed:users"})).await;
    let subscribed = sdk.told().await;
    assert_eq!(
        (&subscribed["event"], &subscribed["recoverable"]),
        (&json!("subscribed"), &json!(true))
    );
    node.happen(5).await;
    assert_eq!(numbers(&mut sdk, 5).await, [1, 2, 3, 4, 5]);
    let node = node.restart(4).await;
    let back = sdk.told_of("subscribed").await;
    assert_eq!(
        (&back["wasRecovering"], &back["recovered"]),
        (&json!(true), &json!(true))
    );
    node.happen(2).await;
    assert_eq!(numbers(&mut sdk, 6).await, [6, 7, 8, 9, 10, 11]);
    sdk.order(json!({"unsubscribe": "feed:users"})).await;
    assert_eq!(
        sdk.told().await,
        json!({"event": "unsubscribed", "channel": "feed:users", "code": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_learns_which_channels_it_may_not_follow() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut sdk = client(&node, "someone");
    sdk.told().await;
    for (channel, code) in [("feed:audit", 103), ("feed:nothing", 102)] {
        sdk.order(json!({"subscribe": channel})).await;
        assert_eq!(
            sdk.told().await,
            json!({"event": "unsubscribed", "channel": channel, "code": code})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_fetches_another_token_when_its_own_has_expired() {
    let node = Node::start().await;
    node.person("fresh", &["users:read"]);
    let mut sdk = client(&node, "expired");
    assert_eq!(sdk.told().await, json!({"event": "error", "code": 109}));
    assert_eq!(sdk.told().await["event"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_of_a_banned_person_stays_away() {
    let node = Node::start().await;
    node.person("bad", &["users:read"]);
    let mut sdk = client(&node, "bad");
    sdk.told().await;
    node.door.ban("bad");
    assert_eq!(
        sdk.told().await,
        json!({"event": "disconnected", "code": 4501, "reason": "access ended"})
    );
}
