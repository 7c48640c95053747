//! V8, authorization.

use super::json_of;
use crate::harness::{hub, problem, problem_in_full};
use reqwest::Method;
use serde_json::json;
use signalbox_core::kernel::id::{OrganizationId, UserId};

#[tokio::test]
async fn v5_0_0_8_2_1_an_act_needs_its_permission_and_names_it_where_it_is_missing() {
    let hub = hub().await;
    let (viewer, who) = (hub.someone(&["viewer"]).await, hub.someone(&[]).await);
    let answer = hub
        .send(
            &viewer,
            Method::POST,
            &format!("/users/{}/ban", who.id),
            json!({"reason": "a test"}),
        )
        .await;
    let (status, code, body) = problem_in_full(answer).await;
    assert_eq!((status, &*code), (403, "permission.missing"));
    assert!(body["detail"].as_str().unwrap().contains("users:ban"), "{body}");
    assert_eq!(hub.get(&who, "/me").await.status(), 200, "nobody was banned");
}

#[tokio::test]
async fn v5_0_0_8_2_2_whoever_may_see_some_rows_is_not_shown_another_by_its_id() {
    let hub = hub().await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let organization = hub.test.organization;
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on)
             VALUES ('{organization}', '{}', 'users:read', false, 'own')",
            who.id
        ))
        .await;
    assert_eq!(hub.get(&who, &format!("/users/{}", who.id)).await.status(), 200);
    assert_eq!(
        problem(hub.get(&who, &format!("/users/{}", other.id)).await)
            .await
            .0,
        404
    );
    let listed = json_of(hub.get(&who, "/users").await).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn v5_0_0_8_2_3_a_field_that_one_may_not_see_is_neither_shown_nor_searched() {
    let hub = hub().await;
    let (viewer, who) = (hub.someone(&["viewer"]).await, hub.someone(&[]).await);
    let seen = json_of(hub.get(&viewer, &format!("/users/{}", who.id)).await).await;
    assert!(!seen.to_string().contains(&who.email), "{seen}");
    let found = json_of(hub.get(&viewer, &format!("/users?q={}", who.email)).await).await;
    assert_eq!(found["items"], json!([]));
}

#[tokio::test]
async fn v5_0_0_8_3_1_what_somebody_may_is_what_the_hub_knows_now_and_not_what_their_token_was_made_for() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    assert_eq!(hub.get(&who, "/users").await.status(), 200);
    let none = hub
        .send(
            &owner,
            Method::PUT,
            &format!("/users/{}/roles", who.id),
            json!({"roles": []}),
        )
        .await;
    assert_eq!(none.status(), 200);
    assert_eq!(
        problem(hub.get(&who, "/users").await).await,
        (403, "permission.missing".into())
    );
}

#[tokio::test]
async fn v5_0_0_8_4_1_what_is_another_organizations_is_not_there() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (organization, stranger) = (OrganizationId::new(), UserId::new());
    hub.test
        .sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{organization}', 'Another');
             INSERT INTO users (id, organization_id, email, name) VALUES ('{stranger}', '{organization}', 's@example.com', 'Stranger')"
        ))
        .await;
    let path = format!("/users/{stranger}");
    assert_eq!(problem(hub.get(&owner, &path).await).await.0, 404);
    assert_eq!(
        problem(
            hub.send(&owner, Method::PATCH, &path, json!({"name": "Mine"}))
                .await
        )
        .await
        .0,
        404
    );
    assert_eq!(
        problem(hub.send(&owner, Method::DELETE, &path, json!({})).await)
            .await
            .0,
        404
    );
    let listed = json_of(hub.get(&owner, "/users?limit=1000").await).await;
    assert!(!listed.to_string().contains("Stranger"));
    let kept = format!("SELECT name || version FROM users WHERE id = '{stranger}' AND deleted_at IS NULL");
    assert_eq!(hub.test.texts(kept).await, ["Stranger1"]);
}
