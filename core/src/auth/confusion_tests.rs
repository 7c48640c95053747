//! Tokens that try to be taken for what they are not (RFC 8725 §3): each is refused by every node that has been running, and
//! by one that has just begun.

use super::*;
use crate::kernel::ctx::Ctx;
use crate::testing::{self, TestStore};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

const LIVES: Lives = Lives {
    access: Duration::hours(1),
    refresh: Duration::days(7),
};

struct Stage {
    test: TestStore,
    store: Store,
    auth: Auth,
    good: String,
}

async fn stage() -> Stage {
    let test = testing::store().await;
    let mut store = test.store.clone();
    store.clock = crate::kernel::clock::Clock::manual(test.store.clock.now());
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let person = test.person().await;
    let session = test.session(person).await;
    let standing = crate::sessions::standing::read(&store.db, session, person)
        .await
        .unwrap()
        .unwrap();
    let now = store.clock.now();
    let claims = Claims::new(Use::Access, &Holder::of(&standing, None, now), now, LIVES.access);
    let good = auth.keys.sign(&claims, Use::Access, now).unwrap();
    Stage {
        test,
        store,
        auth,
        good,
    }
}

impl Stage {
    fn header(&self) -> Value {
        part(&self.good, 0)
    }

    fn claims(&self) -> Value {
        part(&self.good, 1)
    }

    /// The good token with its header or claims changed, and its signature left.
    fn with(&self, header: &Value, claims: &Value) -> String {
        let signature = self.good.rsplit_once('.').unwrap().1;
        format!("{}.{}.{signature}", text(header), text(claims))
    }

    /// A token signed by the hub's own key, as the hub itself would never write one.
    fn signed(&self, r#use: Use, change: impl FnOnce(&mut Claims)) -> String {
        let mut claims: Claims = serde_json::from_value(self.claims()).unwrap();
        change(&mut claims);
        self.auth
            .keys
            .sign(&claims, r#use, self.store.clock.now())
            .unwrap()
    }

    async fn refused(&self, what: &str, token: &str) {
        let late = Auth::start(&self.store, LIVES).await.unwrap();
        for node in [&self.auth, &late] {
            assert!(node.verify(token).await.is_err(), "{what} was taken");
        }
    }
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs `claims` as somebody would who has another key.
fn signed_by(key: &EncodingKey, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

fn header(stage: &Stage, alg: jsonwebtoken::Algorithm) -> Header {
    let mut header = Header::new(alg);
    header.typ = Some("at+jwt".to_owned());
    header.kid = stage.header()["kid"].as_str().map(str::to_owned);
    header
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused_however_none_is_written() {
    let stage = stage().await;
    stage.auth.verify(&stage.good).await.unwrap();
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let mut header = stage.header();
        header["alg"] = json!(none);
        let token = stage.with(&header, &stage.claims());
        stage.refused(none, &token).await;
        let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
        stage.refused(none, &bare).await;
    }
    let unsigned = format!("{}.", stage.good.rsplit_once('.').unwrap().0);
    stage.refused("no signature", &unsigned).await;
}

#[tokio::test]
async fn the_public_key_is_no_secret_to_sign_with() {
    let stage = stage().await;
    let keys = stage.auth.public_keys().await.unwrap();
    let key = &keys["keys"][0];
    let x = key["x"].as_str().unwrap();
    for secret in [
        x.as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(x).unwrap(),
        key.to_string().into_bytes(),
    ] {
        for alg in [
            jsonwebtoken::Algorithm::HS256,
            jsonwebtoken::Algorithm::HS384,
            jsonwebtoken::Algorithm::HS512,
        ] {
            let key = EncodingKey::from_secret(&secret);
            let token = signed_by(&key, &header(&stage, alg), &stage.claims());
            stage.refused("HMAC with the public key", &token).await;
        }
    }
}

#[tokio::test]
async fn a_signature_of_another_kind_of_key_is_refused_whatever_key_it_names() {
    let stage = stage().await;
    let other = super::keys::NewKey::generate(Algorithm::ES256).unwrap();
    let key = EncodingKey::from_ec_der(&other.der);
    let token = signed_by(
        &key,
        &header(&stage, jsonwebtoken::Algorithm::ES256),
        &stage.claims(),
    );
    stage
        .refused("ES256 under the id of an Ed25519 key", &token)
        .await;
    let stranger = super::keys::NewKey::generate(Algorithm::EdDSA).unwrap();
    let key = EncodingKey::from_ed_der(&stranger.der);
    let token = signed_by(
        &key,
        &header(&stage, jsonwebtoken::Algorithm::EdDSA),
        &stage.claims(),
    );
    stage.refused("another Ed25519 key", &token).await;
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA2"] {
        let mut changed = stage.header();
        changed["alg"] = json!(alg);
        stage.refused(alg, &stage.with(&changed, &stage.claims())).await;
    }
    // the key that comes with a token is nobody's
    let mut with_key = header(&stage, jsonwebtoken::Algorithm::EdDSA);
    with_key.jwk = Some(stranger.jwk.clone());
    with_key.kid = Some(stranger.kid.clone());
    stage
        .refused("a key of its own", &signed_by(&key, &with_key, &stage.claims()))
        .await;
}

#[tokio::test]
async fn a_key_that_is_unknown_unnamed_or_retired_verifies_nothing() {
    let stage = stage().await;
    for kid in [
        json!("made up"),
        json!(""),
        json!("../../etc/passwd"),
        json!("' OR 1=1 --"),
        Value::Null,
    ] {
        let mut header = stage.header();
        header["kid"] = kid.clone();
        stage
            .refused(&kid.to_string(), &stage.with(&header, &stage.claims()))
            .await;
    }
    stage
        .auth
        .rotate_unasked(&Ctx::system(stage.test.organization, "test"))
        .await
        .unwrap();
    stage
        .store
        .clock
        .advance(AHEAD + LIVES.access + Duration::minutes(2));
    // good for years by its own word
    let token = {
        let mut claims: Claims = serde_json::from_value(stage.claims()).unwrap();
        claims.exp += 1_000_000_000;
        let then = stage.store.clock.now() - Duration::days(365);
        stage.auth.keys.sign(&claims, Use::Access, then).unwrap()
    };
    assert_eq!(
        part(&token, 0)["kid"],
        stage.header()["kid"],
        "signed by the retired key"
    );
    stage.refused("a token of a retired key", &token).await;
}

#[tokio::test]
async fn a_token_is_taken_only_for_its_own_purpose_from_its_own_issuer() {
    let stage = stage().await;
    stage
        .refused(
            "a live token",
            &stage.signed(Use::Live, |claims| claims.aud = "signalbox:live".to_owned()),
        )
        .await;
    stage
        .refused("a live token for the API", &stage.signed(Use::Live, |_| ()))
        .await;
    stage
        .refused(
            "another audience",
            &stage.signed(Use::Access, |claims| claims.aud = "signalbox:live".to_owned()),
        )
        .await;
    stage
        .refused(
            "another issuer",
            &stage.signed(Use::Access, |claims| claims.iss = "somebody".to_owned()),
        )
        .await;
    for typ in [json!("JWT"), json!("live+jwt"), json!("AT+JWT"), Value::Null] {
        let mut header = stage.header();
        header["typ"] = typ.clone();
        stage
            .refused(&typ.to_string(), &stage.with(&header, &stage.claims()))
            .await;
    }
}

#[tokio::test]
async fn a_claim_that_was_changed_breaks_the_signature() {
    let stage = stage().await;
    for (claim, value) in [
        ("sub", json!(uuid::Uuid::new_v4())),
        ("sid", json!(uuid::Uuid::new_v4())),
        ("exp", json!(9_999_999_999_i64)),
        ("org", json!(uuid::Uuid::new_v4())),
        ("key", json!(1)),
    ] {
        let mut claims = stage.claims();
        claims[claim] = value;
        stage.refused(claim, &stage.with(&stage.header(), &claims)).await;
    }
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn whatever_is_shown_for_a_token_is_refused_without_a_panic(tokens in prop::collection::vec(".{0,200}", 64), dots in prop::collection::vec("[A-Za-z0-9_.-]{0,120}", 64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let stage = stage().await;
                for token in tokens.iter().chain(&dots) {
                    assert!(stage.auth.verify(token).await.is_err());
                    assert!(stage.auth.verify(&format!("{}.{token}", stage.good)).await.is_err());
                }
            });
        }
    }
}
