//! Acts that want a recent proof by what they do: the rest of the list is held by the matrix.

use crate::harness::{Hub, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::UserId;
use signalbox_core::testing::mailed;
use time::Duration;

async fn role(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let roles: Value = hub.get(who, "/roles").await.json().await.unwrap();
    let mut roles = roles["items"].as_array().unwrap().iter();
    roles.find(|role| role["name"] == name).unwrap()["id"].clone()
}

/// Whether the act was refused for want of a proof.
async fn wants_proof(answer: Response) -> bool {
    let status = answer.status().as_u16();
    if (200..300).contains(&status) {
        return false;
    }
    assert_eq!(problem(answer).await, (403, "auth.step_up_needed".into()));
    true
}

#[tokio::test]
async fn whoever_makes_an_owner_proves_who_they_are_whichever_way_they_take() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (above, below) = (
        role(&hub, &owner, "owner").await,
        role(&hub, &owner, "viewer").await,
    );
    let who = hub.someone(&[]).await;
    hub.clock.advance(Duration::minutes(11));
    let grant = |permission: &str| json!([{"permission": permission, "effect": "grant"}]);
    let (roles, direct) = (
        format!("/users/{}/roles", who.id),
        format!("/users/{}/permissions", who.id),
    );
    let ways = |role: &Value, permission: &str, n: u32| {
        [
            (Method::PUT, roles.clone(), json!({"roles": [role]})),
            (
                Method::PUT,
                direct.clone(),
                json!({"statements": grant(permission)}),
            ),
            (
                Method::POST,
                "/users".to_owned(),
                json!({"email": format!("new-{n}@example.com"), "name": "New", "roles": [role]}),
            ),
            (
                Method::POST,
                "/invitations".to_owned(),
                json!({"email": format!("asked-{n}@example.com"), "name": "Asked", "roles": [role]}),
            ),
        ]
    };
    for (method, path, body) in ways(&above, "roles:assign", 1) {
        assert!(
            wants_proof(hub.send(&owner, method, &path, body).await).await,
            "{path}"
        );
    }
    let many = json!({"users": [who.id], "give": [above]});
    let told: Value = hub
        .send(&owner, Method::POST, "/roles/assign", many)
        .await
        .json()
        .await
        .unwrap();
    assert!(told.to_string().contains("auth.step_up_needed"), "{told}");
    for (method, path, body) in ways(&below, "users:read", 2) {
        assert!(
            !wants_proof(hub.send(&owner, method, &path, body).await).await,
            "{path}"
        );
    }
    let proved = hub.owner().await;
    for (method, path, body) in ways(&above, "roles:assign", 3) {
        assert!(
            !wants_proof(hub.send(&proved, method, &path, body).await).await,
            "{path}"
        );
    }
    hub.clock.advance(Duration::minutes(11));
    let taken = hub.send(&proved, Method::PUT, &roles, json!({"roles": []})).await;
    assert!(!wants_proof(taken).await, "taking rights away waits for nothing");
}

#[tokio::test]
async fn so_does_whoever_makes_one_by_a_team_that_carries_the_role() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let who = hub.someone(&[]).await;
    let statements = json!([{"permission": "roles:assign", "effect": "grant"}]);
    let mut made = Vec::new();
    for (path, body) in [
        ("/roles", json!({"name": "Giver", "statements": statements})),
        ("/teams", json!({"name": "Full"})),
        ("/teams", json!({"name": "Empty"})),
    ] {
        let answer: Value = hub
            .send(&owner, Method::POST, path, body)
            .await
            .json()
            .await
            .unwrap();
        made.push(answer["id"].as_str().unwrap().to_owned());
    }
    let [giver, full, empty] = &made[..] else {
        panic!("{made:?}")
    };
    let another = hub.someone(&[]).await;
    let member = |team: &str, who: &SignedIn| format!("/teams/{team}/members/{}", who.id);
    let carry = |team: &str| format!("/teams/{team}/roles/{giver}");
    let put = async |who: &SignedIn, path: String| {
        wants_proof(hub.send(who, Method::PUT, &path, json!({})).await).await
    };
    assert!(!put(&owner, member(full, &who)).await);
    hub.clock.advance(Duration::minutes(11));
    assert!(put(&owner, carry(full)).await, "its member would hold it");
    assert!(put(&owner, carry(empty)).await, "whoever comes in later would");
    let proved = hub.owner().await;
    assert!(!put(&proved, carry(full)).await && !put(&proved, carry(empty)).await);
    assert!(
        put(&owner, member(empty, &another)).await,
        "who comes in holds it"
    );
    assert!(!put(&proved, member(empty, &another)).await);
}

#[tokio::test]
async fn what_lets_strangers_in_or_changes_whose_mailbox_counts_wants_a_proof_and_the_rest_of_it_does_not() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let who = hub.someone(&[]).await;
    hub.clock.advance(Duration::minutes(11));
    let person = format!("/users/{}", who.id);
    let bulk = |action: &str| json!({"action": action, "reason": "a reason to give", "ids": [who.id]});
    let reader = role(&hub, &owner, "viewer").await;
    let give = json!({"action": "assign_role", "role": reader, "ids": [who.id]});
    let acts = [
        (
            Method::PATCH,
            "/settings",
            json!({"sign_up": {"open": true}}),
            true,
        ),
        (
            Method::PATCH,
            "/settings",
            json!({"general": {"public_address": "https://evil.example"}}),
            true,
        ),
        (
            Method::PATCH,
            "/settings",
            json!({"invitations": {"days": 3}}),
            false,
        ),
        (
            Method::PATCH,
            &*person,
            json!({"email": "another@example.com"}),
            true,
        ),
        (Method::PATCH, &*person, json!({"name": "Another"}), false),
        (Method::POST, "/users/bulk", give, true),
        (Method::POST, "/users/bulk", bulk("reset_password"), true),
        (Method::POST, "/users/bulk", bulk("delete"), true),
        (Method::POST, "/users/bulk", bulk("ban"), false),
    ];
    for (method, path, body, wants) in acts {
        let what = format!("{path} {body}");
        assert_eq!(
            wants_proof(hub.send(&owner, method, path, body).await).await,
            wants,
            "{what}"
        );
    }
}

#[tokio::test]
async fn another_address_is_given_by_a_person_to_another_and_the_old_mailbox_hears_of_it() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let key = json!({"name": "k", "scopes": ["users:read", "users:update"]});
    let key: Value = hub
        .send(&owner, Method::POST, "/api_keys", key)
        .await
        .json()
        .await
        .unwrap();
    let program = SignedIn {
        token: key["secret"].as_str().unwrap().to_owned(),
        ..owner.clone()
    };
    let moved = |id: UserId, n: u32| {
        (
            format!("/users/{id}"),
            json!({"email": format!("moved-{n}@example.com")}),
        )
    };
    let (path, body) = moved(who.id, 1);
    let by_key = hub.send(&program, Method::PATCH, &path, body).await;
    assert_eq!(problem(by_key).await, (403, "auth.session_required".into()));
    let name = hub
        .send(&program, Method::PATCH, &path, json!({"name": "Another"}))
        .await;
    assert_eq!(name.status(), 200, "what is no way in it may change");
    let (own, body) = moved(owner.id, 2);
    let refused = hub.send(&program, Method::PATCH, &own, body.clone()).await;
    assert_eq!(problem(refused).await.0, 403);
    let refused = hub.send(&owner, Method::PATCH, &own, body).await;
    assert_eq!(problem(refused).await, (409, "user.own_email".into()));
    assert!(mailed(&hub.test).await.is_empty());
    let (path, body) = moved(who.id, 3);
    let done = hub.send(&owner, Method::PATCH, &path, body).await;
    assert_eq!(done.status(), 200);
    let mails = mailed(&hub.test).await;
    assert_eq!((mails.len(), &mails[0].to), (1, &who.email));
    assert!(mails[0].subject.contains("replaced"), "{:?}", mails[0]);
}

#[tokio::test]
async fn whoever_guesses_at_a_password_within_a_session_leaves_a_record_of_each_guess() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    let wrong = json!({"kind": "password", "password": "a wrong guess"});
    let refused = hub.send(&who, Method::POST, "/me/prove", wrong).await;
    assert_eq!(problem(refused).await, (403, "auth.wrong_password".into()));
    let wrong = json!({"current_password": "a wrong guess", "new_password": "plum tractor voyage"});
    let refused = hub.send(&who, Method::POST, "/me/password", wrong).await;
    assert_eq!(problem(refused).await, (403, "auth.wrong_password".into()));
    let acts = hub.audited().await;
    let guesses = acts.iter().filter(|act| *act == "auth.proof_failed");
    assert_eq!(guesses.count(), 2, "{acts:?}");
}

#[tokio::test]
async fn letting_a_key_reach_further_wants_a_proof_and_what_narrows_it_does_not() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let end = |days: i64| {
        let at = hub.clock.now() + Duration::days(days);
        at.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let new = |scopes: &[&str]| {
        json!({
            "name": "Key", "scopes": scopes, "addresses": ["10.0.0.0/8"], "requests_per_minute": 60,
            "resource_limits": {"users": 10}, "expires_at": end(30),
        })
    };
    let mut paths = Vec::new();
    for scopes in [&["users:read", "users:update"][..], &["users:read"]] {
        let made = hub.send(&owner, Method::POST, "/api_keys", new(scopes)).await;
        let made: Value = made.json().await.unwrap();
        paths.push(format!("/api_keys/{}", made["id"].as_str().unwrap()));
    }
    hub.clock.advance(Duration::minutes(11));
    let narrower = [
        json!({"name": "Another"}),
        json!({"addresses": ["10.1.0.0/16"], "requests_per_minute": 30, "resource_limits": {"users": 5}}),
        json!({"expires_at": end(20)}),
    ];
    let wider = [
        json!({"addresses": ["10.1.0.0/16", "192.0.2.0/24"]}),
        json!({"addresses": []}),
        json!({"requests_per_minute": 31}),
        json!({"requests_per_minute": null}),
        json!({"resource_limits": {"users": 6}}),
        json!({"resource_limits": {}}),
        json!({"expires_at": end(25)}),
        json!({"expires_at": null}),
    ];
    for body in &narrower {
        for path in &paths {
            let changed = hub.send(&owner, Method::PATCH, path, body.clone()).await;
            assert_eq!(changed.status(), 200, "{body}");
        }
    }
    for body in &wider {
        let refused = hub.send(&owner, Method::PATCH, &paths[0], body.clone()).await;
        assert!(wants_proof(refused).await, "{body}");
        // one that only reads is no more than its owner may see
        let changed = hub.send(&owner, Method::PATCH, &paths[1], body.clone()).await;
        assert_eq!(changed.status(), 200, "{body}");
    }
    let proved = hub.owner().await;
    for body in wider {
        let changed = hub.send(&proved, Method::PATCH, &paths[0], body.clone()).await;
        assert_eq!(changed.status(), 200, "{body}");
    }
}
