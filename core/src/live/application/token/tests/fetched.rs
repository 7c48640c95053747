//! Keys from an address, against somebody on this machine who serves them.

use super::super::jwks::Pace;
use super::*;
use crate::outbound::tests::{StandIn, ok};
use jsonwebtoken::jwk::Jwk;
use std::time::Duration;

fn key_of(algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(&private(algorithm), algorithm).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn set(keys: &[Value]) -> String {
    ok(&json!({"keys": keys}).to_string())
}

fn fetching(stand_in: &StandIn, pace: Pace) -> Tokens {
    let sources = Sources {
        jwks_url: stand_in.url.clone(),
        ..Sources::default()
    };
    Tokens::new(Keys::read(&sources).unwrap().paced(pace), None)
}

fn by(algorithm: Algorithm, kid: Option<&str>) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(algorithm)
    };
    signed(&header, &private(algorithm), &json!({"sub": "7"}))
}

const NEVER: Pace = Pace {
    fresh: Duration::from_hours(1),
    stale: Duration::from_hours(1),
    pause: Duration::from_hours(1),
};

#[tokio::test]
async fn a_key_set_is_fetched_once_for_all_who_come_at_the_same_time() {
    let keys = [
        key_of(Algorithm::ES256, "e"),
        key_of(Algorithm::RS256, "r"),
        key_of(Algorithm::EdDSA, "d"),
    ];
    let stand_in = StandIn::answering(set(&keys)).await;
    let tokens = fetching(&stand_in, Pace::default());
    let all = [
        (Algorithm::ES256, "e"),
        (Algorithm::RS256, "r"),
        (Algorithm::EdDSA, "d"),
    ];
    let all = all.map(|(algorithm, kid)| by(algorithm, Some(kid)));
    // on one thread all of them have asked before the answer to the first can be read
    let read = futures::future::join_all((0..30).map(|n| tokens.connection(&all[n % 3], NOW))).await;
    assert!(read.iter().all(Result::is_ok), "{read:?}");
    assert!(
        tokens.connection(&by(Algorithm::ES256, None), NOW).await.is_ok(),
        "the only one of its kind"
    );
    assert_eq!(stand_in.times(), 1);
}

#[tokio::test]
async fn tokens_that_name_unknown_keys_make_nobody_ask_again_and_again() {
    let stand_in = StandIn::answering(set(&[key_of(Algorithm::ES256, "e")])).await;
    let tokens = fetching(&stand_in, NEVER);
    for n in 0..50 {
        let token = by(Algorithm::ES256, Some(&format!("unknown {n}")));
        // the first had the set asked for; a key of the others may be newer than that
        let told = if n == 0 {
            Refused::Invalid
        } else {
            Refused::Unavailable
        };
        assert_eq!(tokens.connection(&token, NOW).await.unwrap_err(), told);
    }
    assert_eq!(stand_in.times(), 1);
    assert!(
        tokens
            .connection(&by(Algorithm::ES256, Some("e")), NOW)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_new_key_is_found_as_soon_as_a_token_names_it() {
    let stand_in = StandIn::answering(set(&[key_of(Algorithm::ES256, "old")])).await;
    let tokens = fetching(
        &stand_in,
        Pace {
            pause: Duration::ZERO,
            ..NEVER
        },
    );
    assert!(
        tokens
            .connection(&by(Algorithm::ES256, Some("old")), NOW)
            .await
            .is_ok()
    );
    stand_in.now_answers(set(&[key_of(Algorithm::EdDSA, "new")]));
    assert!(
        tokens
            .connection(&by(Algorithm::EdDSA, Some("new")), NOW)
            .await
            .is_ok()
    );
    assert_eq!(
        tokens
            .connection(&by(Algorithm::ES256, Some("old")), NOW)
            .await
            .unwrap_err(),
        Refused::Invalid
    );
}

#[tokio::test]
async fn keys_outlive_an_outage_of_whoever_serves_them_but_not_for_ever() {
    let stand_in = StandIn::answering(set(&[key_of(Algorithm::ES256, "e")])).await;
    let token = by(Algorithm::ES256, Some("e"));
    let (aging, gone) = (
        fetching(
            &stand_in,
            Pace {
                fresh: Duration::ZERO,
                pause: Duration::ZERO,
                ..NEVER
            },
        ),
        fetching(
            &stand_in,
            Pace {
                fresh: Duration::ZERO,
                stale: Duration::from_millis(200),
                pause: Duration::ZERO,
            },
        ),
    );
    assert!(aging.connection(&token, NOW).await.is_ok() && gone.connection(&token, NOW).await.is_ok());
    stand_in.now_answers("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".into());
    assert!(
        aging.connection(&token, NOW).await.is_ok(),
        "known before the outage"
    );
    let new = by(Algorithm::EdDSA, Some("new"));
    assert_eq!(
        aging.connection(&new, NOW).await.unwrap_err(),
        Refused::Unavailable,
        "it may be a new key"
    );
    crate::testing::eventually("the set has grown too old", async || {
        gone.connection(&token, NOW).await == Err(Refused::Unavailable)
    })
    .await;
}

#[tokio::test]
async fn without_a_set_nobody_is_let_in_and_everybody_may_try_again() {
    for answer in [ok("not json"), ok("{}"), ok(&"x".repeat(300_000)), String::new()] {
        let stand_in = StandIn::answering(answer).await;
        let tokens = fetching(&stand_in, Pace::default());
        let token = by(Algorithm::ES256, Some("e"));
        for _ in 0..5 {
            assert_eq!(
                tokens.connection(&token, NOW).await.unwrap_err(),
                Refused::Unavailable
            );
        }
        assert_eq!(stand_in.times(), 1, "a failure is no reason to ask at once");
    }
}

#[tokio::test]
async fn keys_that_are_not_public_signature_keys_are_passed_over_and_the_others_believed() {
    let mut for_encryption = key_of(Algorithm::RS256, "enc");
    for_encryption["use"] = json!("enc");
    let mut other_algorithm = key_of(Algorithm::RS256, "r512");
    other_algorithm["alg"] = json!("RS512");
    let keys = [
        json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        json!({"kty": "unheard-of", "kid": "u"}),
        json!("nonsense"),
        for_encryption,
        other_algorithm,
        key_of(Algorithm::ES256, "e"),
    ];
    let stand_in = StandIn::answering(set(&keys)).await;
    let pace = Pace {
        pause: Duration::ZERO,
        ..NEVER
    };
    let tokens = fetching(&stand_in, pace);
    assert!(
        tokens
            .connection(&by(Algorithm::ES256, Some("e")), NOW)
            .await
            .is_ok()
    );
    assert!(
        tokens
            .connection(&by(Algorithm::RS512, Some("r512")), NOW)
            .await
            .is_ok()
    );
    for (algorithm, kid) in [
        (Algorithm::HS256, "oct"),
        (Algorithm::RS256, "enc"),
        (Algorithm::RS256, "r512"),
        (Algorithm::ES256, "oct"),
    ] {
        assert_eq!(
            tokens
                .connection(&by(algorithm, Some(kid)), NOW)
                .await
                .unwrap_err(),
            Refused::Invalid,
            "{kid}"
        );
    }
}
