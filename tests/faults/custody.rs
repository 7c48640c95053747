//! Acts on many people, exports and erasures under `kill -9`: at their end each was done, and once.

use super::killed::{sign_in, start};
use crate::services::hub::{Folder, Hub, eventually, sql};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::path::Path;

async fn post(hub: &Hub, token: Option<&str>, path: &str, body: Value) -> Value {
    let asked = crate::harness::client()
        .post(format!("http://{}/api/v1{path}", hub.address))
        .json(&body);
    let asked = match token {
        Some(token) => asked.bearer_auth(token),
        None => asked,
    };
    let answer = asked.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Kills the hub at `point`, with the work written and its checkpoint still to come, and starts it again.
fn killed_at(mut hub: Hub, data: &Path, point: &str) -> Hub {
    let here = data.join(format!("{point}.here"));
    eventually(&format!("a job is at {point}"), || here.exists());
    hub.signal(Signal::SIGKILL);
    hub.ended();
    std::fs::remove_file(data.join(format!("{point}.stop"))).unwrap();
    start(data, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_on_everybody_who_matches_survives_a_kill_and_changes_each_once() {
    let data = Folder::new();
    std::fs::write(data.path().join("bulk.chunk.stop"), "").unwrap();
    let hub = start(data.path(), &[]);
    let people = "INSERT INTO users (id, organization_id, email, name, department)
        SELECT gen_random_uuid(), o.id, n || '@x.example', 'P', 'Ops' FROM organizations o, generate_series(1, 130) n";
    sql(data.path(), people);
    let all =
        json!({"action": "suspend", "reason": "Leave", "filter": {"department": "Ops"}, "expected": 130});
    post(&hub, Some(&sign_in(&hub).await), "/users/bulk", all).await;
    let hub = killed_at(hub, data.path(), "bulk.chunk");
    eventually("the act is over", || {
        sql(
            data.path(),
            "SELECT count(*) FROM user_bulks WHERE finished_at IS NOT NULL",
        ) == "1"
    });
    let done = sql(data.path(), "SELECT done || ' ' || failed FROM user_bulks");
    let once = sql(
        data.path(),
        "SELECT count(*) FROM users WHERE status = 'suspended' AND version = 2",
    );
    let lines = sql(
        data.path(),
        "SELECT count(*) FROM activity_logs WHERE action = 'users.suspend'",
    );
    assert_eq!((&*done, &*once, &*lines), ("130 0", "130", "130"));
    hub.stop();
}

/// Waits until the hub at `hub` has what the query says.
fn until(data: &Path, what: &str, query: &str, wanted: &str) {
    eventually(what, || sql(data, query) == wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_and_an_export_survive_a_kill() {
    let data = Folder::new();
    for point in ["personal_data.gather", "personal_data.erase"] {
        std::fs::write(data.path().join(format!("{point}.stop")), "").unwrap();
    }
    let hub = start(data.path(), &[]);
    let token = sign_in(&hub).await;
    let new = json!({"email": "grace.canary@example.com", "name": "Grace Canary"});
    let user = post(&hub, Some(&token), "/users", new).await;
    let id = user["id"].as_str().unwrap();
    post(
        &hub,
        Some(&token),
        &format!("/users/{id}/personal_data/export"),
        json!({}),
    )
    .await;
    let hub = killed_at(hub, data.path(), "personal_data.gather");
    until(
        data.path(),
        "the export is ready",
        "SELECT state FROM personal_data_exports",
        "ready",
    );
    let parts = sql(
        data.path(),
        "SELECT count(*) = max(n) + 1 FROM personal_data_parts",
    );
    assert_eq!(parts, "t", "no part is missing or there twice");
    sql(
        data.path(),
        "INSERT INTO organization_settings (organization_id, key, value) SELECT id, 'personal_data', '{\"cooling_days\": 0}' FROM organizations",
    );
    // the node has not heard of a setting that was written past it
    let hub = {
        hub.stop();
        start(data.path(), &[])
    };
    let token = sign_in(&hub).await;
    let body = json!({"reason": "They asked for it"});
    post(&hub, Some(&token), &format!("/users/{id}/erasure"), body).await;
    let hub = killed_at(hub, data.path(), "personal_data.erase");
    until(
        data.path(),
        "the erasure is done",
        "SELECT state FROM erasures",
        "done",
    );
    let left = sql(
        data.path(),
        "SELECT count(*) FROM users WHERE email LIKE '%canary%' OR name LIKE '%Canary%'",
    );
    assert_eq!(left, "0");
    hub.stop();
}
