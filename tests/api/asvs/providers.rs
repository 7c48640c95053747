//! V6.8, V7.6 and V10.3: identity providers, whose word the hub takes, and tokens that others issue for it.

use super::super::factors::demand;
use super::super::providers::{Stage, external};
use super::json_of;
use super::openid::refused;
use crate::harness::{SignedIn, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::clock::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_6_8_1_nobody_is_taken_for_somebody_of_another_provider() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let ada = stage.me(stage.sign_in("ada").await).await;
    // another provider knows somebody by the same name, even one with the same issuer
    let other = json!({
        "kind": "external_jwt", "name": "Hosted", "issuer": stage.identity.issuer, "audience": "project-7",
        "jwks_url": stage.identity.hosted_keys(), "algorithms": ["ES256"], "provision": true,
    });
    let made = stage
        .hub
        .send(&stage.owner, Method::POST, "/providers", other)
        .await;
    assert_eq!(made.status(), 201);
    let now = stage.hub.clock.now().unix_timestamp();
    let mut claims = json!({
        "iss": stage.identity.issuer, "aud": "project-7", "sub": "ada", "iat": now, "exp": now + 600,
        "email": "ada@example.com", "email_verified": true, "name": "Another Ada",
    });
    let token = stage.identity.token(claims.clone(), json!({}), "").await;
    let asked = stage.hub.ask(Method::GET, "/me").bearer_auth(&token);
    let told = problem(asked.send().await.unwrap()).await;
    assert_eq!(
        told,
        (403, "providers.not_linked".into()),
        "nor by the address of somebody here"
    );
    claims["email"] = json!("another@example.com");
    let token = stage.identity.token(claims, json!({}), "").await;
    let asked = stage.hub.ask(Method::GET, "/me").bearer_auth(&token);
    let another = json_of(asked.send().await.unwrap()).await;
    assert_ne!(another["user"]["id"], ada["user"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_6_8_2_what_a_provider_says_is_signed_by_it_or_not_believed() {
    let mut stage = Stage::set(json!({"provision": true, "algorithms": ["ES256"]})).await;
    for by in [
        "none",
        "stranger",
        "another body",
        "provider public key",
        "provider public pem",
    ] {
        // what it says is another's, so that no signature fits by chance
        stage.identity.spoil(json!({"sub": "eve"}), json!({}), by).await;
        assert_eq!(
            refused(stage.sign_in("ada").await).await,
            "providers.sign_in_failed",
            "{by}"
        );
    }
    stage.identity.spoil(json!({}), json!({}), "").await;
    stage.me(stage.sign_in("ada").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_6_8_4_what_a_provider_says_of_two_factors_and_of_when_they_were_shown_is_what_counts() {
    let mut stage = Stage::set(json!({"provision": true, "second_factor": true})).await;
    let id = stage.me(stage.sign_in("ada").await).await["user"]["id"].clone();
    let roles = json_of(stage.hub.get(&stage.owner, "/roles").await).await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    let viewer = roles.find(|role| role["name"] == "viewer").unwrap()["id"].clone();
    let path = format!("/users/{}/roles", id.as_str().unwrap());
    let given = stage
        .hub
        .send(&stage.owner, Method::PUT, &path, json!({"roles": [viewer]}))
        .await;
    assert_eq!(given.status(), 200);
    demand(&stage.hub, &stage.owner, "viewer", true).await;
    for (amr, status) in [
        (Value::Null, 202),
        (json!(["pwd"]), 202),
        (json!(["pwd", "otp"]), 200),
        (json!(["mfa"]), 200),
    ] {
        stage.identity.spoil(json!({"amr": amr}), json!({}), "").await;
        assert_eq!(stage.sign_in("ada").await.status(), status, "{amr}");
    }
    let path = format!("/providers/{}", stage.id);
    let off = json!({"second_factor": false});
    assert_eq!(
        stage
            .hub
            .send(&stage.owner, Method::PATCH, &path, off)
            .await
            .status(),
        200
    );
    stage.identity.spoil(json!({"amr": ["mfa"]}), json!({}), "").await;
    assert_eq!(
        stage.sign_in("ada").await.status(),
        202,
        "whose word of it is not taken"
    );
    a_sign_in_of_long_ago_is_no_proof_of_now().await;
}

async fn a_sign_in_of_long_ago_is_no_proof_of_now() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let code = "auth.step_up_needed";
    // nothing but the provider: no password, no factor
    let now = Clock::system().now().unix_timestamp();
    for (auth_time, recent) in [
        (json!(now - 3_600), false),
        (json!(1e300), false),
        (json!(now), true),
        (json!(now + 86_400), true),
        (Value::Null, true),
    ] {
        let said = json!({"auth_time": auth_time});
        stage.identity.spoil(said, json!({}), "").await;
        let token = stage.signed_in("ada").await;
        let asked = stage.hub.ask(Method::POST, "/me/factors").bearer_auth(&token);
        let wanted = asked.json(&json!({"kind": "totp"})).send().await.unwrap();
        if recent {
            assert_eq!(wanted.status(), 200, "{auth_time}");
        } else {
            assert_eq!(problem(wanted).await, (403, code.to_owned()), "{auth_time}");
        }
        let ways = stage.hub.ask(Method::GET, "/me/prove").bearer_auth(&token);
        let ways = json_of(ways.send().await.unwrap()).await;
        assert_eq!(ways["providers"], json!([{"id": stage.id, "name": "Staff"}]));
        assert_eq!(
            (&ways["has_password"], &ways["kinds"]),
            (&json!(false), &json!([]))
        );
    }
    // so the provider is asked when it was, and on wish to ask anew
    let path = format!("/auth/providers/{}/start", stage.id);
    for (again, age, prompt) in [(false, "2592000", false), (true, "0", true)] {
        let away = json_of(stage.hub.post(&path, json!({"again": again})).await).await;
        let url = away["authorization_url"].as_str().unwrap();
        assert!(url.contains(&format!("max_age={age}")), "{url}");
        assert_eq!(url.contains("prompt=login"), prompt, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_7_6_1_a_sign_out_at_the_provider_ends_the_sessions_here_and_these_end_by_their_own_time_too()
{
    let mut stage = Stage::set(json!({"provision": true})).await;
    let through = stage.signed_in("ada").await;
    let said = stage.logout("j-1");
    let token = stage
        .identity
        .token(said, json!({"typ": "logout+jwt"}), "provider")
        .await;
    assert_eq!(stage.tell(&token).await.status(), 200);
    assert_eq!(stage.status(&through).await, 401);
    let tokens = json_of(stage.sign_in("ada").await).await;
    stage.hub.clock.advance(time::Duration::days(31));
    let late = json!({"refresh_token": tokens["refresh_token"]});
    assert_eq!(
        stage.hub.post("/auth/refresh", late).await.status(),
        401,
        "whatever the provider's does"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_3_1_a_token_of_an_issuer_is_taken_when_it_was_made_for_this_service() {
    let mut stage = external::Stage::set(json!({})).await;
    for audience in [json!("project-8"), json!([]), Value::Null, json!(["project-8"])] {
        let mut claims = stage.claims();
        claims["aud"] = audience.clone();
        let token = stage.identity.token(claims, json!({}), "").await;
        assert_eq!(
            refused(stage.ask(&token, "/me").await).await,
            "auth.unauthenticated",
            "{audience}"
        );
    }
    let mut claims = stage.claims();
    claims["aud"] = json!(["project-8", "project-7"]);
    let token = stage.identity.token(claims, json!({}), "").await;
    assert_eq!(stage.ask(&token, "/me").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_3_4_what_needs_a_recent_proof_is_done_with_no_token_of_an_issuer() {
    let mut stage = external::Stage::set(json!({})).await;
    let token = stage.good().await;
    let me = json_of(stage.ask(&token, "/me").await).await;
    let id = me["user"]["id"].as_str().unwrap();
    // an owner of the hub, as far as rights go
    let organization = stage.hub.test.organization;
    let owner = format!(
        "INSERT INTO user_roles (organization_id, user_id, role_id)
         SELECT '{organization}', '{id}', r.id FROM roles r WHERE r.name = 'owner';
         UPDATE users SET access_version = access_version + 1 WHERE id = '{id}'"
    );
    stage.hub.test.sql(owner).await;
    let whom = stage.hub.someone(&[]).await;
    let acts = [
        (Method::POST, "/roles".to_owned(), json!({"name": "Night"})),
        (
            Method::POST,
            "/api_keys".to_owned(),
            json!({"name": "Key", "scopes": ["users:update"]}),
        ),
        (Method::DELETE, format!("/users/{}", whom.id), json!({})),
        (Method::DELETE, format!("/users/{}/factors", whom.id), json!({})),
        (Method::POST, "/me/factors".to_owned(), json!({"kind": "totp"})),
        (
            Method::POST,
            "/me/prove".to_owned(),
            json!({"kind": "password", "password": "any"}),
        ),
    ];
    let who = SignedIn {
        token,
        ..stage.owner.clone()
    };
    for (method, path, body) in acts {
        let told = problem(stage.hub.send(&who, method, &path, body).await).await;
        assert_eq!(told, (403, "auth.session_required".into()), "{path}");
    }
    assert_eq!(
        stage
            .hub
            .send(&who, Method::POST, "/teams", json!({"name": "Team"}))
            .await
            .status(),
        201
    );
}
