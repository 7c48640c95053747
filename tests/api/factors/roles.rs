//! Roles that demand a factor.

use super::{codes, demand, now, post, show, signed_in, ticket, told, totp, with_app};
use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn whoever_holds_a_role_that_demands_a_factor_sets_one_up_before_anything_else() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    demand(&hub, &owner, "viewer", true).await;
    assert_eq!(
        hub.get(&who, "/roles").await.status(),
        200,
        "an open session goes on until its next refresh"
    );
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(
        (&asked["enroll"], &asked["kinds"]),
        (&json!(true), &json!(["passkey", "totp", "sms"]))
    );
    let shown = show(&hub, &asked, totp("000000")).await;
    assert_eq!(problem(shown).await, (401, "auth.ticket_refused".into()));
    let begin = json!({"ticket": asked["ticket"], "factor": {"kind": "totp"}});
    let started = told(post(&hub, None, "/auth/enroll", begin).await, 200).await;
    let confirmation = json!({
        "enrollment": started["enrollment"], "name": "App", "code": now(&hub, started["secret"].as_str().unwrap()),
    });
    let done = json!({"ticket": asked["ticket"], "confirmation": confirmation});
    let entered = told(post(&hub, None, "/auth/enroll/confirm", done.clone()).await, 200).await;
    assert_eq!(codes(&entered).len(), 10);
    let enrolled = signed_in(&who, &entered);
    assert_eq!(hub.get(&enrolled, "/roles").await.status(), 200);
    let twice = post(&hub, None, "/auth/enroll/confirm", done).await;
    assert_eq!(problem(twice).await, (401, "auth.ticket_refused".into()));
    let list: Value = hub.get(&enrolled, "/me/factors").await.json().await.unwrap();
    let newest = format!("/me/factors/{}", list["items"][0]["id"].as_str().unwrap());
    let kept = hub.send(&enrolled, Method::DELETE, &newest, json!({})).await;
    assert_eq!(problem(kept).await, (409, "factor.demanded".into()));
    let old = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(problem(old).await, (401, "auth.factor_demanded".into()));
    assert_eq!(
        hub.get(&who, "/me").await.status(),
        401,
        "the session without a factor has ended"
    );
    let new = hub
        .post("/auth/refresh", json!({"refresh_token": enrolled.refresh}))
        .await;
    assert_eq!(new.status(), 200);
    demand(&hub, &owner, "viewer", false).await;
    assert_eq!(
        hub.send(&enrolled, Method::DELETE, &newest, json!({}))
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn an_open_session_may_set_the_demanded_factor_up_and_then_goes_on() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    demand(&hub, &owner, "viewer", true).await;
    with_app(&hub, &who).await;
    let refreshed = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(refreshed.status(), 200);
}

#[tokio::test]
async fn nobody_takes_the_demand_for_a_factor_from_somebody_above_them() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let may = json!({"statements": [{"permission": "roles:manage", "effect": "grant"}]});
    let path = format!("/users/{}/permissions", admin.id);
    told(hub.send(&owner, Method::PUT, &path, may).await, 200).await;
    let careful = json!({"name": "Careful", "requires_factor": true});
    let made = told(hub.send(&owner, Method::POST, "/roles", careful).await, 201).await;
    let id = made["id"].as_str().unwrap();
    hub.test
        .sql(format!(
            "INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{}', '{}', '{id}')",
            hub.test.organization, owner.id
        ))
        .await;
    let path = format!("/roles/{id}");
    let not = json!({"requires_factor": false});
    let refused = hub.send(&admin, Method::PATCH, &path, not.clone()).await;
    assert_eq!(problem(refused).await, (403, "permission.outranked".into()));
    let taken = format!("DELETE FROM user_roles WHERE role_id = '{id}'");
    hub.test.sql(taken).await;
    let changed = hub.send(&admin, Method::PATCH, &path, not).await;
    assert_eq!(told(changed, 200).await["requires_factor"], false);
}
