use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};

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

async fn upload(hub: &Hub, who: &SignedIn, key: &str, bytes: &[u8]) -> Response {
    let file = Part::bytes(bytes.to_vec()).file_name("people.csv");
    let form = Form::new().part("file", file).text("mode", "preview");
    let ask = hub.ask(Method::POST, "/imports").bearer_auth(&who.token);
    ask.header("idempotency-key", key)
        .multipart(form)
        .send()
        .await
        .unwrap()
}

/// How many imports and how many files there are.
async fn kept(hub: &Hub) -> (i64, i64) {
    let imports = hub.test.count("SELECT count(*) FROM imports").await;
    (imports, hub.test.count("SELECT count(*) FROM files").await)
}

#[tokio::test]
async fn an_upload_sent_twice_under_one_key_is_taken_once_and_answered_alike() {
    let hub = hub().await;
    let who = hub.owner().await;
    let first = upload(&hub, &who, "k1", b"email\na@x.example\n").await;
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.unwrap();
    let again = upload(&hub, &who, "k1", b"email\na@x.example\n").await;
    assert_eq!(again.status(), 202);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    // as long as the first, and another file
    let other = upload(&hub, &who, "k1", b"email\nb@x.example\n").await;
    assert_eq!(problem(other).await, (422, "idempotency.key_reused".into()));
    assert_eq!(kept(&hub).await, (1, 1), "what came again is not kept");
    assert_eq!(
        upload(&hub, &who, "k2", b"email\nb@x.example\n").await.status(),
        202
    );
    assert_eq!(kept(&hub).await, (2, 2));
}

#[tokio::test]
async fn of_uploads_sent_at_once_under_one_key_one_is_taken() {
    let hub = hub().await;
    let who = hub.owner().await;
    let sent = (0..6).map(|_| upload(&hub, &who, "k1", b"email\na@x.example\n"));
    for answer in futures::future::join_all(sent).await {
        if answer.status() != 202 {
            assert_eq!(problem(answer).await, (409, "idempotency.running".into()));
        }
    }
    assert_eq!(kept(&hub).await, (1, 1));
    let again = upload(&hub, &who, "k1", b"email\na@x.example\n").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
}

#[tokio::test]
async fn roles_given_to_many_under_one_key_are_not_given_again_to_whoever_has_lost_them_since() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let person = hub.test.person().await;
    let role = hub
        .test
        .texts("SELECT id::text FROM roles WHERE name = 'viewer'")
        .await
        .remove(0);
    let give = async || {
        let asked = hub.ask(Method::POST, "/roles/assign").bearer_auth(&owner.token);
        let body = json!({"users": [person], "give": [role]});
        let answer = asked.header("idempotency-key", "k").json(&body).send().await;
        answer.unwrap().json::<Value>().await.unwrap()
    };
    let first = give().await;
    assert_eq!(first["items"][0]["done"], true);
    let holders = format!("SELECT count(*) FROM user_roles WHERE user_id = '{person}'");
    assert_eq!(hub.test.count(&holders).await, 1);
    let taken = json!({"users": [person], "take": [role]});
    assert_eq!(
        hub.send(&owner, Method::POST, "/roles/assign", taken)
            .await
            .status(),
        200
    );
    assert_eq!(give().await, first);
    assert_eq!(hub.test.count(&holders).await, 0);
}

#[tokio::test]
async fn a_job_that_is_ended_twice_under_one_key_is_shown_the_second_time_too() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let file = upload(&hub, &owner, "k1", b"email\na@x.example\n").await;
    let import = file.json::<Value>().await.unwrap()["id"].clone();
    let path = format!("/imports/{}/dry_run", import.as_str().unwrap());
    let begun: Value = hub
        .send(&owner, Method::POST, &path, json!({}))
        .await
        .json()
        .await
        .unwrap();
    let path = format!("/jobs/{}/cancel", begun["job_id"].as_str().unwrap());
    let end = async || {
        let asked = hub.ask(Method::POST, &path).bearer_auth(&owner.token);
        let answer = asked.header("idempotency-key", "k2").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.unwrap()
    };
    let first = end().await;
    assert_eq!(first["state"], "cancelled");
    assert_eq!(end().await, first);
}
