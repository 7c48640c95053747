//! ID tokens and logout tokens.

use super::super::id_token::{self, Expected, half_hash};
use super::super::jwt::{self, Signed, Wrong};
use super::claims;
use crate::live::application::token::jwks::Jwks;
use crate::outbound::Outbound;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://id.example.com",
        client_id: "hub",
        nonce: "n-1",
        access_token: Some("access"),
        now: NOW,
    }
}

fn good() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": "hub", "sub": "u", "nonce": "n-1", "iat": NOW - 5, "exp": NOW + 300,
        "at_hash": half_hash(Algorithm::ES256, "access"),
    })
}

fn check(changed: Value) -> Result<(), Wrong> {
    let token = Signed {
        claims: claims(changed),
        algorithm: Algorithm::ES256,
    };
    id_token::check(&token, &expected())
}

#[test]
fn an_id_token_is_taken_when_it_is_right_in_every_point_and_not_when_it_is_wrong_in_one() {
    check(good()).unwrap();
    for (field, value) in [
        ("iss", json!("https://id.example.com/")),
        ("iss", json!("https://evil.example.com")),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!(["hub", "another"])),
        ("aud", json!([])),
        ("azp", json!("another")),
        ("azp", json!(7)),
        ("nonce", json!("n-2")),
        ("nonce", json!("")),
        ("nonce", Value::Null),
        ("iat", json!(NOW + 61)),
        ("iat", json!(NOW - 601)),
        ("iat", Value::Null),
        ("iat", json!("1800000000")),
        ("nbf", json!(NOW + 61)),
        ("nbf", json!("soon")),
        ("exp", Value::Null),
        ("exp", json!("1900000000")),
        ("at_hash", json!(half_hash(Algorithm::ES256, "another"))),
    ] {
        let mut changed = good();
        changed[field] = value.clone();
        assert!(
            matches!(check(changed), Err(Wrong::Invalid(_))),
            "{field} {value}"
        );
    }
    for end in [NOW, NOW - 1] {
        let mut over = good();
        over["exp"] = json!(end);
        assert_eq!(check(over), Err(Wrong::Expired));
    }
    let mut several = good();
    several["aud"] = json!(["another", "hub"]);
    several["azp"] = json!("hub");
    check(several).unwrap();
}

#[test]
fn the_hash_of_an_access_token_goes_by_the_algorithm() {
    // the example of OpenID Connect Core 1.0, appendix A.3
    let access = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    assert_eq!(half_hash(Algorithm::RS256, access), "77QmUPtjPfzWtF2AnpK9RQ");
    let lengths =
        [Algorithm::PS256, Algorithm::ES384, Algorithm::EdDSA].map(|it| half_hash(it, access).len());
    assert_eq!(lengths, [22, 32, 43]);
}

#[test]
fn two_factors_are_those_of_different_kinds_that_the_token_itself_names() {
    for (amr, two) in [
        (json!(["mfa"]), true),
        (json!(["pwd", "otp"]), true),
        (json!(["face", "pin"]), true),
        (json!(["pwd"]), false),
        (json!(["pwd", "kba"]), false),
        (json!(["otp", "sms"]), false),
        (json!(["MFA"]), false),
        (json!("mfa"), false),
        (json!([{"mfa": true}, 2]), false),
        (Value::Null, false),
    ] {
        let claims = claims(json!({ "amr": amr }));
        assert_eq!(id_token::tells_two_factors(&claims), two, "{amr}");
    }
    assert!(!id_token::tells_two_factors(&claims(json!({"acr": "mfa"}))));
}

fn logout() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": "hub", "sub": "u", "sid": "s", "iat": NOW, "exp": NOW + 120, "jti": "j",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    })
}

fn read(changed: Value) -> Result<id_token::Logout, Wrong> {
    id_token::logout(&claims(changed), "https://id.example.com", "hub", NOW)
}

#[test]
fn a_logout_token_is_taken_when_it_is_right_in_every_point_and_an_id_token_is_none() {
    let taken = read(logout()).unwrap();
    assert_eq!(
        (taken.subject.as_deref(), taken.sid.as_deref(), taken.expires),
        (Some("u"), Some("s"), NOW + 120)
    );
    for (field, value) in [
        ("iss", json!("https://evil.example.com")),
        ("aud", json!("another")),
        ("iat", Value::Null),
        ("iat", json!(NOW + 61)),
        ("exp", Value::Null),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("a\0b")),
        ("nonce", json!("n-1")),
        ("nonce", Value::Null),
        ("events", Value::Null),
        ("events", json!({})),
        (
            "events",
            json!("http://schemas.openid.net/event/backchannel-logout"),
        ),
        (
            "events",
            json!({"http://schemas.openid.net/event/backchannel-logout": true}),
        ),
    ] {
        let mut changed = logout();
        changed[field] = value.clone();
        assert!(matches!(read(changed), Err(Wrong::Invalid(_))), "{field} {value}");
    }
    let mut of_nobody = claims(logout());
    of_nobody.remove("sub");
    assert!(
        read(Value::Object(of_nobody.clone())).is_ok(),
        "by its session alone"
    );
    of_nobody.remove("sid");
    assert!(read(Value::Object(of_nobody)).is_err());
    assert!(read(good()).is_err(), "an ID token");
    assert!(check(logout()).is_err(), "and the other way round");
}

proptest! {
    #[test]
    fn no_claims_make_the_checks_panic(text in "\\PC{0,40}", number in any::<f64>(), which in 0_usize..10) {
        let field = ["iss", "aud", "azp", "nonce", "iat", "exp", "nbf", "at_hash", "events", "amr"][which];
        for value in [json!(text), json!(number), json!([text, number]), json!({ text.clone(): number })] {
            for mut base in [good(), logout()] {
                base[field] = value.clone();
                let _ = id_token::tells_two_factors(&claims(base.clone()));
                let _ = check(base.clone());
                let _ = read(base);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_tokens_panic(text in "\\PC{0,200}", parts in proptest::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
        let keys = Jwks::at("http://127.0.0.1:9/keys", Outbound::straight().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for token in [text, parts.join(".")] {
            let _ = jwt::claimed_issuer(&token);
            prop_assert!(runtime.block_on(jwt::read(&token, &keys, &["ES256".to_owned()], &["jwt"])).is_err());
        }
    }
}
