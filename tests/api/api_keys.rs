use crate::harness::{Hub, SignedIn, comes_to, hub, hub_with, problem, problem_in_full};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use time::Duration;

/// A key of `who`, as it is shown once.
async fn key(hub: &Hub, who: &SignedIn, new: Value) -> Value {
    let answer = hub.send(who, Method::POST, "/api_keys", new).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

fn secret(key: &Value) -> &str {
    key["secret"].as_str().unwrap()
}

async fn ask(hub: &Hub, secret: &str, method: Method, path: &str) -> Response {
    hub.ask(method, path).bearer_auth(secret).send().await.unwrap()
}

async fn body(answer: Response) -> Value {
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end_and_every_act_of_it_is_on_record() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let made = key(
        &hub,
        &owner,
        json!({"name": "Export", "scopes": ["users:read", "audit:read"]}),
    )
    .await;
    let path = format!("/api_keys/{}", made["id"].as_str().unwrap());
    let me = body(ask(&hub, secret(&made), Method::GET, "/me").await).await;
    assert_eq!(
        (&me["user"]["id"], &me["api_key_id"]),
        (&json!(owner.id), &made["id"])
    );
    assert_eq!(me["permissions"], json!(["audit:read", "users:read"]));
    assert!(me["session_id"].is_null() && me["csrf_token"].is_null());

    let listed = body(hub.get(&owner, "/api_keys").await).await;
    assert_eq!(listed["items"][0]["name"], "Export");
    assert!(listed["items"][0]["secret"].is_null() && listed["epoch"].is_string());
    assert_eq!(
        listed["items"][0]["can"],
        json!(["api_keys.update", "api_keys.rotate", "api_keys.revoke"])
    );

    let change = json!({"name": "Nightly export", "scopes": ["users:read"]});
    let stale = hub
        .ask(Method::PATCH, &path)
        .bearer_auth(&owner.token)
        .header("if-match", "\"7\"");
    let (status, code, stale) = problem_in_full(stale.json(&change).send().await.unwrap()).await;
    assert_eq!(
        (status, code.as_str(), &stale["current"]["version"]),
        (412, "api_key.stale", &json!(1))
    );
    let changed = body(hub.send(&owner, Method::PATCH, &path, change).await).await;
    assert_eq!(
        (&changed["version"], &changed["scopes"]),
        (&json!(2), &json!(["users:read"]))
    );
    assert_eq!(
        problem(ask(&hub, secret(&made), Method::GET, "/audit").await).await,
        (403, "permission.missing".into())
    );

    let rotate = format!("{path}/rotate");
    let next = body(
        hub.send(&owner, Method::POST, &rotate, json!({"grace_seconds": 60}))
            .await,
    )
    .await;
    assert_ne!(next["secret"], made["secret"]);
    for each in [&made, &next] {
        assert_eq!(ask(&hub, secret(each), Method::GET, "/users").await.status(), 200);
    }
    hub.clock.advance(Duration::seconds(61));
    assert_eq!(
        problem(ask(&hub, secret(&made), Method::GET, "/users").await).await,
        (401, "api_key.replaced".into())
    );
    assert_eq!(
        ask(&hub, secret(&next), Method::GET, "/users").await.status(),
        200
    );

    let revoke = format!("{path}/revoke");
    let revoked = body(
        hub.send(&owner, Method::POST, &revoke, json!({"reason": "Not needed"}))
            .await,
    )
    .await;
    assert_eq!(
        (&revoked["state"], &revoked["can"]),
        (&json!("revoked"), &json!([]))
    );
    assert_eq!(
        problem(ask(&hub, secret(&next), Method::GET, "/users").await).await,
        (401, "api_key.refused".into())
    );
    let life = body(hub.get(&owner, &format!("{path}/timeline")).await).await;
    let acts: Vec<&str> = life["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        acts,
        [
            "api_keys.revoke",
            "api_keys.rotate",
            "api_keys.update",
            "api_keys.create"
        ]
    );
    assert_eq!(
        (
            &life["items"][0]["reason"],
            &life["items"][0]["credential"]["kind"]
        ),
        (&json!("Not needed"), &json!("session"))
    );
    let whole = serde_json::to_string(&life).unwrap();
    assert!(!whole.contains(secret(&made)) && !whole.contains(secret(&next)));
}

#[tokio::test]
async fn a_key_acts_as_its_owner_and_the_record_names_both() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let made = key(
        &hub,
        &owner,
        json!({"name": "Adds", "scopes": ["users:create", "users:read"]}),
    )
    .await;
    let new = json!({"email": "new@example.com", "name": "New"});
    let post = hub
        .ask(Method::POST, "/users")
        .bearer_auth(secret(&made))
        .json(&new);
    assert_eq!(post.send().await.unwrap().status(), 201);
    let by_key = format!("/audit?api_key={}", made["id"].as_str().unwrap());
    let entries = body(hub.get(&owner, &by_key).await).await;
    let entries = entries["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["action"], &entries[0]["actor"]["id"]),
        (&json!("users.create"), &json!(owner.id))
    );
    assert_eq!(
        entries[0]["credential"],
        json!({"kind": "api_key", "id": made["id"]})
    );
}

#[tokio::test]
async fn a_key_may_no_more_than_its_owner_may_at_that_moment_and_never_what_needs_a_person() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let scopes = json!([
        "users:read",
        "users:ban",
        "api_keys:read",
        "api_keys:manage",
        "sessions:read",
        "roles:assign"
    ]);
    let made = key(&hub, &admin, json!({"name": "All", "scopes": scopes})).await;
    let program = secret(&made);
    assert_eq!(ask(&hub, program, Method::GET, "/users").await.status(), 200);
    for (method, path, sent) in [
        (
            Method::POST,
            "/api_keys",
            json!({"name": "Another", "scopes": ["users:read"]}),
        ),
        (
            Method::POST,
            "/me/password",
            json!({"current_password": "x", "new_password": "a new password 42"}),
        ),
        (Method::POST, "/auth/logout", json!({})),
    ] {
        let request = hub.ask(method, path).bearer_auth(program).json(&sent);
        let refused = problem(request.send().await.unwrap()).await;
        assert_eq!(refused, (403, "auth.session_required".into()), "{path}");
    }
    // a person sees and ends what is their own without a permission; a program needs one
    let session = format!("/sessions/{}", admin.session);
    assert_eq!(
        problem(ask(&hub, program, Method::DELETE, &session).await)
            .await
            .0,
        403
    );
    let roles = format!("/users/{}/roles", admin.id);
    let none = hub.send(&owner, Method::PUT, &roles, json!({"roles": []})).await;
    assert_eq!(none.status(), 200);
    assert_eq!(
        problem(ask(&hub, program, Method::GET, "/users").await).await,
        (403, "permission.missing".into())
    );
    let ban = format!("/users/{}/ban", admin.id);
    let ban = hub.send(&owner, Method::POST, &ban, json!({"reason": "x"})).await;
    assert_eq!(ban.status(), 200);
    assert_eq!(
        problem(ask(&hub, program, Method::GET, "/me").await).await,
        (401, "api_key.owner_shut_out".into())
    );
}

#[tokio::test]
async fn a_key_keeps_to_its_networks_its_pace_and_its_end() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let new = |extra: Value| {
        let mut new = json!({"name": "Bound", "scopes": ["users:read"]});
        new.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        new
    };
    let elsewhere = key(&hub, &owner, new(json!({"addresses": ["10.0.0.0/8"]}))).await;
    assert_eq!(
        problem(ask(&hub, secret(&elsewhere), Method::GET, "/me").await).await,
        (403, "auth.address_refused".into())
    );
    let here = key(
        &hub,
        &owner,
        new(json!({"addresses": ["10.0.0.0/8", "127.0.0.0/8"]})),
    )
    .await;
    assert_eq!(ask(&hub, secret(&here), Method::GET, "/me").await.status(), 200);
    comes_to([200, 200, 429, 200], async || {
        let paced = key(&hub, &owner, new(json!({"requests_per_minute": 2}))).await;
        let me = async || ask(&hub, secret(&paced), Method::GET, "/me").await;
        let let_in = [me().await.status().as_u16(), me().await.status().as_u16()];
        let third = me().await;
        let status = third.status().as_u16();
        if status == 429 {
            let after = third.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=60_u64).contains(&after), "{after}");
            assert_eq!(problem(third).await, (429, "api_key.too_many_requests".into()));
        }
        hub.clock.advance(Duration::seconds(60));
        [let_in[0], let_in[1], status, me().await.status().as_u16()]
    })
    .await;
    let soon = hub.clock.now() + Duration::minutes(10);
    let soon = soon
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let ending = key(&hub, &owner, new(json!({"expires_at": soon}))).await;
    assert_eq!(ask(&hub, secret(&ending), Method::GET, "/me").await.status(), 200);
    hub.clock.advance(Duration::minutes(11));
    assert_eq!(
        problem(ask(&hub, secret(&ending), Method::GET, "/me").await).await,
        (401, "api_key.expired".into())
    );
    for (field, wrong) in [
        ("addresses.0", json!({"addresses": ["10.0.0.1/8"]})),
        ("requests_per_minute", json!({"requests_per_minute": 0})),
        ("expires_at", json!({"expires_at": "2001-01-01T00:00:00Z"})),
        ("scopes", json!({"scopes": ["no:such"]})),
    ] {
        let answer = hub.send(&owner, Method::POST, "/api_keys", new(wrong)).await;
        let (status, _, problem) = problem_in_full(answer).await;
        assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!(field)));
    }
}

#[tokio::test]
async fn what_is_no_key_of_this_hub_is_refused_and_whoever_guesses_is_slowed_down() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "3")]).await;
    let owner = hub.owner().await;
    let made = key(&hub, &owner, json!({"name": "Good", "scopes": ["users:read"]})).await;
    let good = secret(&made);
    let mistyped = format!("{}x", &good[..good.len() - 1]);
    let foreign = good.replacen("sbx_live_", "sbx_test_", 1);
    for wrong in [mistyped.as_str(), "sbx_", foreign.as_str()] {
        assert_eq!(
            problem(ask(&hub, wrong, Method::GET, "/me").await).await,
            (401, "api_key.refused".into()),
            "{wrong}"
        );
    }
    assert_eq!(
        problem(ask(&hub, &mistyped, Method::GET, "/me").await).await,
        (429, "api_key.too_many_wrong".into())
    );
    assert_eq!(
        ask(&hub, good, Method::GET, "/me").await.status(),
        200,
        "a right one is never counted"
    );
    // a key in a cookie is none: cookies are what other sites' pages bring along
    let cookie = hub
        .ask(Method::GET, "/me")
        .header("cookie", format!("__Host-signalbox_access={good}"));
    assert_eq!(problem(cookie.send().await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn an_organization_says_how_long_keys_may_live_and_only_an_owner_says_it() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let wanted = json!({"api_keys": {"max_days": 30}});
    assert_eq!(
        problem(hub.send(&admin, Method::PATCH, "/settings", wanted.clone()).await).await,
        (403, "permission.missing".into())
    );
    let set = body(hub.send(&owner, Method::PATCH, "/settings", wanted.clone()).await).await;
    assert_eq!(set["api_keys"], wanted["api_keys"]);
    assert_eq!(
        body(hub.get(&admin, "/api_key_policy").await).await,
        wanted["api_keys"]
    );
    let made = key(&hub, &admin, json!({"name": "Bound", "scopes": ["users:read"]})).await;
    assert!(made["expires_at"].is_string());
    let viewer = hub.someone(&["viewer"]).await;
    for path in ["/api_keys", "/api_key_policy"] {
        assert_eq!(
            problem(hub.get(&viewer, path).await).await,
            (403, "permission.missing".into())
        );
    }
    let others = format!("/api_keys/{}", made["id"].as_str().unwrap());
    let not_theirs = hub
        .send(&owner, Method::POST, &format!("{others}/rotate"), json!({}))
        .await;
    assert_eq!(problem(not_theirs).await, (403, "api_key.not_yours".into()));
    let revoked = hub
        .send(&owner, Method::POST, &format!("{others}/revoke"), json!({}))
        .await;
    assert_eq!(revoked.status(), 200);
}

#[tokio::test]
async fn an_idempotent_repeat_of_a_persons_request_tells_their_key_no_secret() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let made = key(&hub, &owner, json!({"name": "Weak", "scopes": ["users:read"]})).await;
    let new = json!({"name": "Strong", "scopes": ["users:read"]});
    let again = |token: &str| {
        let request = hub.ask(Method::POST, "/api_keys").bearer_auth(token);
        request.header("idempotency-key", "k1").json(&new).send()
    };
    let first = body(again(&owner.token).await.unwrap()).await;
    assert_eq!(
        body(again(&owner.token).await.unwrap()).await["secret"],
        first["secret"]
    );
    assert_eq!(
        problem(again(secret(&made)).await.unwrap()).await,
        (403, "permission.missing".into())
    );
}
