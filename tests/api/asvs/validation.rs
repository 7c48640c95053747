//! V2, validation and business logic.

use super::json_of;
use crate::harness::{comes_to, hub, hub_with, problem, problem_in_full};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn v5_0_0_2_2_1_values_are_held_to_what_they_may_be_and_each_wrong_one_is_named() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for (body, field) in [
        (json!({"email": "no address", "name": "A"}), "email"),
        (json!({"email": "a@example.com", "name": ""}), "name"),
        (json!({"email": "a@example.com", "name": "n".repeat(201)}), "name"),
        (json!({"email": "a@example.com", "name": 7}), "name"),
        (
            json!({"email": "a@example.com", "name": "A", "status": "active"}),
            "status",
        ),
    ] {
        let (status, _, said) = problem_in_full(hub.send(&owner, Method::POST, "/users", body).await).await;
        assert_eq!(
            (status, &said["errors"][0]["field"]),
            (422, &json!(field)),
            "{said}"
        );
    }
    assert_eq!(hub.test.count("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn v5_0_0_2_2_2_what_the_console_would_not_send_is_refused_by_the_hub() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for body in [
        json!({"name": "Team", "organization_id": "018f0000-0000-7000-8000-000000000000"}),
        json!({"name": "Team", "version": 7}),
        json!({"name": "Team", "id": "018f0000-0000-7000-8000-000000000000"}),
    ] {
        assert_eq!(
            problem(hub.send(&owner, Method::POST, "/teams", body).await)
                .await
                .0,
            422
        );
    }
}

#[tokio::test]
async fn v5_0_0_2_2_3_what_does_not_go_together_is_refused() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let path = format!("/users/{}/permissions", who.id);
    // a denial counts on everything or not at all, and a row must be of the kind that the permission is about
    let denied = json!({"statements": [{"permission": "users:ban", "effect": "deny", "on": "own"}]});
    assert_eq!(
        problem(hub.send(&owner, Method::PUT, &path, denied).await)
            .await
            .0,
        422
    );
    let single = json!({"single": [{"permission": "users:ban", "effect": "grant", "resource": {"kind": "team", "id": who.id}}]});
    assert_eq!(
        problem(hub.send(&owner, Method::PUT, &path, single).await)
            .await
            .0,
        422
    );
}

#[tokio::test]
async fn v5_0_0_2_3_1_whoever_must_choose_a_password_first_does_nothing_else_before() {
    let hub = hub().await;
    let who = hub.someone(&["owner"]).await;
    hub.test
        .sql(format!(
            "UPDATE users SET must_change_password = true WHERE id = '{}'",
            who.id
        ))
        .await;
    for (method, path) in [
        (Method::GET, "/users"),
        (Method::POST, "/teams"),
        (Method::POST, "/live/token"),
    ] {
        let answer = hub.send(&who, method, path, json!({"name": "Team"})).await;
        assert_eq!(
            problem(answer).await,
            (403, "auth.password_change_required".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_2_3_2_what_somebody_may_have_so_much_of_is_not_had_more_of() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    // twenty teams of one person
    for n in 0..21 {
        let team = json!({"name": format!("Team {n}")});
        let team = json_of(hub.send(&owner, Method::POST, "/teams", team).await).await;
        let path = format!("/teams/{}/members/{}", team["id"].as_str().unwrap(), who.id);
        let joined = hub.send(&owner, Method::PUT, &path, json!({})).await;
        let (status, text) = (joined.status().as_u16(), joined.text().await.unwrap());
        assert_eq!(status < 300, n < 20, "{n}: {status} {text}");
    }
}

#[tokio::test]
async fn v5_0_0_2_3_3_a_change_is_written_whole_or_not_at_all() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let written = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM audit_logs) + (SELECT count(*) FROM outbox)";
    let before = hub.test.count(written).await;
    let nowhere =
        json!({"email": "a@example.com", "name": "A", "roles": ["018f0000-0000-7000-8000-000000000000"]});
    let status = hub.send(&owner, Method::POST, "/users", nowhere).await.status();
    assert!(status.is_client_error(), "{status}");
    assert_eq!(hub.test.count(written).await, before);
    let made = json!({"email": "a@example.com", "name": "A"});
    assert_eq!(hub.send(&owner, Method::POST, "/users", made).await.status(), 201);
    assert_eq!(
        hub.test.count(written).await,
        before + 3,
        "the row, its record and its event"
    );
}

#[tokio::test]
async fn v5_0_0_2_3_4_two_owners_who_demote_each_other_at_once_leave_one() {
    let hub = hub().await;
    for _ in 0..5 {
        let (one, other) = (hub.owner().await, hub.someone(&["owner"]).await);
        let none = json!({"roles": []});
        let (of_one, of_other) = (
            format!("/users/{}/roles", one.id),
            format!("/users/{}/roles", other.id),
        );
        tokio::join!(
            hub.send(&one, Method::PUT, &of_other, none.clone()),
            hub.send(&other, Method::PUT, &of_one, none.clone()),
        );
        let owners =
            "SELECT count(*) FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE r.name = 'owner'";
        assert_eq!(hub.test.count(owners).await, 1);
        let (first, organization) = (one.id, hub.test.organization);
        hub.test
            .sql(format!(
                "DELETE FROM user_roles; INSERT INTO user_roles (organization_id, user_id, role_id)
                 SELECT '{organization}', '{first}', id FROM roles WHERE name = 'owner'; UPDATE users SET access_version = access_version + 1"
            ))
            .await;
    }
}

#[tokio::test]
async fn v5_0_0_2_4_1_whoever_asks_too_often_must_wait() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "5")]).await;
    // what was tried is forgotten bit by bit, and on a machine that takes its time one more or two are let in
    let mut guesses = Vec::new();
    while guesses.len() < 12 && !guesses.contains(&429) {
        let name = format!("{}@example.com", guesses.len());
        let answer = super::login(&hub, &name, "a guess").await;
        guesses.push(answer.status().as_u16());
    }
    let refused = guesses.pop();
    assert!(
        refused == Some(429) && guesses.len() >= 5,
        "{refused:?} after {guesses:?}"
    );
    assert!(guesses.iter().all(|status| *status == 401), "{guesses:?}");
    let hub = crate::harness::hub().await;
    let owner = hub.owner().await;
    comes_to([200, 200, 200, 429], async || {
        let new = json!({"name": "Slow", "scopes": ["users:read"], "requests_per_minute": 3});
        let key = json_of(hub.send(&owner, Method::POST, "/api_keys", new).await).await;
        let secret = key["secret"].as_str().unwrap();
        let mut statuses = [0; 4];
        for status in &mut statuses {
            *status = super::status(hub.ask(Method::GET, "/me").bearer_auth(secret)).await;
        }
        statuses
    })
    .await;
}
