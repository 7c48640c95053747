//! Views that people keep, over HTTP.

use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_view_is_kept_shared_chosen_and_deleted() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let body = json!({"page": "users", "name": "Banned", "query": "status=banned", "audience": "everyone"});
    let refused = hub
        .send(&viewer, Method::POST, "/saved_filters", body.clone())
        .await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    let made = hub.send(&owner, Method::POST, "/saved_filters", body).await;
    assert_eq!(
        (made.status().as_u16(), &made.headers()["etag"]),
        (201, &"\"1\"".parse().unwrap())
    );
    let made: Value = made.json().await.unwrap();
    let path = format!("/saved_filters/{}", made["id"].as_str().unwrap());
    let default = format!("{path}/default");
    assert_eq!(
        hub.send(&viewer, Method::PUT, &default, json!({})).await.status(),
        204
    );
    let seen = async || -> Value {
        let asked = hub.get(&viewer, "/saved_filters?page=users").await;
        asked.json().await.unwrap()
    };
    let listed = seen().await;
    assert_eq!(
        (&listed["items"][0]["is_default"], &listed["items"][0]["can"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(
        hub.send(&viewer, Method::DELETE, &default, json!({}))
            .await
            .status(),
        204
    );
    let refused = hub
        .send(&viewer, Method::PATCH, &path, json!({"name": "X"}))
        .await;
    assert_eq!(problem(refused).await.0, 403);
    let changed = hub
        .send(&owner, Method::PATCH, &path, json!({"name": "Shut out"}))
        .await;
    assert_eq!(changed.headers()["etag"], "\"2\"");
    assert_eq!(
        hub.send(&owner, Method::DELETE, &path, json!({})).await.status(),
        204
    );
    assert_eq!(seen().await["items"], json!([]));
    assert_eq!(
        hub.ask(Method::GET, "/saved_filters?page=users")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
}
