//! ID tokens that a provider never gave: whoever answers in its place, or holds a token of something else, is believed in
//! nothing (RFC 8725 §3; OpenID Connect Core 1.0 §3.1.3.7).

use super::Stage;
use crate::harness::problem;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_is_not_right_in_every_point_signs_nobody_in() {
    let mut stage = Stage::set(json!({"provision": true, "algorithms": ["ES256"]})).await;
    let now = stage.hub.clock.now().unix_timestamp();
    let nothing = || json!({});
    for (what, claims, header, by) in [
        ("by none", nothing(), nothing(), "none"),
        ("by None", nothing(), json!({"alg": "None"}), "none"),
        (
            "signed by what everybody knows, as JSON",
            nothing(),
            nothing(),
            "provider public key",
        ),
        (
            "signed by what everybody knows, as PEM",
            nothing(),
            nothing(),
            "provider public pem",
        ),
        (
            "with the signature of another one",
            json!({"sub": "bob"}),
            nothing(),
            "another body",
        ),
        ("by a stranger", nothing(), nothing(), "stranger"),
        (
            "by a key that is not in the set",
            nothing(),
            json!({"kid": "unknown"}),
            "stranger",
        ),
        (
            "of an algorithm that is not on the list",
            nothing(),
            nothing(),
            "provider rsa",
        ),
        (
            "of the type of an access token",
            nothing(),
            json!({"typ": "at+jwt"}),
            "",
        ),
        (
            "of the type of a logout token",
            nothing(),
            json!({"typ": "logout+jwt"}),
            "",
        ),
        (
            "of another issuer",
            json!({"iss": "https://evil.example.com"}),
            nothing(),
            "",
        ),
        ("for another client", json!({"aud": "another"}), nothing(), ""),
        (
            "for several, by another",
            json!({"aud": ["signalbox", "another"], "azp": "another"}),
            nothing(),
            "",
        ),
        ("run out", json!({"exp": now - 1}), nothing(), ""),
        ("without an end", json!({"exp": Value::Null}), nothing(), ""),
        ("not valid yet", json!({"nbf": now + 300}), nothing(), ""),
        ("of long ago", json!({"iat": now - 700}), nothing(), ""),
        ("of another sign-in", json!({"nonce": "another"}), nothing(), ""),
        ("of no sign-in", json!({"nonce": Value::Null}), nothing(), ""),
        (
            "with another access token",
            json!({"at_hash": "AAAA"}),
            nothing(),
            "",
        ),
        ("of nobody", json!({"sub": Value::Null}), nothing(), ""),
    ] {
        stage.identity.spoil(claims, header, by).await;
        let refused = problem(stage.sign_in("ada").await).await;
        assert_eq!(refused, (401, "providers.sign_in_failed".into()), "{what}");
    }
    let kept = "SELECT (SELECT count(*) FROM linked_accounts) + (SELECT count(*) FROM provider_sign_ins)";
    assert_eq!(stage.hub.test.count(kept).await, 0);
    // a token that was signed anew by its issuer, and says the same, is believed: nothing else refused those before
    stage.identity.spoil(json!({}), json!({}), "").await;
    stage.me(stage.sign_in("ada").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_use_is_none_of_another() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let session = stage.signed_in("ada").await;
    // what an ID token says, told as a logout token
    let mut claims = stage.logout("j");
    claims["nonce"] = json!("n");
    claims.as_object_mut().unwrap().remove("events");
    let id_token = stage
        .identity
        .token(claims, json!({"typ": "JWT"}), "provider")
        .await;
    let refused = problem(stage.tell(&id_token).await).await;
    assert_eq!(refused, (400, "providers.logout_refused".into()));
    // and a logout token, for an ID token or an access token
    let logout = stage.logout("j");
    let token = stage
        .identity
        .token(logout.clone(), json!({"typ": "logout+jwt"}), "provider")
        .await;
    assert_eq!(stage.status(&token).await, 401);
    assert_eq!(
        stage.status(&id_token).await,
        401,
        "an ID token opens nothing either"
    );
    stage
        .identity
        .spoil(logout, json!({"typ": "logout+jwt"}), "")
        .await;
    let refused = problem(stage.sign_in("eve").await).await;
    assert_eq!(refused, (401, "providers.sign_in_failed".into()));
    assert_eq!(stage.status(&session).await, 200);
}
