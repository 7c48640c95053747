//! What nobody gives, by whatever way.

use super::{change, deny, give, grant, held, made, make, role_named, say};
use crate::harness::{hub, problem};
use reqwest::{Method, Response};
use serde_json::json;

#[tokio::test]
async fn nobody_gives_by_any_door_what_they_do_not_hold() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let keys = ["roles:read", "roles:manage", "roles:assign", "users:read"];
    let keeper = made(
        &hub,
        &owner,
        json!({"name": "keeper", "statements": keys.map(grant)}),
    )
    .await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&["viewer"]).await);
    give(&hub, &owner, &who, &[&keeper]).await;
    let manager = role_named(&hub, &owner, "manager").await;
    let loud = made(
        &hub,
        &owner,
        json!({"name": "loud", "statements": [grant("jobs:read")]}),
    )
    .await;
    let mute = made(
        &hub,
        &owner,
        json!({"name": "mute", "statements": [deny("jobs:read")]}),
    )
    .await;
    let plain = made(
        &hub,
        &owner,
        json!({"name": "plain", "statements": [grant("users:read")]}),
    )
    .await;
    let own = json!({"permission": "users:ban", "effect": "grant", "on": "own"});
    let on_one =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": other.id}});
    let refused = async |answer: Response| {
        let (status, code) = problem(answer).await;
        assert!(
            status == 403 && ["permission.beyond", "permission.outranked"].contains(&&*code),
            "{status} {code}"
        );
    };
    refused(
        make(
            &hub,
            &who,
            json!({"name": "x", "statements": [grant("jobs:read")]}),
        )
        .await,
    )
    .await;
    refused(make(&hub, &who, json!({"name": "x", "statements": [own]})).await).await;
    refused(make(&hub, &who, json!({"name": "x", "inherits": [manager["id"]]})).await).await;
    refused(change(&hub, &who, &plain, json!({"statements": [grant("jobs:read")]})).await).await;
    refused(change(&hub, &who, &plain, json!({"inherits": [loud]})).await).await;
    refused(change(&hub, &who, &keeper, json!({"statements": keys.map(grant).into_iter().chain([grant("jobs:read")]).collect::<Vec<_>>()})).await).await;
    refused(change(&hub, &who, &loud, json!({"name": "quiet"})).await).await;
    refused(change(&hub, &who, &mute, json!({"statements": []})).await).await;
    let bare = hub.someone(&[]).await;
    refused(say(&hub, &who, bare.id, json!({"statements": [grant("jobs:read")]})).await).await;
    refused(say(&hub, &who, bare.id, json!({"single": [on_one]})).await).await;
    // who holds more is not changed, and what was denied is not given back
    refused(say(&hub, &who, other.id, json!({})).await).await;
    let denied = hub.someone(&[]).await;
    give(&hub, &owner, &denied, &[&loud, &mute]).await;
    let took = hub
        .send(
            &who,
            Method::PUT,
            &format!("/users/{}/roles", denied.id),
            json!({"roles": [loud]}),
        )
        .await;
    refused(took).await;
    assert!(
        !held(&hub, &owner, denied.id)
            .await
            .contains(&"jobs:read".to_owned())
    );
    // what they do hold, they may give
    assert_eq!(
        say(&hub, &who, bare.id, json!({"statements": [grant("users:read")]}))
            .await
            .status(),
        200
    );
    assert_eq!(
        make(
            &hub,
            &who,
            json!({"name": "x", "statements": [grant("users:read")], "inherits": [plain]})
        )
        .await
        .status(),
        201
    );
    // and nobody their own
    assert_eq!(
        problem(say(&hub, &who, who.id, json!({})).await).await,
        (409, "permissions.own".into())
    );
}

#[tokio::test]
async fn an_owner_is_denied_nothing_by_whatever_way() {
    let hub = hub().await;
    let (owner, second) = (hub.owner().await, hub.someone(&["owner"]).await);
    let owners = role_named(&hub, &owner, "owner").await;
    let owners = owners["id"].as_str().unwrap();
    let mute = made(
        &hub,
        &owner,
        json!({"name": "mute", "statements": [deny("jobs:read")]}),
    )
    .await;
    let limited = (409, "roles.owner_limited".to_owned());
    let direct = say(
        &hub,
        &owner,
        second.id,
        json!({"statements": [deny("roles:manage")]}),
    )
    .await;
    assert_eq!(problem(direct).await, limited);
    let role = hub
        .send(
            &owner,
            Method::PUT,
            &format!("/users/{}/roles", second.id),
            json!({"roles": [owners, mute]}),
        )
        .await;
    assert_eq!(problem(role).await, limited);
    let quiet = made(&hub, &owner, json!({"name": "quiet"})).await;
    give(&hub, &owner, &second, &[owners, &quiet]).await;
    for change_of in [
        json!({"statements": [deny("jobs:read")]}),
        json!({"inherits": [mute]}),
    ] {
        assert_eq!(
            problem(change(&hub, &owner, &quiet, change_of).await).await,
            limited
        );
    }
    let new = json!({"email": "third@example.com", "name": "Third", "roles": [owners, mute]});
    for path in ["/users", "/invitations"] {
        assert_eq!(
            problem(hub.send(&owner, Method::POST, path, new.clone()).await).await,
            limited,
            "{path}"
        );
    }
    assert!(
        held(&hub, &owner, second.id)
            .await
            .contains(&"jobs:read".to_owned())
    );
}

#[tokio::test]
async fn an_owner_who_is_deleted_hinders_nobody_whatever_they_were_denied() {
    let hub = hub().await;
    let (owner, second) = (hub.owner().await, hub.someone(&["owner"]).await);
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted) VALUES ('{}', '{}', 'jobs:read', false);
             UPDATE users SET deleted_at = now() WHERE id = '{1}'",
            hub.test.organization, second.id
        ))
        .await;
    let new = json!({"email": "third@example.com", "name": "Third", "roles": []});
    assert_eq!(hub.send(&owner, Method::POST, "/users", new).await.status(), 201);
}
