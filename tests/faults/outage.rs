//! Redis goes away: streams end, and everything else goes on.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::relay::cluster::{Cluster, until};

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
