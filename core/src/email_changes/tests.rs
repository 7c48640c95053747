use super::*;
use crate::kernel::clock::Clock;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::{SessionId, UserId};
use crate::testing::{self, Mailed, TestStore, client, mailed};
use secrecy::SecretString;
use time::Duration;

const NEW: &str = "new@example.com";

/// Somebody who has just signed in, on a clock that stands.
async fn ada() -> (TestStore, UserId, Ctx) {
    let mut test = testing::store().await;
    test.store.clock = Clock::manual(test.store.clock.now());
    let user = test.person().await;
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.authenticated_at = Some(test.store.clock.now());
    (test, user, ctx)
}

fn token(mails: &[Mailed], to: &str) -> String {
    let mail = mails.iter().find(|mail| mail.to == to);
    mail.unwrap_or_else(|| panic!("no mail to {to}: {mails:?}"))
        .token()
}

async fn say(test: &TestStore, token: &str, yes: bool) -> Result<Confirmed, Error> {
    confirm(&test.store, &SecretString::from(token), yes, &client()).await
}

async fn email(test: &TestStore, user: UserId) -> String {
    let found = test
        .texts(format!("SELECT email FROM users WHERE id = '{user}'"))
        .await;
    found[0].clone()
}

#[tokio::test]
async fn an_address_changes_when_both_mailboxes_have_confirmed_and_sessions_stay() {
    for new_first in [true, false] {
        let (test, user, ctx) = ada().await;
        let (old, session) = (email(&test, user).await, test.session(user).await);
        let waiting = ask(&test.store, &ctx, " New@Example.com ").await.unwrap();
        assert_eq!((waiting.new_email.as_str(), waiting.old_confirmed), (NEW, false));
        let mails = mailed(&test).await;
        assert!(
            mails.iter().any(|mail| mail.to == old && mail.text.contains(NEW)),
            "{mails:?}"
        );
        let (for_old, for_new) = (token(&mails, &old), token(&mails, NEW));
        let (first, second) = if new_first {
            (for_new, for_old)
        } else {
            (for_old, for_new)
        };
        assert_eq!(say(&test, &first, true).await.unwrap(), Confirmed::Waiting);
        // twice is once
        assert_eq!(say(&test, &first, true).await.unwrap(), Confirmed::Waiting);
        assert_eq!(email(&test, user).await, old);
        let seen = pending(&test.store, &ctx).await.unwrap().unwrap();
        assert_eq!((seen.new_confirmed, seen.old_confirmed), (new_first, !new_first));
        assert_eq!(say(&test, &second, true).await.unwrap(), Confirmed::Changed);
        assert_eq!(email(&test, user).await, NEW);
        let open =
            format!("SELECT count(*) FROM user_sessions WHERE id = '{session}' AND revoked_at IS NULL");
        assert_eq!(test.count(&open).await, 1);
        assert!(say(&test, &second, true).await.is_err());
        let changes = test
            .texts("SELECT changes::text FROM audit_logs WHERE action = 'me.change_email' ORDER BY id DESC LIMIT 1")
            .await;
        assert!(
            changes[0].contains("email") && !changes[0].contains(NEW),
            "sealed: {changes:?}"
        );
    }
}

#[tokio::test]
async fn either_mailbox_may_refuse_and_nothing_is_left_of_it() {
    for of_new in [true, false] {
        let (test, user, ctx) = ada().await;
        let old = email(&test, user).await;
        ask(&test.store, &ctx, NEW).await.unwrap();
        let mails = mailed(&test).await;
        let (for_old, for_new) = (token(&mails, &old), token(&mails, NEW));
        let (refusing, other) = if of_new {
            (&for_new, &for_old)
        } else {
            (&for_old, &for_new)
        };
        say(&test, other, true).await.unwrap();
        assert_eq!(say(&test, refusing, false).await.unwrap(), Confirmed::Refused);
        for token in [refusing, other] {
            let refused = say(&test, token, true).await.unwrap_err();
            assert_eq!(
                (refused.kind, &*refused.code),
                (Kind::Gone, "auth.email_link_gone")
            );
        }
        assert_eq!(email(&test, user).await, old);
        assert!(pending(&test.store, &ctx).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_link_dies_after_a_day_with_another_asking_and_when_it_is_taken_back() {
    let (test, user, ctx) = ada().await;
    let old = email(&test, user).await;
    ask(&test.store, &ctx, NEW).await.unwrap();
    let first = token(&mailed(&test).await, NEW);
    ask(&test.store, &ctx, "other@example.com").await.unwrap();
    let second = token(&mailed(&test).await, &old);
    assert!(say(&test, &first, true).await.is_err());
    test.store.clock.advance(Duration::DAY);
    assert!(say(&test, &second, true).await.is_err());
    let ctx = Ctx {
        authenticated_at: Some(test.store.clock.now()),
        ..ctx
    };
    ask(&test.store, &ctx, NEW).await.unwrap();
    let third = token(&mailed(&test).await, NEW);
    take_back(&test.store, &ctx).await.unwrap();
    take_back(&test.store, &ctx).await.unwrap();
    assert!(say(&test, &third, true).await.is_err());
    assert_eq!(email(&test, user).await, old);
}

#[tokio::test]
async fn whoever_asks_learns_nothing_of_who_has_the_address_and_the_other_is_left_alone() {
    let (test, user, ctx) = ada().await;
    let (old, other) = (email(&test, user).await, test.person().await);
    let taken = email(&test, other).await;
    let waiting = ask(&test.store, &ctx, &taken).await.unwrap();
    assert_eq!(waiting.new_email, taken);
    let mails = mailed(&test).await;
    assert_eq!(mails.iter().map(|mail| &mail.to).collect::<Vec<_>>(), [&old]);
    assert_eq!(
        say(&test, &token(&mails, &old), true).await.unwrap(),
        Confirmed::Waiting
    );
    let same = ask(&test.store, &ctx, &old).await.unwrap_err();
    assert_eq!(same.errors[0].code, "unchanged");
}

#[tokio::test]
async fn it_takes_a_session_and_a_recent_proof() {
    let (test, _, ctx) = ada().await;
    let key = Ctx {
        credential: Credential::ApiKey(crate::kernel::id::ApiKeyId::new()),
        ..ctx.clone()
    };
    assert_eq!(
        ask(&test.store, &key, NEW).await.unwrap_err().code,
        "auth.session_required"
    );
    test.store.clock.advance(Duration::minutes(11));
    assert_eq!(
        ask(&test.store, &ctx, NEW).await.unwrap_err().code,
        "auth.step_up_needed"
    );
}
