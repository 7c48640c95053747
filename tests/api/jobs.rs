//! Jobs as a program meets them.

use super::imports::{upload, work};
use crate::harness::{hub, problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::testing::eventually;

const FILE: &[u8] = b"email\nann@x.example\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_listed_looked_at_with_its_history_and_cancelled_while_it_waits() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let submitted: Value = upload(&hub, &owner, FILE, "commit").await.json().await.unwrap();
    let path = format!("/jobs/{}", submitted["job_id"].as_str().unwrap());
    let job: Value = hub.get(&owner, &path).await.json().await.unwrap();
    assert_eq!(
        (&job["state"], &job["queue"]),
        (&json!("waiting"), &json!("users.import"))
    );
    assert_eq!(job["can"], json!(["jobs.cancel"]));
    assert_eq!(job["requested_by"]["id"], json!(owner.id));
    let cancelled = hub
        .send(&owner, Method::POST, &format!("{path}/cancel"), json!({}))
        .await;
    assert_eq!(cancelled.status(), 200);
    let cancelled: Value = cancelled.json().await.unwrap();
    assert_eq!(
        (&cancelled["state"], &cancelled["can"]),
        (&json!("cancelled"), &json!([]))
    );
    let kinds: Vec<&str> = cancelled["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["enqueued", "cancelled"]);
    let again = hub
        .send(&owner, Method::POST, &format!("{path}/cancel"), json!({}))
        .await;
    assert_eq!(problem(again).await, (409, "job.finished".into()));
    let workers = work(&hub);
    let second: Value = upload(&hub, &owner, FILE, "dry_run").await.json().await.unwrap();
    let path = format!("/jobs/{}", second["job_id"].as_str().unwrap());
    eventually("the job is done", async || {
        hub.get(&owner, &path).await.json::<Value>().await.unwrap()["state"] == "succeeded"
    })
    .await;
    let done: Value = hub
        .get(&owner, "/jobs?state=succeeded&queue=users.import")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(done["items"].as_array().unwrap().len(), 1);
    assert_eq!(done["items"][0]["attempt"], 1);
    let first: Value = hub.get(&owner, "/jobs?limit=1").await.json().await.unwrap();
    let cursor = first["next_cursor"].as_str().unwrap();
    let next: Value = hub
        .get(&owner, &format!("/jobs?limit=1&cursor={cursor}"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(next["items"][0]["id"], submitted["job_id"]);
    assert!(next["next_cursor"].is_null());
    // of a year that no database has
    let odd = json!([[-9999, 1, 0, 0, 0, 0, 0, 0, 0], submitted["job_id"]]).to_string();
    let odd = URL_SAFE_NO_PAD.encode(odd);
    for list in ["/jobs", "/imports"] {
        let answer = hub.get(&owner, &format!("{list}?cursor={odd}")).await;
        assert_eq!(answer.status(), 422, "{list}");
    }
    drop(workers);
}

#[tokio::test]
async fn jobs_need_their_permissions_except_ones_own() {
    let hub = hub().await;
    let (owner, nobody) = (hub.owner().await, hub.someone(&["user"]).await);
    let submitted: Value = upload(&hub, &owner, FILE, "commit").await.json().await.unwrap();
    let path = format!("/jobs/{}", submitted["job_id"].as_str().unwrap());
    for asked in ["/jobs", &path] {
        assert_eq!(problem(hub.get(&nobody, asked).await).await.0, 403);
    }
    let refused = hub
        .send(&nobody, Method::POST, &format!("{path}/cancel"), json!({}))
        .await;
    assert_eq!(problem(refused).await.0, 403);
    let unknown = "/jobs/01890000-0000-7000-8000-000000000000";
    assert_eq!(
        problem(hub.get(&owner, unknown).await).await,
        (404, "job.not_found".into())
    );
    assert_eq!(
        problem(hub.get(&owner, "/jobs?state=sleeping").await).await.0,
        422
    );
}

#[tokio::test]
async fn whoever_may_end_jobs_and_look_at_none_is_told_how_the_one_ended() {
    let hub = hub().await;
    let (owner, stopper) = (hub.owner().await, hub.someone(&["user"]).await);
    let submitted: Value = upload(&hub, &owner, FILE, "commit").await.json().await.unwrap();
    let path = format!("/jobs/{}", submitted["job_id"].as_str().unwrap());
    let direct = json!({"statements": [{"permission": "jobs:cancel", "effect": "grant"}]});
    let of = format!("/users/{}/permissions", stopper.id);
    assert_eq!(hub.send(&owner, Method::PUT, &of, direct).await.status(), 200);
    assert_eq!(
        problem(hub.get(&stopper, &path).await).await,
        (403, "permission.missing".into())
    );
    let ended = hub
        .send(&stopper, Method::POST, &format!("{path}/cancel"), json!({}))
        .await;
    assert_eq!(ended.status(), 200);
    assert_eq!(ended.json::<Value>().await.unwrap()["state"], "cancelled");
}
