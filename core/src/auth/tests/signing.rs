//! Keys that sign tokens, and how they follow each other.

use super::*;

#[tokio::test]
async fn nodes_share_their_keys_and_learn_a_new_one_by_seeing_it() {
    let test = testing::store().await;
    let clock = crate::kernel::clock::Clock::manual(test.store.clock.now());
    let mut store = test.store.clone();
    store.clock = clock.clone();
    let nodes: Vec<Auth> = join_all((0..3).map(|_| Auth::start(&store, LIVES)))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(test.count("SELECT count(*) FROM signing_keys").await, 1);
    create_owner(&store, "o@example.com", Some("sesame open 9".into()))
        .await
        .unwrap();
    let token = sign_in(&nodes[0], "o@example.com", "sesame open 9")
        .await
        .unwrap()
        .access_token;
    nodes[1].verify(&token).await.unwrap();
    test.sql("UPDATE signing_keys SET retired_at = now()").await;
    clock.advance(Duration::minutes(1));
    let newer = Auth::start(&store, LIVES).await.unwrap();
    test.sql("UPDATE signing_keys SET retired_at = NULL").await;
    let token = sign_in(&newer, "o@example.com", "sesame open 9")
        .await
        .unwrap()
        .access_token;
    nodes[2].verify(&token).await.unwrap();
    let kept = test
        .texts("SELECT signing_keys::text FROM signing_keys")
        .await
        .concat();
    assert!(!kept.contains("302e0201"), "a key stands unsealed");
}

fn key_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn a_new_key_signs_when_every_node_knows_it_and_nobody_is_signed_out_by_a_rotation() {
    let (test, store) = with_owner().await;
    let ctx = Ctx::system(test.organization, "test");
    let [one, other] = [
        Auth::start(&store, LIVES).await.unwrap(),
        Auth::start(&store, LIVES).await.unwrap(),
    ];
    let before = sign_in(&one, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap();
    let made = one.rotate_unasked(&ctx).await.unwrap();
    let again = other.rotate_unasked(&ctx).await.unwrap_err();
    assert_eq!(again.code, "signing_key.rotating");
    let meanwhile = sign_in(&one, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap();
    assert_eq!(
        key_of(&meanwhile.access_token),
        key_of(&before.access_token),
        "it signs too early"
    );
    let public = |keys: &serde_json::Value| keys["keys"].as_array().unwrap().len();
    store.clock.advance(Duration::seconds(11));
    let told = other.public_keys().await.unwrap();
    assert_eq!(
        public(&told),
        2,
        "whoever checks our tokens knows it before it signs"
    );
    assert!(
        told["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key.get("d").is_none())
    );

    store.clock.advance(AHEAD);
    let after = sign_in(&one, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap();
    assert_eq!(key_of(&after.access_token), made.kid);
    for token in [&before, &meanwhile, &after] {
        for node in [&one, &other] {
            node.verify(&token.access_token).await.unwrap();
        }
    }
    // a refresh token is not signed, so it outlives every key
    let refreshed = refresh(&other, &before.refresh_token, None, &client())
        .await
        .unwrap();
    assert_eq!(key_of(&refreshed.access_token), made.kid);
    // the last token of the old key has run out, and then so has the key
    store.clock.advance(LIVES.access + Duration::minutes(2));
    assert_eq!(public(&other.public_keys().await.unwrap()), 1);
    let late = other.verify(&before.access_token).await.unwrap_err();
    assert_eq!(
        late.code, "auth.unauthenticated",
        "of a key that verifies no more"
    );
    store.clock.advance(Duration::days(2));
    forget_tokens(&store).await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn a_node_that_slept_through_a_rotation_signs_with_the_new_key_at_once() {
    let (test, store) = with_owner().await;
    let [asleep, awake] = [
        Auth::start(&store, LIVES).await.unwrap(),
        Auth::start(&store, LIVES).await.unwrap(),
    ];
    let made = awake
        .rotate_unasked(&Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    store.clock.advance(Duration::hours(5));
    let token = sign_in(&asleep, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap()
        .access_token;
    assert_eq!(key_of(&token), made.kid);
    awake.verify(&token).await.unwrap();
}

#[tokio::test]
async fn keys_of_p256_sign_verify_and_are_told_like_those_of_ed25519_and_follow_them() {
    let (test, store) = with_owner().await;
    let ctx = Ctx::system(test.organization, "test");
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let before = sign_in(&auth, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap()
        .access_token;
    let auth = Auth::start_with(&store, LIVES, Algorithm::ES256).await.unwrap();
    assert_eq!(auth.rotate_unasked(&ctx).await.unwrap().algorithm, "ES256");
    store.clock.advance(AHEAD);
    let after = sign_in(&auth, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap()
        .access_token;
    let header = jsonwebtoken::decode_header(&after).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::ES256);
    auth.verify(&before).await.unwrap();
    auth.verify(&after).await.unwrap();
    // anybody who reads the public keys can check both
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(auth.public_keys().await.unwrap()).unwrap();
    for token in [&before, &after] {
        let header = jsonwebtoken::decode_header(token).unwrap();
        let key = keys.find(&header.kid.unwrap()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(header.alg);
        rules.set_audience(&["signalbox:api"]);
        rules.validate_exp = false;
        let key = jsonwebtoken::DecodingKey::from_jwk(key).unwrap();
        jsonwebtoken::decode::<Claims>(token, &key, &rules).unwrap();
    }
}

#[tokio::test]
async fn keys_are_rotated_by_whoever_may_and_not_by_a_program() {
    let (test, store) = with_owner().await;
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(test.person().await);
    ctx.credential = Credential::Session(crate::kernel::id::SessionId::new());
    assert_eq!(
        auth.rotate_keys(&ctx).await.unwrap_err().code,
        "permission.missing"
    );
    assert!(signing_keys(&store, &ctx).await.is_err());
    ctx.permissions = ["signing_keys:rotate", "signing_keys:read"].into_iter().collect();
    ctx.authenticated_at = Some(store.clock.now() - Duration::minutes(10));
    assert_eq!(
        auth.rotate_keys(&ctx).await.unwrap_err().code,
        "auth.step_up_needed"
    );
    ctx.authenticated_at = Some(store.clock.now());
    auth.rotate_keys(&ctx).await.unwrap();
    let states: Vec<_> = signing_keys(&store, &ctx)
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(states, [SigningKeyState::Next, SigningKeyState::Signs]);
    ctx.credential = Credential::ApiKey(crate::kernel::id::ApiKeyId::new());
    assert_eq!(
        auth.rotate_keys(&ctx).await.unwrap_err().code,
        "auth.session_required"
    );
}

#[tokio::test]
async fn a_key_verifies_until_the_longest_token_that_it_may_have_signed_has_run_out() {
    let (test, store) = with_owner().await;
    let short = Lives {
        access: Duration::minutes(5),
        ..LIVES
    };
    let auth = Auth::start(&store, short).await.unwrap();
    auth.rotate_unasked(&Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    let at = store.clock.now();
    let until = sqlx::query_scalar::<_, time::OffsetDateTime>(
        "SELECT verifies_until FROM signing_keys WHERE verifies_until IS NOT NULL",
    );
    let mut tx = store.db.snapshot().await.unwrap();
    let until = until.fetch_one(&mut *tx).await.unwrap();
    // of whoever acts as somebody else
    assert!(until >= at + AHEAD + sessions::impersonation::LONGEST);
}
