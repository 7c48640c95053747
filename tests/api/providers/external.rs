//! Tokens of an issuer that the hub trusts, with each request.

use crate::harness::{Hub, SignedIn, hub, problem};
use crate::live::identity::Identity;
use reqwest::{Method, Response};
use serde_json::{Value, json};

struct Stage {
    hub: Hub,
    identity: Identity,
    owner: SignedIn,
    path: String,
}

impl Stage {
    async fn set(with: Value) -> Self {
        let hub = hub().await;
        let identity = Identity::start().await;
        let owner = hub.owner().await;
        let mut body = json!({
            "kind": "external_jwt", "name": "Hosted", "issuer": identity.issuer, "jwks_url": identity.hosted_keys(),
            "audience": "project-7", "algorithms": ["ES256"], "provision": true,
        });
        body.as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        let made = hub.send(&owner, Method::POST, "/providers", body).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.unwrap();
        Self {
            path: format!("/providers/{}", made["id"].as_str().unwrap()),
            hub,
            identity,
            owner,
        }
    }

    fn claims(&self) -> Value {
        let now = self.hub.clock.now().unix_timestamp();
        json!({
            "iss": self.identity.issuer, "aud": "project-7", "sub": "u-1", "iat": now, "exp": now + 600,
            "email": "ada@example.com", "email_verified": true, "name": "Ada", "role": "support",
        })
    }

    async fn good(&mut self) -> String {
        let claims = self.claims();
        self.identity.token(claims, json!({}), "").await
    }

    async fn ask(&self, token: &str, path: &str) -> Response {
        self.hub
            .ask(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    async fn change(&self, change: Value) {
        let changed = self
            .hub
            .send(&self.owner, Method::PATCH, &self.path, change)
            .await;
        assert_eq!(changed.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_issuer_lets_its_person_in_and_the_record_tells_through_what() {
    let mut stage = Stage::set(json!({})).await;
    let roles: Value = stage.hub.get(&stage.owner, "/roles").await.json().await.unwrap();
    let manager = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "manager")
        .unwrap();
    stage
        .change(json!({"mappings": [{"claim": "role", "value": "support", "role": manager["id"]}]}))
        .await;
    let token = stage.good().await;
    let me: Value = stage.ask(&token, "/me").await.json().await.unwrap();
    assert_eq!(me["user"]["email"], "ada@example.com");
    assert_eq!(
        (&me["session_id"], &me["api_key_id"]),
        (&Value::Null, &Value::Null)
    );
    let body = json!({"name": "New team"});
    let made = stage
        .hub
        .ask(Method::POST, "/teams")
        .bearer_auth(&token)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let told = stage
        .hub
        .test
        .texts("SELECT credential_kind || ' ' || (credential_id = (SELECT id FROM linked_accounts))::text FROM audit_logs WHERE action = 'teams.create'")
        .await;
    assert_eq!(told, ["external true"]);
    // what decides over ways in, it may not do
    let password = json!({"current_password": "x", "new_password": "correct horse battery"});
    for (path, body) in [
        ("/me/password", password),
        ("/api_keys", json!({"name": "k", "scopes": ["teams:read"]})),
    ] {
        let refused = stage
            .hub
            .ask(Method::POST, path)
            .bearer_auth(&token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(refused).await.0, 403, "{path}");
    }
    let live = stage
        .hub
        .ask(Method::POST, "/live/token")
        .bearer_auth(&token)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(live).await, (403, "auth.session_required".into()));

    // another token without the claim, and the role is gone
    let mut claims = stage.claims();
    claims["role"] = json!("customer");
    let plain = stage.identity.token(claims, json!({}), "").await;
    let me: Value = stage.ask(&plain, "/me").await.json().await.unwrap();
    assert_eq!(me["roles"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_right_in_every_point_opens_nothing() {
    let mut stage = Stage::set(json!({})).await;
    let base = stage.claims();
    let with = |field: &str, value: Value| {
        let mut changed = base.clone();
        changed[field] = value;
        changed
    };
    let now = base["iat"].as_i64().unwrap();
    let mut tokens = Vec::new();
    for (what, claims, header, by) in [
        (
            "for another audience",
            with("aud", json!("project-8")),
            json!({}),
            "",
        ),
        ("for nobody", with("aud", Value::Null), json!({}), ""),
        ("without an end", with("exp", Value::Null), json!({}), ""),
        ("not valid yet", with("nbf", json!(now + 300)), json!({}), ""),
        ("from the future", with("iat", json!(now + 300)), json!({}), ""),
        ("without a subject", with("sub", json!("")), json!({}), ""),
        ("by a stranger", base.clone(), json!({}), "stranger"),
        ("by what everybody knows", base.clone(), json!({}), "public key"),
        ("of another type", base.clone(), json!({"typ": "logout+jwt"}), ""),
        ("by an unknown key", base.clone(), json!({"kid": "unknown"}), ""),
    ] {
        tokens.push((what, stage.identity.token(claims, header, by).await));
    }
    let good = stage.good().await;
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    tokens.push(("alg none", format!("{none}.{}.", parts[1])));
    tokens.push(("no signature", format!("{}.{}.", parts[0], parts[1])));
    for (what, token) in tokens {
        let refused = problem(stage.ask(&token, "/me").await).await;
        assert_eq!(refused, (401, "auth.unauthenticated".into()), "{what}");
    }
    let late = stage
        .identity
        .token(with("exp", json!(now - 1)), json!({}), "")
        .await;
    assert_eq!(
        problem(stage.ask(&late, "/me").await).await,
        (401, "auth.token_expired".into())
    );
    let by_cookie = stage
        .hub
        .ask(Method::GET, "/me")
        .header("cookie", format!("__Host-signalbox_access={good}"));
    assert_eq!(
        problem(by_cookie.send().await.unwrap()).await.0,
        401,
        "no cookie carries one"
    );
    assert_eq!(
        stage.hub.test.count("SELECT count(*) FROM linked_accounts").await,
        0
    );
    assert_eq!(stage.ask(&good, "/me").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checked_token_ends_with_its_time_its_person_and_its_issuer() {
    let mut stage = Stage::set(json!({})).await;
    let token = stage.good().await;
    let me: Value = stage.ask(&token, "/me").await.json().await.unwrap();
    let id = me["user"]["id"].as_str().unwrap();
    let ban = json!({"reason": "test"});
    stage
        .hub
        .send(&stage.owner, Method::POST, &format!("/users/{id}/ban"), ban)
        .await;
    assert_eq!(
        problem(stage.ask(&token, "/me").await).await,
        (401, "auth.session_ended".into())
    );
    stage
        .hub
        .send(
            &stage.owner,
            Method::POST,
            &format!("/users/{id}/unban"),
            json!({}),
        )
        .await;
    assert_eq!(stage.ask(&token, "/me").await.status(), 200);
    stage.change(json!({"enabled": false})).await;
    assert_eq!(problem(stage.ask(&token, "/me").await).await.0, 401);
    stage.change(json!({"enabled": true})).await;
    assert_eq!(stage.ask(&token, "/me").await.status(), 200);
    stage.change(json!({"algorithms": ["EdDSA"]})).await;
    assert_eq!(
        problem(stage.ask(&token, "/me").await).await,
        (401, "auth.unauthenticated".into()),
        "checked anew"
    );
    stage.change(json!({"algorithms": ["ES256"]})).await;
    assert_eq!(stage.ask(&token, "/me").await.status(), 200);
    stage.hub.clock.advance(time::Duration::minutes(11));
    assert_eq!(
        problem(stage.ask(&token, "/me").await).await,
        (401, "auth.token_expired".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_nobody_knows_is_told_so_where_nobody_is_added() {
    let mut stage = Stage::set(json!({"provision": false})).await;
    let token = stage.good().await;
    assert_eq!(
        problem(stage.ask(&token, "/me").await).await,
        (403, "providers.nobody".into())
    );
    // many at once of somebody new are one person
    stage.change(json!({"provision": true})).await;
    let answers = futures::future::join_all((0..10).map(|_| stage.ask(&token, "/me"))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(
        stage
            .hub
            .test
            .count("SELECT count(*) FROM users WHERE email = 'ada@example.com'")
            .await,
        1
    );
}
