//! What a node tells of its permission cache in its metrics.

use reqwest::Method;
use serde_json::json;

use super::keys::{Caller, owner};
use super::relay::cluster::{Cluster, until};

const EMAIL: &str = "member@example.com";
const PASSWORD: &str = "a password of a member 42";
/// Requests between two looks at the metrics.
const TIMES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_and_again_is_answered_from_memory_and_a_change_of_roles_is_timed() {
    let cluster = Cluster::start_with(1, &[]).await;
    let owner = owner(&cluster).await;
    let (_, roles) = owner.ask(&cluster, 0, Method::GET, "/roles", json!({})).await;
    let id_of = |name: &str| {
        let mut roles = roles["items"].as_array().unwrap().iter();
        roles.find(|role| role["name"] == name).unwrap()["id"].clone()
    };
    let (viewer, manager) = (id_of("viewer"), id_of("manager"));
    let new = json!({"email": EMAIL, "name": "Member", "password": PASSWORD, "roles": [viewer]});
    let made = cluster.post(0, &owner.token, "/users", new).await;
    let member = Caller {
        token: cluster.sign_in_as(EMAIL, PASSWORD).await,
        from: None,
    };
    let asks = async || {
        for _ in 0..TIMES {
            let (status, answer) = member.ask(&cluster, 0, Method::GET, "/users", json!({})).await;
            assert_eq!(status, 200, "{answer}");
        }
    };
    until("nearly every answer comes from memory", async || {
        asks().await;
        let share = cluster.gauge_of(0, "signalbox_permission_hit_ratio").await;
        assert!((0.0..=1.0).contains(&share), "{share}");
        share > 0.9
    })
    .await;
    let timed = async || {
        cluster
            .gauge_of(0, "signalbox_permission_staleness_seconds_count")
            .await
    };
    let before = timed().await;
    let mut holds = false;
    until("a change of what they may do is timed", async || {
        holds = !holds;
        let (give, take) = if holds {
            (vec![&manager], vec![])
        } else {
            (vec![], vec![&manager])
        };
        let change = json!({"users": [made["id"]], "give": give, "take": take});
        let done = cluster.post(0, &owner.token, "/roles/assign", change).await;
        assert_eq!(done["items"][0]["done"], true, "{done}");
        asks().await;
        timed().await > before
    })
    .await;
}
