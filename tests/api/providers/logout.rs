//! What a provider says by itself (back-channel logout). A live connection that ends with it is in `tests/live/providers.rs`.

use super::Stage;
use crate::harness::{PASSWORD, problem};
use crate::live::identity::CLIENT;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::testing::code;

impl Stage {
    pub(in crate::api) async fn status(&self, token: &str) -> u16 {
        let asked = self
            .hub
            .ask(Method::GET, "/me")
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        asked.status().as_u16()
    }

    pub(in crate::api) async fn tell(&self, logout_token: &str) -> Response {
        let path = format!("/auth/providers/{}/logout", self.id);
        let form = format!("logout_token={logout_token}");
        let request = self.hub.ask(Method::POST, &path).body(form);
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .send()
            .await
            .unwrap()
    }

    /// The provider says that ada has signed out, and is heard; the token that said it.
    async fn ended(&mut self, jti: &str) -> String {
        let said = self.logout(jti);
        let token = self
            .identity
            .token(said, json!({"typ": "logout+jwt"}), "provider")
            .await;
        assert_eq!(self.tell(&token).await.status(), 200);
        token
    }

    pub(in crate::api) fn logout(&self, jti: &str) -> Value {
        let now = self.hub.clock.now().unix_timestamp();
        json!({
            "iss": self.identity.issuer, "aud": CLIENT, "sub": "ada", "jti": jti, "iat": now, "exp": now + 120,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_ends_every_session_of_its_person_through_the_provider_and_no_other_and_counts_once() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let (one, two, other) = (
        stage.signed_in("ada").await,
        stage.signed_in("ada").await,
        stage.signed_in("eve").await,
    );
    let token = stage.ended("j-1").await;
    assert_eq!((stage.status(&one).await, stage.status(&two).await), (401, 401));
    assert_eq!(
        (stage.status(&other).await, stage.status(&stage.owner.token).await),
        (200, 200)
    );
    let again = stage.signed_in("ada").await;
    assert_eq!(
        problem(stage.tell(&token).await).await,
        (400, "providers.logout_refused".into())
    );
    assert_eq!(
        stage.status(&again).await,
        200,
        "what was said before ends nothing that came after"
    );
    let ended = stage
        .hub
        .test
        .texts("SELECT revoked_reason FROM user_sessions WHERE revoked_at IS NOT NULL")
        .await;
    assert_eq!(ended, ["You have signed out at the provider."; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_logout_token_of_this_provider_ends_nothing() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let session = stage.signed_in("ada").await;
    let base = stage.logout("j");
    let with = |field: &str, value: Value| {
        let mut changed = base.clone();
        changed[field] = value;
        changed
    };
    let now = base["iat"].as_i64().unwrap();
    let typed = || json!({"typ": "logout+jwt"});
    for (what, claims, header, by) in [
        ("by a stranger", base.clone(), typed(), "stranger"),
        ("by an issuer's other key", base.clone(), typed(), ""),
        (
            "for another client",
            with("aud", json!("another")),
            typed(),
            "provider",
        ),
        (
            "of another issuer",
            with("iss", json!("https://evil.example.com")),
            typed(),
            "provider",
        ),
        ("expired", with("exp", json!(now - 1)), typed(), "provider"),
        (
            "without its event",
            with("events", json!({})),
            typed(),
            "provider",
        ),
        (
            "with a nonce, as an ID token has",
            with("nonce", json!("n")),
            typed(),
            "provider",
        ),
        ("without an id", with("jti", Value::Null), typed(), "provider"),
        ("of nobody", with("sub", Value::Null), typed(), "provider"),
        ("of no type", base.clone(), json!({}), "provider"),
        (
            "of an ID token's type",
            base.clone(),
            json!({"typ": "JWT"}),
            "provider",
        ),
        (
            "of another type",
            base.clone(),
            json!({"typ": "at+jwt"}),
            "provider",
        ),
    ] {
        let token = stage.identity.token(claims, header, by).await;
        let refused = problem(stage.tell(&token).await).await;
        assert_eq!(refused, (400, "providers.logout_refused".into()), "{what}");
    }
    for form in ["", "a=b", "logout_token"] {
        let path = format!("/auth/providers/{}/logout", stage.id);
        let refused = stage
            .hub
            .ask(Method::POST, &path)
            .body(form)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(refused).await.0, 400, "{form}");
    }
    assert_eq!(stage.status(&session).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_ends_has_ended_too_for_who_proved_again_meanwhile_who_they_are() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let session = stage.signed_in("ada").await;
    stage
        .hub
        .test
        .sql("UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email = 'owner@example.com') WHERE email = 'ada@example.com'")
        .await;
    let mut who = stage.owner.clone();
    who.token.clone_from(&session);
    let proof = json!({"kind": "password", "password": PASSWORD});
    let proved = stage.hub.send(&who, Method::POST, "/me/prove", proof).await;
    let proved: Value = proved.json().await.unwrap();
    let proved = proved["access_token"].as_str().unwrap();
    assert_eq!(stage.status(proved).await, 200);
    stage.ended("j-1").await;
    assert_eq!(stage.status(proved).await, 401);
    assert_eq!(stage.status(&session).await, 401, "and what ran out still");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_ends_ends_days_later_too_where_a_second_factor_came_in_between() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let mut who = stage.owner.clone();
    who.token = stage.signed_in("ada").await;
    let secret = stage.with_app(&who).await;
    let session = stage.sign_in_with_code("ada", &secret).await;
    stage
        .hub
        .test
        .sql("UPDATE provider_sign_ins SET at = at - interval '2 days'")
        .await;
    // with which sign-ins that led to nothing are forgotten
    stage.signed_in("eve").await;
    assert_eq!(stage.status(&session).await, 200);
    stage.ended("j-1").await;
    assert_eq!(stage.status(&session).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_owes_a_second_factor_when_the_provider_ends_their_sign_in_gets_no_session() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let mut who = stage.owner.clone();
    who.token = stage.signed_in("ada").await;
    let secret = stage.with_app(&who).await;
    let owed: Value = stage.sign_in("ada").await.json().await.unwrap();
    stage.ended("j-1").await;
    stage.hub.clock.advance(time::Duration::minutes(1));
    let proof = json!({"kind": "totp", "code": code(&secret, stage.hub.clock.now())});
    let ticket = &owed["factor_needed"]["ticket"];
    let shown = stage
        .hub
        .post("/auth/factor", json!({"ticket": ticket, "proof": proof}))
        .await;
    assert_eq!(problem(shown).await, (401, "auth.session_ended".into()));
}
