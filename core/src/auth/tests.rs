mod signing;

use super::*;
use crate::kernel::ctx::{Actor, Credential, Ctx};
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
        by_cookie: false,
        replaces: None,
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
    let made = bootstrap(&test.store, Some(" A@Example.com"), Some("sesame open 9".into()))
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
    create_owner(&store, "o@example.com", Some("sesame open 9".into()))
        .await
        .unwrap();
    let used = sign_in(&auth, "o@example.com", "sesame open 9").await.unwrap();
    sign_in(&auth, "o@example.com", "sesame open 9").await.unwrap();
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

/// A store whose time is the test's, and an owner in it.
async fn with_owner() -> (TestStore, Store) {
    let test = testing::store().await;
    let mut store = test.store.clone();
    store.clock = crate::kernel::clock::Clock::manual(test.store.clock.now());
    create_owner(&store, "o@example.com", Some("an owner who is patient 42".into()))
        .await
        .unwrap();
    (test, store)
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_a_browsers_cookie_is_not_taken_from_elsewhere() {
    let (test, store) = with_owner().await;
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let browser = Client {
        by_cookie: true,
        replaces: None,
        ..client()
    };
    let turn = store.passwords.turn().await.unwrap();
    let outcome = login(
        &auth,
        turn,
        "o@example.com",
        "an owner who is patient 42".into(),
        &browser,
    )
    .await;
    let sign_in::Outcome::SignedIn(signed_in) = outcome.unwrap() else {
        panic!("a factor is asked for");
    };
    let next = refresh(&auth, &signed_in.refresh_token, None, &browser)
        .await
        .unwrap();
    // the browser has renewed itself: it is still the one that holds the cookie
    let renewed = Client {
        user_agent: Some("test 2".to_owned()),
        ..browser.clone()
    };
    let next = refresh(&auth, &next.refresh_token, None, &renewed).await.unwrap();
    let stolen = refresh(&auth, &next.refresh_token, None, &client())
        .await
        .unwrap_err();
    assert_eq!(stolen.code, "auth.refresh_reused");
    let alerted = test
        .texts("SELECT type FROM outbox WHERE event ->> 'severity' = 'bad'")
        .await;
    assert_eq!(alerted, ["auth.refresh_reused"]);
}

#[tokio::test]
async fn within_the_grace_a_successor_is_given_again_to_the_same_client_only() {
    let (_test, store) = with_owner().await;
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let signed_in = sign_in(&auth, "o@example.com", "an owner who is patient 42")
        .await
        .unwrap();
    let first = refresh(&auth, &signed_in.refresh_token, None, &client())
        .await
        .unwrap();
    let again = refresh(&auth, &signed_in.refresh_token, None, &client())
        .await
        .unwrap();
    assert_eq!(
        first.refresh_token.expose_secret(),
        again.refresh_token.expose_secret()
    );
    let other = Client {
        user_agent: Some("another program".to_owned()),
        ..client()
    };
    let reused = refresh(&auth, &signed_in.refresh_token, None, &other)
        .await
        .unwrap_err();
    assert_eq!(reused.code, "auth.refresh_reused");
    let over = refresh(&auth, &first.refresh_token, None, &client())
        .await
        .unwrap_err();
    assert_eq!(over.code, "auth.session_ended");
}

#[tokio::test]
async fn a_ticket_opens_once_what_it_is_for_within_half_a_minute_and_only_its_hash_is_kept() {
    let (test, store) = with_owner().await;
    let auth = Auth::start(&store, LIVES).await.unwrap();
    let person = test.person().await;
    let session = test.session(person).await;
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(person);
    ctx.credential = Credential::Session(session);
    let ticket = async |purpose| {
        let ticket = auth.ticket(&ctx, purpose).await.unwrap();
        ticket.expose_secret().to_owned()
    };
    let good = ticket(Purpose::Socket).await;
    let kept = test
        .texts("SELECT auth_tickets::text FROM auth_tickets")
        .await
        .concat();
    assert!(!kept.contains(&good) && !kept.contains(&hex::encode(&good)));
    let redeemed = async |ticket: &str, purpose| auth.redeem(ticket, purpose).await.unwrap();
    assert_eq!(redeemed(&good, Purpose::Socket).await, Some((session, person)));
    assert_eq!(redeemed(&good, Purpose::Socket).await, None, "a second time");
    let other = ticket(Purpose::Stream).await;
    assert_eq!(
        redeemed(&other, Purpose::Socket).await,
        None,
        "for something else"
    );
    assert_eq!(
        redeemed(&other, Purpose::Stream).await,
        None,
        "it is used all the same"
    );
    let late = ticket(Purpose::Stream).await;
    store.clock.advance(TICKET_LIFE);
    assert_eq!(redeemed(&late, Purpose::Stream).await, None, "too late");
    for wrong in ["", "sbt_", "sbt_made-up", "made up", &"sbt_x".repeat(100)] {
        assert_eq!(redeemed(wrong, Purpose::Stream).await, None, "{wrong}");
    }
    for _ in 0..100 {
        ticket(Purpose::Socket).await;
    }
    let many = auth.ticket(&ctx, Purpose::Socket).await.unwrap_err();
    assert_eq!(many.code, "auth.too_many_tickets");
    store.clock.advance(TICKET_LIFE);
    forget_tokens(&store).await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM auth_tickets").await, 0);
    ctx.credential = Credential::ApiKey(crate::kernel::id::ApiKeyId::new());
    assert_eq!(
        auth.ticket(&ctx, Purpose::Socket).await.unwrap_err().code,
        "auth.session_required"
    );
}

#[tokio::test]
async fn a_sign_in_with_the_password_before_opens_nothing_once_it_was_changed() {
    let test = testing::store().await;
    create_owner(&test.store, "o@example.com", Some("sesame open 9".into()))
        .await
        .unwrap();
    let auth = Auth::start(&test.store, LIVES).await.unwrap();
    let mut changing = test.store.db.bookkeeping().await.unwrap();
    sqlx::query("UPDATE users SET password_hash = 'another' WHERE email = 'o@example.com'")
        .execute(&mut *changing)
        .await
        .unwrap();
    let signing_in = tokio::spawn(async move { sign_in(&auth, "o@example.com", "sesame open 9").await });
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'",
        test.prefix
    );
    testing::eventually("the sign-in waits for the row", async || {
        test.count(&waiting).await == 1
    })
    .await;
    changing.commit().await.unwrap();
    let refused = signing_in.await.unwrap().unwrap_err();
    assert_eq!(refused.code, "auth.wrong_credentials");
    assert_eq!(test.count("SELECT count(*) FROM user_sessions").await, 0);
}
