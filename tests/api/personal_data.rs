//! What is held on people, over HTTP: asked for, and asked to be erased.

use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn everybody_may_ask_for_their_own_and_only_who_may_for_others() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let own = hub
        .send(&viewer, Method::POST, "/me/personal_data/export", json!({}))
        .await;
    assert_eq!(own.status(), 202);
    let asked: Value = own.json().await.unwrap();
    let others = format!("/users/{}/personal_data/export", owner.id);
    assert_eq!(
        problem(hub.send(&viewer, Method::POST, &others, json!({})).await)
            .await
            .0,
        403
    );
    let others = format!("/users/{}/personal_data/export", viewer.id);
    assert_eq!(
        hub.send(&owner, Method::POST, &others, json!({})).await.status(),
        202
    );
    let listed: Value = hub
        .get(&viewer, "/personal_data/exports")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        1,
        "those that one asked for oneself"
    );
    let path = format!("/personal_data/exports/{}/file", asked["id"].as_str().unwrap());
    assert_eq!(
        problem(hub.get(&viewer, &path).await).await,
        (409, "personal_data.not_ready".into())
    );
    assert_eq!(problem(hub.get(&owner, &path).await).await.0, 404);
    hub.test
        .sql("UPDATE personal_data_exports SET state = 'ready';
              INSERT INTO personal_data_parts (organization_id, export_id, n, bytes) SELECT organization_id, id, 0, 'x'::bytea FROM personal_data_exports")
        .await;
    let file = hub.get(&viewer, &path).await;
    assert_eq!(file.headers()["cache-control"], "no-store");
    assert_eq!(file.text().await.unwrap(), "x");
}

#[tokio::test]
async fn an_erasure_is_asked_for_seen_and_taken_back_by_who_may() {
    let hub = hub().await;
    let (owner, viewer, manager) = (
        hub.owner().await,
        hub.someone(&["viewer"]).await,
        hub.someone(&["manager"]).await,
    );
    let path = format!("/users/{}/erasure", viewer.id);
    let body = json!({"reason": "They asked for it"});
    let refused = hub.send(&manager, Method::POST, &path, body.clone()).await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    assert_eq!(
        hub.get(&owner, &path).await.status(),
        204,
        "nobody has asked for one"
    );
    let asked = hub.send(&owner, Method::POST, &path, body.clone()).await;
    assert_eq!(asked.status(), 202);
    let seen: Value = hub.get(&owner, &path).await.json().await.unwrap();
    assert_eq!(
        (&seen["state"], &seen["reason"]),
        (&json!("waiting"), &json!("They asked for it"))
    );
    assert_eq!(
        problem(hub.send(&owner, Method::POST, &path, body).await).await,
        (409, "user.erasure_waiting".into())
    );
    let back: Value = hub
        .send(&owner, Method::DELETE, &path, json!({}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(back["state"], "cancelled");
    assert_eq!(
        problem(hub.send(&owner, Method::DELETE, &path, json!({})).await)
            .await
            .0,
        409
    );
    assert_eq!(
        hub.get(&viewer, "/me").await.status(),
        200,
        "nothing happened to them"
    );
}
