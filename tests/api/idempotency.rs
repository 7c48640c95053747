use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::json;

async fn change(hub: &Hub, who: &SignedIn, key: &str, new: &str) -> Response {
    hub.ask(Method::POST, "/me/password")
        .bearer_auth(&who.token)
        .header("idempotency-key", key)
        .json(&json!({"current_password": PASSWORD, "new_password": new}))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_sent_twice_under_one_key_is_done_once_and_answered_alike() {
    let hub = hub().await;
    let who = hub.owner().await;
    assert_eq!(change(&hub, &who, "k1", "a new password").await.status(), 204);
    let again = change(&hub, &who, "k1", "a new password").await;
    assert_eq!(again.status(), 204);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let done = hub
        .audited()
        .await
        .iter()
        .filter(|action| *action == "me.change_password")
        .count();
    assert_eq!(done, 1);
    let cause = hub
        .test
        .texts("SELECT event ->> 'cause' FROM outbox WHERE type = 'user.password_changed'")
        .await;
    assert_eq!(cause, ["k1"]);
}

#[tokio::test]
async fn a_key_belongs_to_one_content_for_a_day_and_a_failure_does_not_use_it_up() {
    let hub = hub().await;
    let who = hub.owner().await;
    assert_eq!(problem(change(&hub, &who, "k1", "short").await).await.0, 422);
    assert_eq!(change(&hub, &who, "k1", "a new password").await.status(), 204);
    let other = change(&hub, &who, "k1", "another password").await;
    assert_eq!(problem(other).await, (422, "idempotency.key_reused".into()));
    let bad = change(&hub, &who, &"k".repeat(256), "another password").await;
    assert_eq!(problem(bad).await, (400, "idempotency.bad_key".into()));
    hub.test
        .sql("UPDATE idempotency SET created_at = created_at - interval '25 hours'")
        .await;
    let wrong = change(&hub, &who, "k1", "another password").await;
    assert_eq!(
        problem(wrong).await,
        (403, "auth.wrong_password".into()),
        "done anew"
    );
}
