//! The keys in this folder were made for these tests and open nothing else.

mod fetched;

use super::*;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const RSA: &str = include_str!("rsa.pem");
const RSA_PUBLIC: &str = include_str!("rsa.pub.pem");
const P256: &str = include_str!("p256.pem");
const P256_PUBLIC: &str = include_str!("p256.pub.pem");
const P384: &str = include_str!("p384.pem");
const P384_PUBLIC: &str = include_str!("p384.pub.pem");
const ED25519: &str = include_str!("ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("ed25519.pub.pem");

fn sources() -> Sources {
    Sources {
        hmac_secrets: vec!["secret".into()],
        rsa_public_key: RSA_PUBLIC.into(),
        ecdsa_public_key: P256_PUBLIC.into(),
        eddsa_public_key: ED25519_PUBLIC.into(),
        ..Sources::default()
    }
}

fn with(sources: &Sources) -> Tokens {
    Tokens::new(Keys::read(sources).unwrap(), None)
}

fn tokens() -> Tokens {
    with(&sources())
}

fn signed(header: &Header, key: &EncodingKey, claims: &Value) -> String {
    encode(header, claims, key).unwrap()
}

fn hmac(claims: &Value) -> String {
    signed(
        &Header::new(Algorithm::HS256),
        &EncodingKey::from_secret(b"secret"),
        claims,
    )
}

fn private(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => {
            EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap()
        }
        Algorithm::ES256 => EncodingKey::from_ec_pem(P256.as_bytes()).unwrap(),
        Algorithm::ES384 => EncodingKey::from_ec_pem(P384.as_bytes()).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED25519.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(b"secret"),
    }
}

async fn refused(token: &str) -> Refused {
    tokens().connection(token, NOW).await.unwrap_err()
}

#[tokio::test]
async fn a_token_of_every_algorithm_is_believed_by_the_key_of_its_family() {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, RS256, RS384, RS512};
    let with_384 = with(&Sources {
        ecdsa_public_key: P384_PUBLIC.into(),
        ..sources()
    });
    for algorithm in [HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, EdDSA] {
        let token = signed(&Header::new(algorithm), &private(algorithm), &json!({"sub": "7"}));
        let tokens = if algorithm == ES384 { &with_384 } else { &tokens() };
        let claims = tokens.connection(&token, NOW).await;
        assert_eq!(
            claims.map(|claims| claims.user),
            Ok("7".to_owned()),
            "{algorithm:?}"
        );
        let nobody = with(&Sources::default());
        assert_eq!(
            nobody.connection(&token, NOW).await.unwrap_err(),
            Refused::Invalid,
            "{algorithm:?}"
        );
    }
}

#[tokio::test]
async fn everything_a_connection_token_says_is_read() {
    let token = hmac(&json!({
        "sub": "7", "exp": NOW + 60, "iat": NOW, "nbf": NOW, "jti": "x", "info": {"name": "Ada"}, "meta": {"a": 1},
        "subs": {
            "chat:1": {"info": [1], "data": {"b": 2}, "override": {"presence": {"value": true}, "force_recovery": {}}},
            "chat:2": {"b64info": "WzFd", "b64data": "/w=="},
        },
    }));
    let claims = tokens().connection(&token, NOW).await.unwrap();
    assert_eq!((claims.user.as_str(), claims.expire_at), ("7", Some(NOW + 60)));
    assert_eq!(
        (claims.info.unwrap(), claims.meta.unwrap()),
        (Bytes::from(r#"{"name":"Ada"}"#), Bytes::from(r#"{"a":1}"#))
    );
    let (first, second) = (&claims.subs["chat:1"], &claims.subs["chat:2"]);
    assert_eq!(
        (first.info.clone().unwrap(), first.data.clone().unwrap()),
        (Bytes::from("[1]"), Bytes::from(r#"{"b":2}"#))
    );
    assert_eq!(
        (first.overrides.presence, first.overrides.force_recovery),
        (Some(true), Some(false))
    );
    assert_eq!(first.overrides.join_leave, None);
    assert_eq!(
        (second.info.clone().unwrap(), second.data.clone().unwrap()),
        (Bytes::from("[1]"), Bytes::from_static(b"\xff"))
    );
    let several = hmac(&json!({"sub": "7", "channels": ["chat:1", "chat:2"]}));
    let claims = tokens().connection(&several, NOW).await.unwrap();
    assert_eq!(
        (claims.channels, claims.expire_at),
        (vec!["chat:1".to_owned(), "chat:2".to_owned()], None)
    );
}

#[tokio::test]
async fn everything_a_subscription_token_says_is_read() {
    let token = hmac(&json!({
        "sub": "7", "channel": "chat:1", "client": "c", "exp": NOW + 60, "expire_at": NOW + 9, "b64info": "eyJhIjoxfQ==",
        "override": {"force_push_join_leave": {"value": true}},
    }));
    let claims = tokens().subscription(&token, NOW).await.unwrap();
    assert_eq!(
        (
            claims.user.as_str(),
            claims.channel.as_str(),
            claims.client.as_deref()
        ),
        ("7", "chat:1", Some("c"))
    );
    assert_eq!(
        (claims.expire_at, claims.info.unwrap()),
        (Some(NOW + 9), Bytes::from(r#"{"a":1}"#))
    );
    assert_eq!(claims.overrides.force_push_join_leave, Some(true));
}

#[tokio::test]
async fn a_token_is_good_from_the_second_of_nbf_to_the_one_before_exp() {
    for (claims, good) in [
        (json!({"exp": NOW + 1}), true),
        (json!({"exp": NOW}), false),
        (json!({"exp": NOW as f64 + 0.5}), true),
        (json!({"nbf": NOW}), true),
        (json!({"nbf": NOW + 1}), false),
        (json!({}), true),
    ] {
        let read = tokens().connection(&hmac(&claims), NOW).await;
        assert_eq!(
            read.map(drop),
            if good { Ok(()) } else { Err(Refused::Expired) },
            "{claims}"
        );
    }
    // expire_at 0: the connection stays though the token ends
    let token = hmac(&json!({"exp": NOW + 1, "expire_at": 0}));
    assert_eq!(tokens().connection(&token, NOW).await.unwrap().expire_at, None);
}

#[tokio::test]
async fn a_token_of_one_kind_is_none_of_the_other() {
    let subscription = hmac(&json!({"sub": "7", "channel": "chat:1"}));
    assert_eq!(refused(&subscription).await, Refused::Invalid);
    let connection = hmac(&json!({"sub": "7"}));
    assert_eq!(
        tokens().subscription(&connection, NOW).await.unwrap_err(),
        Refused::Invalid
    );
    let own = Keys::read(&Sources {
        hmac_secrets: vec!["other".into()],
        ..Sources::default()
    })
    .unwrap();
    let apart = Tokens::new(Keys::read(&sources()).unwrap(), Some(own));
    assert_eq!(
        apart.subscription(&subscription, NOW).await.unwrap_err(),
        Refused::Invalid
    );
}

#[tokio::test]
async fn no_algorithm_is_no_signature() {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", "nOnE", "", "HS1"] {
        for signature in ["", "x", "c2lnbmF0dXJl"] {
            let token = format!(
                "{}.{}.{signature}",
                part(json!({"alg": alg, "typ": "JWT"})),
                part(json!({"sub": "7"}))
            );
            assert_eq!(refused(&token).await, Refused::Invalid, "{alg} {signature}");
        }
    }
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    for public in [RSA_PUBLIC, P256_PUBLIC, ED25519_PUBLIC] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for secret in [public, public.trim_end()] {
                let key = EncodingKey::from_secret(secret.as_bytes());
                let forged = signed(&Header::new(algorithm), &key, &json!({"sub": "7"}));
                assert_eq!(refused(&forged).await, Refused::Invalid);
                let without = with(&Sources {
                    hmac_secrets: vec![],
                    ..sources()
                });
                assert_eq!(
                    without.connection(&forged, NOW).await.unwrap_err(),
                    Refused::Invalid
                );
            }
        }
    }
}

#[tokio::test]
async fn another_algorithm_in_the_header_than_was_signed_with_is_refused() {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    for (signed_with, claimed) in [
        ("RS256", "HS256"),
        ("HS256", "RS256"),
        ("RS256", "RS512"),
        ("ES256", "RS256"),
        ("ES256", "EdDSA"),
        ("RS256", "PS256"),
    ] {
        let algorithm: Algorithm = signed_with.parse().unwrap();
        let token = signed(&Header::new(algorithm), &private(algorithm), &json!({"sub": "7"}));
        let (_, rest) = token.split_once('.').unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": claimed, "typ": "JWT"}).to_string());
        assert_eq!(
            refused(&format!("{header}.{rest}")).await,
            Refused::Invalid,
            "{signed_with} as {claimed}"
        );
    }
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_is_not_believed_by_it() {
    let mut header = Header::new(Algorithm::HS256);
    let foreign = EncodingKey::from_secret(b"mine");
    header.jwk = Some(jsonwebtoken::jwk::Jwk::from_encoding_key(&foreign, Algorithm::HS256).unwrap());
    header.jku = Some("http://127.0.0.1:1/keys".to_owned());
    assert_eq!(
        refused(&signed(&header, &foreign, &json!({"sub": "7"}))).await,
        Refused::Invalid
    );
}

#[tokio::test]
async fn tokens_of_other_types_and_with_conditions_are_refused() {
    let of_type = |kind: Option<&str>| {
        let header = Header {
            typ: kind.map(str::to_owned),
            ..Header::new(Algorithm::HS256)
        };
        signed(&header, &private(Algorithm::HS256), &json!({"sub": "7"}))
    };
    for good in [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("at+jwt"),
        Some("application/at+jwt"),
    ] {
        assert!(tokens().connection(&of_type(good), NOW).await.is_ok(), "{good:?}");
    }
    for wrong in ["live+jwt", "logout+jwt", "dpop+jwt", "JWE", ""] {
        assert_eq!(refused(&of_type(Some(wrong))).await, Refused::Invalid, "{wrong}");
    }
    let header = Header {
        crit: Some(vec!["exp".into()]),
        ..Header::new(Algorithm::HS256)
    };
    assert_eq!(
        refused(&signed(&header, &private(Algorithm::HS256), &json!({}))).await,
        Refused::Invalid
    );
}

#[tokio::test]
async fn while_one_secret_takes_anothers_place_both_are_believed() {
    let old = signed(
        &Header::new(Algorithm::HS256),
        &EncodingKey::from_secret(b"old"),
        &json!({"sub": "7"}),
    );
    assert_eq!(refused(&old).await, Refused::Invalid);
    let both = with(&Sources {
        hmac_secrets: vec!["secret".into(), "old".into()],
        ..Sources::default()
    });
    assert!(both.connection(&old, NOW).await.is_ok());
    assert!(both.connection(&hmac(&json!({"sub": "7"})), NOW).await.is_ok());
}

#[tokio::test]
async fn audience_and_issuer_are_held_to_where_they_are_set() {
    let strict = with(&Sources {
        audience: "app".into(),
        issuer: "us".into(),
        ..sources()
    });
    for (claims, good) in [
        (json!({"aud": "app", "iss": "us"}), true),
        (json!({"aud": ["x", "app"], "iss": "us"}), true),
        (json!({"aud": "other", "iss": "us"}), false),
        (json!({"aud": "app", "iss": "them"}), false),
        (json!({"iss": "us"}), false),
        (json!({"aud": "app"}), false),
        // whatever else is wrong with it
        (json!({"aud": "other", "iss": "us", "exp": 1}), false),
    ] {
        let read = strict.connection(&hmac(&claims), NOW).await;
        assert_eq!(
            read.map(drop),
            if good { Ok(()) } else { Err(Refused::Invalid) },
            "{claims}"
        );
        assert!(claims.get("exp").is_some() || tokens().connection(&hmac(&claims), NOW).await.is_ok());
    }
}

#[tokio::test]
async fn claims_that_are_not_what_they_must_be_are_refused() {
    let wrong = [
        json!({"sub": 7}),
        json!({"exp": "soon"}),
        json!({"b64info": "%"}),
        json!({"b64info": "/w=="}),
        json!({"channels": "chat:1"}),
        json!({"subs": {"chat:1": {"b64info": "%"}}}),
        json!({"subs": {"chat:1": {"override": {"presence": true}}}}),
        json!([1]),
        json!(null),
    ];
    for claims in wrong {
        assert_eq!(refused(&hmac(&claims)).await, Refused::Invalid, "{claims}");
    }
    let long = hmac(&json!({"sub": "x".repeat(16_384)}));
    assert_eq!(refused(&long).await, Refused::Invalid);
}

#[test]
fn a_key_that_is_not_what_its_setting_says_is_named() {
    let cases = [
        (
            Sources {
                rsa_public_key: "x".into(),
                ..Sources::default()
            },
            "rsa_public_key",
        ),
        (
            Sources {
                rsa_public_key: P256_PUBLIC.into(),
                ..Sources::default()
            },
            "rsa_public_key",
        ),
        (
            Sources {
                ecdsa_public_key: RSA_PUBLIC.into(),
                ..Sources::default()
            },
            "ecdsa_public_key",
        ),
        (
            Sources {
                eddsa_public_key: P256_PUBLIC.into(),
                ..Sources::default()
            },
            "eddsa_public_key",
        ),
    ];
    for (sources, named) in cases {
        assert_eq!(Keys::read(&sources).map(drop), Err(named));
    }
}

#[tokio::test]
async fn no_byte_of_a_token_can_be_changed() {
    let token = signed(
        &Header::new(Algorithm::ES256),
        &private(Algorithm::ES256),
        &json!({"sub": "7"}),
    );
    let tokens = tokens();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // the last character of a part may hold bits that say nothing
        let good = tokens.connection(&changed, NOW).await.is_ok();
        assert!(!good, "byte {at}: {changed}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_and_never_panics(text in "\\PC{0,80}", header in "\\PC{0,40}", claims in "\\PC{0,40}") {
        use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tokens = tokens();
        let made = format!("{}.{}.{}", part(&header), part(&claims), part(&text));
        for token in [text, made] {
            prop_assert_eq!(runtime.block_on(tokens.connection(&token, NOW)).unwrap_err(), Refused::Invalid);
        }
    }

    #[test]
    fn a_subscription_is_read_as_it_was_written(
        info in proptest::option::of(any::<i32>()), data in proptest::option::of(any::<Vec<u8>>()),
        expire_at in proptest::option::of(1..i64::MAX), at in proptest::option::of((any::<u64>(), "[a-z]{0,4}")),
        flags: [Option<bool>; 5],
    ) {
        let subscription = ServerSubscription {
            info: info.map(|n| n.to_string().into()),
            data: data.map(Bytes::from),
            expire_at,
            recover_since: at.map(|(offset, epoch)| crate::live::position::Position { epoch, offset }),
            overrides: Overrides {
                presence: flags[0],
                join_leave: flags[1],
                force_push_join_leave: flags[2],
                force_recovery: flags[3],
                force_positioning: flags[4],
            },
        };
        let value = serde_json::to_value(&subscription).unwrap();
        let read: ServerSubscription = serde_json::from_value(value).unwrap();
        let text: ServerSubscription = serde_json::from_str(&serde_json::to_string(&subscription).unwrap()).unwrap();
        prop_assert_eq!(&read, &text);
        // no data and empty data are one
        let expected = ServerSubscription { data: subscription.data.clone().filter(|data| !data.is_empty()), ..subscription };
        prop_assert_eq!(read, expected);
    }
}
