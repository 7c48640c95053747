//! Redis goes away: streams end, and everything else goes on.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use signalbox_core::testing::Stalls;

use super::balancer::Balancer;
use super::nodes::Member;
use super::relay::cluster::{Cluster, until};
use crate::live::driver::Sdk;

async fn readiness(cluster: &Cluster) -> (StatusCode, Value) {
    let url = format!("{}/readyz?verbose", cluster.nodes[0].url);
    let asked = crate::harness::client().get(url).timeout(Duration::from_secs(10));
    let answer = asked.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn detail(report: &Value, check: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["name"] == check).unwrap();
    found["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_node_stays_ready_and_serves_and_says_that_delivery_is_interrupted() {
    let mut cluster = Cluster::start(1, "").await;
    let token = cluster.sign_in().await;
    let (status, report) = readiness(&cluster).await;
    assert_eq!(
        (status, detail(&report, "live_delivery").as_str()),
        (StatusCode::OK, "open")
    );
    cluster.kill_redis();
    let delivery = async || detail(&readiness(&cluster).await.1, "live_delivery");
    until("delivery is interrupted", async || {
        delivery().await.starts_with("interrupted")
    })
    .await;
    let (status, report) = readiness(&cluster).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert!(
        detail(&report, "redis").starts_with("does not answer"),
        "{report}"
    );
    // a sign-in, and a change
    let again = cluster.sign_in().await;
    assert_ne!(again, token);
    let body = json!({"email": "new@example.com", "name": "New"});
    cluster.post(0, &again, "/users", body).await;
    cluster.start_redis().await;
    until("delivery is open again", async || {
        detail(&readiness(&cluster).await.1, "live_delivery") == "open"
    })
    .await;
    cluster.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_bus_is_cut_streams_end_within_five_seconds_and_come_back_and_nobody_is_signed_out() {
    let mut cluster = Cluster::start(2, "").await;
    let balancer = Balancer::before(&cluster).await;
    let token = cluster.sign_in().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut sdk = Sdk::start(&balancer.address, &token);
        sdk.told_of("connected").await;
        sdk.order(json!({"subscribe": "feed:users"})).await;
        sdk.told_of("subscribed").await;
        clients.push(sdk);
    }
    let open = stream_of(&cluster.nodes[1].url, &token).await;
    let mut member = Member::connect(&cluster.nodes[1].url, &token).await;
    assert_eq!(open.status(), StatusCode::OK);
    let url = cluster.nodes[0].url.clone();
    cluster.kill_redis();
    let (cut, stalls) = (std::time::Instant::now(), Stalls::watch());
    let ended = tokio::time::timeout(Duration::from_mins(1), open.text()).await;
    assert!(ended.is_ok(), "the stream does not end");
    let took = cut.elapsed();
    assert!(took < Duration::from_secs(5) + stalls.allowance(), "{took:?}");
    // a code from which clients come back
    assert_eq!(member.closed().await.0, 3011);
    // each node finds out by itself
    until("the other node opens no stream", async || {
        let refused = stream_of(&url, &token).await;
        refused.status() == StatusCode::SERVICE_UNAVAILABLE && refused.headers().contains_key("retry-after")
    })
    .await;
    let me = crate::harness::client()
        .get(format!("{url}/api/v1/me"))
        .bearer_auth(&token);
    assert_eq!(
        me.send().await.unwrap().status(),
        StatusCode::OK,
        "signed out by an outage"
    );
    let made = cluster
        .post(
            0,
            &token,
            "/users",
            json!({"email": "meanwhile@example.com", "name": "Meanwhile"}),
        )
        .await;
    cluster.start_redis().await;
    for sdk in &mut clients {
        // nothing is told of in between but that the hub could not take it yet
        let mut told = sdk.told().await;
        while told["event"] == "error" {
            assert_eq!(told["code"], 100, "{told}");
            told = sdk.told().await;
        }
        assert_eq!(told["event"], "connected", "{told}");
        let told = sdk.told_of("publication").await;
        assert_eq!(told["data"]["subject"]["id"], made["id"], "{told}");
    }
}

async fn stream_of(url: &str, token: &str) -> reqwest::Response {
    let url = format!("{url}/api/v1/stream?channel=feed:users");
    let asked = crate::harness::client().get(url).bearer_auth(token);
    asked.send().await.unwrap()
}
