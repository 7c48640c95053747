use super::*;
use crate::sessions;
use crate::testing::{self, TestStore};
use futures::future::join_all;
use secrecy::ExposeSecret;

const LIVES: Lives = Lives {
    access: Duration::hours(1),
    refresh: Duration::days(7),
};

/// A store as a new installation finds it.
async fn empty() -> TestStore {
    let test = testing::store().await;
    test.sql("TRUNCATE organizations CASCADE").await;
    test
}

fn client() -> Client {
    Client {
        ip: "192.0.2.7".parse().ok(),
        user_agent: Some("test".to_owned()),
        trace_id: "t".to_owned(),
    }
}

async fn sign_in(auth: &Auth, email: &str, password: &str) -> Result<SignedIn> {
    let turn = auth.store.passwords.turn().await?;
    match login(auth, turn, email, password.into(), &client()).await? {
        sign_in::Outcome::SignedIn(signed_in) => Ok(signed_in),
        sign_in::Outcome::FactorNeeded(needed) => panic!("{needed:?}"),
    }
}

#[tokio::test]
async fn of_nodes_that_start_together_one_makes_the_first_owner_and_a_later_start_none() {
    let test = empty().await;
    let made: Vec<_> = join_all((0..4).map(|_| bootstrap(&test.store, None, None)))
        .await
        .into_iter()
        .filter_map(|made| made.unwrap())
        .collect();
    let [owner] = made.as_slice() else {
        panic!("{} owners", made.len());
    };
    assert_eq!(owner.email, "owner@localhost");
    assert!(bootstrap(&test.store, None, None).await.unwrap().is_none());
    assert_eq!(test.count("SELECT count(*) FROM organizations").await, 1);
    assert_eq!(
        test.count("SELECT count(*) FROM users WHERE must_change_password")
            .await,
        1
    );
    let auth = Auth::start(&test.store, LIVES).await.unwrap();
    let password = owner.one_time_password.as_ref().unwrap().expose_secret();
    sign_in(&auth, &owner.email, password).await.unwrap();
    let kept = test
        .texts("SELECT audit_logs::text || outbox::text FROM audit_logs, outbox")
        .await;
    assert!(!kept.iter().any(|row| row.contains(password)));
}

#[tokio::test]
async fn a_password_that_was_given_need_not_be_changed_and_must_be_long_enough() {
    let test = empty().await;
    let short = bootstrap(&test.store, Some("a@example.com"), Some("1234567".into())).await;
    assert_eq!(short.unwrap_err().errors[0].code, "too_short");
    assert_eq!(test.count("SELECT count(*) FROM organizations").await, 0);
    let made = bootstrap(&test.store, Some(" A@Example.com"), Some("12345678".into()))
        .await
        .unwrap()
        .unwrap();
    assert!(made.one_time_password.is_none());
    assert_eq!(
        test.texts("SELECT email || must_change_password FROM users")
            .await,
        ["a@example.comfalse"]
    );
    let second = create_owner(&test.store, "b@example.com", None).await.unwrap();
    assert!(second.one_time_password.is_some());
    let owners =
        "SELECT count(*) FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE r.name = 'owner'";
    assert_eq!(test.count(owners).await, 2);
}

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
    create_owner(&store, "o@example.com", Some("12345678".into()))
        .await
        .unwrap();
    let token = sign_in(&nodes[0], "o@example.com", "12345678")
        .await
        .unwrap()
        .access_token;
    nodes[1].verify(&token).await.unwrap();
    test.sql("UPDATE signing_keys SET retired_at = now()").await;
    clock.advance(Duration::minutes(1));
    let newer = Auth::start(&store, LIVES).await.unwrap();
    test.sql("UPDATE signing_keys SET retired_at = NULL").await;
    let token = sign_in(&newer, "o@example.com", "12345678")
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

#[tokio::test]
async fn a_live_token_opens_live_connections_and_nothing_else() {
    let test = testing::store().await;
    let auth = Auth::start(&test.store, LIVES).await.unwrap();
    let person = test.person().await;
    let session = test.session(person).await;
    let standing = crate::sessions::standing::read(&test.store.db, session, person)
        .await
        .unwrap()
        .unwrap();
    let (token, life) = auth.live_token(&standing, None).unwrap();
    assert_eq!(life, 600);
    assert_eq!(auth.verify_live(&token).await.unwrap().session(), session);
    assert_eq!(
        auth.verify(&token).await.unwrap_err().code,
        "auth.unauthenticated"
    );
}

#[tokio::test]
async fn a_session_that_time_has_ended_is_closed_recorded_and_no_longer_counted() {
    let test = testing::store().await;
    let mut store = test.store.clone();
    store.clock = crate::kernel::clock::Clock::manual(test.store.clock.now());
    let auth = Auth::start(&store, LIVES).await.unwrap();
    create_owner(&store, "o@example.com", Some("12345678".into()))
        .await
        .unwrap();
    let used = sign_in(&auth, "o@example.com", "12345678").await.unwrap();
    sign_in(&auth, "o@example.com", "12345678").await.unwrap();
    store.clock.advance(Duration::days(6));
    refresh(&auth, &used.refresh_token, None, &client())
        .await
        .unwrap();
    assert!(!sessions::expire(&store).await.unwrap());
    store.clock.advance(Duration::days(2));
    assert!(sessions::expire(&store).await.unwrap());
    assert!(!sessions::expire(&store).await.unwrap());
    let open = test
        .texts("SELECT id::text FROM user_sessions WHERE revoked_at IS NULL")
        .await;
    assert_eq!(open, [used.session.to_string()]);
    let counted = "SELECT coalesce(sum((counters ->> 'sessions_active')::bigint), 0)::bigint FROM outbox";
    assert_eq!(test.count(counted).await, 1);
}

#[tokio::test]
async fn a_refresh_token_is_forgotten_a_day_after_it_ran_out_but_not_the_last_of_an_open_session() {
    let test = testing::store().await;
    let person = test.person().await;
    let (open, idle, closed) = (
        test.session(person).await,
        test.session(person).await,
        test.session(person).await,
    );
    let organization = test.organization;
    for (hash, session, expires) in [
        ("01", open, "- interval '25 hours'"),
        ("02", open, "- interval '23 hours'"),
        ("03", open, "+ interval '1 hour'"),
        ("04", idle, "- interval '25 hours'"),
        ("05", closed, "- interval '25 hours'"),
        ("06", closed, "+ interval '1 hour'"),
    ] {
        test.sql(format!(
            "INSERT INTO auth_tokens (hash, organization_id, session_id, expires_at)
             VALUES ('\\x{hash}', '{organization}', '{session}', now() {expires})"
        ))
        .await;
    }
    test.sql(format!(
        "UPDATE user_sessions SET revoked_at = now() WHERE id = '{closed}'"
    ))
    .await;
    assert!(!forget_tokens(&test.store).await.unwrap());
    let left = test
        .texts("SELECT encode(hash, 'hex') FROM auth_tokens ORDER BY hash")
        .await;
    assert_eq!(left, ["02", "03", "04", "06"]);
}
