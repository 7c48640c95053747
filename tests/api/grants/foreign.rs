//! What is of another organization.

use super::{change, make, say};
use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::id::{OrganizationId, RoleId, UserId};

#[tokio::test]
async fn nothing_of_another_organization_is_found_named_or_granted() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (elsewhere, role, stranger) = (OrganizationId::new(), RoleId::new(), UserId::new());
    hub.test
        .sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{elsewhere}', 'Elsewhere');
             INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{elsewhere}', 'theirs');
             INSERT INTO role_permissions (organization_id, role_id, permission) VALUES ('{elsewhere}', '{role}', 'users:read');
             INSERT INTO users (id, organization_id, email, name) VALUES ('{stranger}', '{elsewhere}', 's@example.org', 'S')"
        ))
        .await;
    for path in [
        format!("/roles/{role}"),
        format!("/roles/{role}/members"),
        format!("/users/{stranger}/permissions"),
        format!("/users/{stranger}/explain?permission=users:read"),
        format!(
            "/users/{}/explain?permission=users:read&resource_kind=user&resource_id={stranger}",
            owner.id
        ),
        format!("/permissions/holders?permission=users:read&resource_kind=user&resource_id={stranger}"),
    ] {
        assert_eq!(problem(hub.get(&owner, &path).await).await.0, 404, "{path}");
    }
    assert_eq!(
        problem(change(&hub, &owner, &role.to_string(), json!({"name": "ours"})).await)
            .await
            .0,
        404
    );
    let together = json!({"changes": [{"role": role, "statements": []}]});
    let together = hub.send(&owner, Method::PATCH, "/roles", together).await;
    assert_eq!(problem(together).await.0, 404);
    let deleted = hub
        .send(&owner, Method::DELETE, &format!("/roles/{role}"), json!({}))
        .await;
    assert_eq!(problem(deleted).await.0, 404);
    assert_eq!(problem(say(&hub, &owner, stranger, json!({})).await).await.0, 404);
    let who = hub.someone(&[]).await;
    let single =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": stranger}});
    assert_eq!(
        problem(say(&hub, &owner, who.id, json!({"single": [single]})).await)
            .await
            .0,
        422
    );
    assert_eq!(
        problem(make(&hub, &owner, json!({"name": "x", "inherits": [role]})).await)
            .await
            .0,
        422
    );
    let history: Value = hub
        .get(&owner, &format!("/roles/{role}/history"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(history["items"], json!([]));
    for asked in [
        json!({"kind": "role", "role": role, "statements": []}),
        json!({"kind": "several_roles", "changes": [{"role": role, "statements": []}]}),
        json!({"kind": "roles", "user": stranger, "roles": []}),
        json!({"kind": "roles", "user": who.id, "roles": [role]}),
        json!({"kind": "permissions", "user": stranger, "statements": []}),
    ] {
        let answer = hub.send(&owner, Method::POST, "/roles/what_if", asked).await;
        assert!([404, 422].contains(&problem(answer).await.0));
    }
}
