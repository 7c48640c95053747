//! Polled keys that the application tells before it is asked.

use super::orders::{next, orders};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_polled_key_is_now_is_told_to_every_node() {
    let hub = hub().await;
    let mut heard = orders(&hub).await;
    let body =
        json!({"channel": "price:1", "key": "a", "data": {"n": 1}, "version": 7, "epoch": "e", "newer": 1});
    assert_eq!(hub.result("shared_poll_publish", body).await, json!({}));
    let told = |data: &str, epoch: &str| Order::Poll {
        channel: "price:1".to_owned(),
        key: "a".to_owned(),
        version: 7,
        epoch: epoch.to_owned(),
        data: data.as_bytes().to_vec(),
    };
    assert_eq!(next(&mut heard).await, told(r#"{"n":1}"#, "e"));
    // MQ== is 1
    let body =
        json!({"shared_poll_publish": {"channel": "price:1", "key": "a", "b64data": "MQ==", "version": 7}});
    let replies = hub.call("batch", json!({"commands": [body]})).await;
    assert_eq!(replies["replies"][0], json!({"shared_poll_publish": {}}));
    assert_eq!(next(&mut heard).await, told("1", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_polled_channels_whose_namespace_says_so_are_told_of_and_only_of_versions() {
    let hub = hub().await;
    for (body, code) in [
        (
            json!({"channel": "chat:1", "key": "a", "data": 1, "version": 1}),
            108,
        ),
        (
            json!({"channel": "board:1", "key": "a", "data": 1, "version": 1}),
            108,
        ),
        (
            json!({"channel": "quiet:1", "key": "a", "data": 1, "version": 1}),
            108,
        ),
        (
            json!({"channel": "other:1", "key": "a", "data": 1, "version": 1}),
            102,
        ),
        (
            json!({"channel": "feed:users", "key": "a", "data": 1, "version": 1}),
            102,
        ),
        (json!({"key": "a", "data": 1, "version": 1}), 107),
        (json!({"channel": "price:1", "data": 1, "version": 1}), 107),
        (json!({"channel": "price:1", "key": "a", "version": 1}), 107),
        (json!({"channel": "price:1", "key": "a", "data": 1}), 107),
        (
            json!({"channel": "price:1", "key": "k".repeat(256), "data": 1, "version": 1}),
            107,
        ),
        (
            json!({"channel": "price:1", "key": "a", "b64data": "AQI=", "version": 1}),
            107,
        ),
    ] {
        assert_eq!(
            hub.code("shared_poll_publish", body.clone()).await,
            code,
            "{body}"
        );
    }
}
