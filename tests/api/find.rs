//! One box for whatever somebody pastes.

use crate::harness::{Hub, SignedIn, hub};
use reqwest::Method;
use serde_json::{Value, json};

/// Opened from here in these tests; as it may be pasted, too.
const ADDRESS: &str = "203.0.113.77";
const MAPPED: &str = "::ffff:203.0.113.77";

async fn find(hub: &Hub, who: &SignedIn, q: &str) -> Vec<Value> {
    let answer = hub.ask(Method::GET, "/find").query(&[("q", q)]);
    let answer = answer.bearer_auth(&who.token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let found: Value = answer.json().await.unwrap();
    found["items"].as_array().unwrap().clone()
}

/// Somebody who may do only this.
async fn may(hub: &Hub, permissions: &[&str]) -> SignedIn {
    let who = hub.someone(&[]).await;
    for permission in permissions {
        hub.test
            .sql(format!(
                "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{}', '{permission}');
                 UPDATE users SET access_version = access_version + 1 WHERE id = '{1}'",
                hub.test.organization, who.id
            ))
            .await;
    }
    hub.sign_in(&who.email).await
}

#[tokio::test]
async fn open_sessions_are_found_by_the_address_they_came_from_by_whoever_may_see_sessions_alone() {
    let hub = hub().await;
    let (owner, ada, eve) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    for who in [&ada, &eve] {
        hub.test
            .sql(format!(
                "UPDATE user_sessions SET ip = '{ADDRESS}' WHERE id = '{}'",
                who.session
            ))
            .await;
    }
    hub.test
        .sql(format!(
            "UPDATE user_sessions SET revoked_at = now(), revoked_reason = 'over' WHERE id = '{}'",
            eve.session
        ))
        .await;
    let there = json!({"kind": "session", "id": ada.session, "user": ada.id, "label": "Person"});
    for q in [ADDRESS, MAPPED, " 203.0.113.77 "] {
        assert_eq!(find(&hub, &owner, q).await, std::slice::from_ref(&there), "{q}");
    }
    assert_eq!(find(&hub, &owner, "203.0.113.78").await, [] as [Value; 0]);
    let blind = may(&hub, &["sessions:read"]).await;
    assert_eq!(
        find(&hub, &blind, ADDRESS).await[0]["label"],
        "",
        "who may not see people is told no name"
    );
    let other = may(&hub, &["users:read", "users:read_pii", "api_keys:read"]).await;
    assert_eq!(find(&hub, &other, ADDRESS).await, [] as [Value; 0]);
    let list: Value = hub
        .get(&owner, &format!("/sessions?ip={MAPPED}"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&list["total"], &list["items"][0]["id"]),
        (&json!(1), &json!(ada.session))
    );
}

#[tokio::test]
async fn api_keys_are_found_by_how_they_begin_by_whoever_may_see_keys_alone() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let new = json!({"name": "Nightly export", "scopes": ["users:read"]});
    let made = hub.send(&owner, Method::POST, "/api_keys", new).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let (hint, secret) = (made["hint"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let there = json!({"kind": "api_key", "id": made["id"], "user": owner.id, "label": "Nightly export"});
    for q in [hint, secret] {
        assert_eq!(find(&hub, &owner, q).await, std::slice::from_ref(&there), "{q}");
    }
    let less = &hint[..hint.len() - 1];
    for q in [less, "sbx_live_", "sbx_", "sbx_live_____"] {
        assert_eq!(find(&hub, &owner, q).await, [] as [Value; 0], "{q}");
    }
    let other = may(&hub, &["users:read", "users:read_pii", "sessions:read"]).await;
    assert_eq!(find(&hub, &other, hint).await, [] as [Value; 0]);
    // of another organization, with as many rights there
    let organization = hub.test.another_organization().await;
    hub.test
        .sql(format!(
            "UPDATE api_keys SET organization_id = '{organization}' WHERE id = {}",
            made["id"].to_string().replace('"', "'")
        ))
        .await;
    assert_eq!(find(&hub, &owner, hint).await, [] as [Value; 0]);
}
