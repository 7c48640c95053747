//! Roles: making, changing, deleting them, and from which they inherit.

use super::{change, deny, give, grant, held, made, make, role_named};
use crate::harness::{hub, problem, problem_in_full};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::id::RoleId;

#[tokio::test]
async fn a_role_is_made_changed_and_deleted_with_a_record_and_an_event_of_each() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let viewer = role_named(&hub, &owner, "viewer").await;
    let new = json!({"name": " Night shift ", "description": "Bans at night", "inherits": [viewer["id"]],
                     "statements": [grant("users:ban"), deny("audit:read")]});
    let answer = make(&hub, &owner, new.clone()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["etag"]),
        (201, &"\"1\"".parse().unwrap())
    );
    let role: Value = answer.json().await.unwrap();
    assert_eq!(
        (&role["name"], &role["permissions"]),
        (&json!("Night shift"), &json!(["users:ban"]))
    );
    let id = role["id"].as_str().unwrap();
    assert_eq!(
        problem(make(&hub, &owner, new).await).await,
        (409, "role.name_taken".into())
    );

    give(&hub, &owner, &who, &[id]).await;
    let may = held(&hub, &owner, who.id).await;
    assert!(may.contains(&"users:ban".to_owned()) && may.contains(&"users:read".to_owned()));
    assert!(
        !may.contains(&"audit:read".to_owned()),
        "a denial beats what is inherited"
    );

    let answer = change(&hub, &owner, id, json!({"statements": [grant("audit:read")]})).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["etag"]),
        (200, &"\"2\"".parse().unwrap())
    );
    assert_eq!(hub.get(&who, "/audit").await.status(), 200);
    let path = format!("/roles/{id}");
    let stale = hub.patch(&owner, &path, "\"1\"", json!({"name": "x"})).await;
    let (status, code, body) = problem_in_full(stale).await;
    assert_eq!(
        (status, &*code, &body["current"]["version"]),
        (412, "role.stale", &json!(2))
    );

    let members: Value = hub
        .get(&owner, &format!("/roles/{id}/members?limit=1"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&members["items"][0]["user"], &members["next_cursor"]),
        (&json!(who.id), &Value::Null)
    );
    let delete = async || {
        hub.send(&owner, Method::DELETE, &format!("/roles/{id}"), json!({}))
            .await
    };
    assert_eq!(problem(delete().await).await, (409, "role.in_use".into()));
    give(&hub, &owner, &who, &[]).await;
    assert_eq!(delete().await.status(), 204);
    assert_eq!(problem(delete().await).await, (404, "role.not_found".into()));

    let history: Value = hub
        .get(&owner, &format!("/roles/{id}/history"))
        .await
        .json()
        .await
        .unwrap();
    let actions: Vec<&str> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["roles.delete", "roles.update", "roles.create"]);
    assert_eq!(
        history["items"][1]["changes"]["statements"]["after"][0]["permission"],
        "audit:read"
    );
    let told = hub.test.texts("SELECT type || ' ' || array_to_string(channels, ' ') FROM outbox WHERE subject_kind = 'role' ORDER BY seq").await;
    assert_eq!(
        told,
        [
            "role.created feed:roles feed:audit",
            "role.changed feed:roles feed:audit",
            "role.deleted feed:roles feed:audit"
        ]
    );
    let revoked = hub
        .test
        .texts("SELECT reason || ' ' || access_version FROM revocations WHERE kind = 'organization'")
        .await;
    assert_eq!(
        revoked.len(),
        1,
        "nobody held it when it was made and deleted: {revoked:?}"
    );
}

#[tokio::test]
async fn the_hubs_own_roles_and_whoever_may_not_manage_are_refused_and_statements_are_checked() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let viewer = role_named(&hub, &owner, "viewer").await;
    let viewer = viewer["id"].as_str().unwrap();
    let own = change(&hub, &owner, viewer, json!({"name": "x"})).await;
    assert_eq!(problem(own).await, (409, "role.predefined".into()));
    let own = hub
        .send(&owner, Method::DELETE, &format!("/roles/{viewer}"), json!({}))
        .await;
    assert_eq!(problem(own).await, (409, "role.predefined".into()));
    let refused = make(&hub, &admin, json!({"name": "x"})).await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    for (statement, code) in [
        (grant("users:fly"), "unknown"),
        (
            json!({"permission": "users:ban", "effect": "deny", "on": "own"}),
            "denied_on_some",
        ),
        (
            json!({"permission": "jobs:read", "effect": "grant", "on": "own"}),
            "not_by_row",
        ),
    ] {
        let answer = make(&hub, &owner, json!({"name": "x", "statements": [statement]})).await;
        let (status, _, body) = problem_in_full(answer).await;
        assert_eq!((status, &body["errors"][0]["code"]), (422, &json!(code)));
    }
    let twice = make(
        &hub,
        &owner,
        json!({"name": "x", "statements": [grant("users:ban"), deny("users:ban")]}),
    )
    .await;
    assert_eq!(problem(twice).await.0, 422);
    for inherits in [json!([RoleId::new()]), json!([viewer, viewer])] {
        let answer = make(&hub, &owner, json!({"name": "x", "inherits": inherits})).await;
        assert_eq!(problem(answer).await.0, 422);
    }
    for name in ["", "  ", "a\nb"] {
        assert_eq!(
            problem(make(&hub, &owner, json!({"name": name})).await).await.0,
            422
        );
    }
}

#[tokio::test]
async fn no_role_comes_to_inherit_from_itself_not_even_by_two_changes_at_once() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(made(&hub, &owner, json!({"name": name})).await);
    }
    let inherit = async |role: usize, parent: usize| {
        let answer = change(&hub, &owner, &ids[role], json!({"inherits": [ids[parent]]})).await;
        answer.status().as_u16()
    };
    assert_eq!(inherit(0, 0).await, 409);
    assert_eq!(
        (inherit(0, 1).await, inherit(1, 2).await, inherit(2, 0).await),
        (200, 200, 409)
    );
    for _ in 0..5 {
        for id in &ids {
            assert_eq!(
                change(&hub, &owner, id, json!({"inherits": []})).await.status(),
                200
            );
        }
        let both = tokio::join!(inherit(0, 1), inherit(1, 0));
        assert!(both == (200, 409) || both == (409, 200), "{both:?}");
    }
}
