use super::*;
use crate::Store;
use crate::kernel::clock::Clock;
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::UserId;
use crate::testing::{self, TestStore, client, mailed};
use secrecy::SecretString;
use tokio::time::Instant;

/// A store with a clock that stands, and somebody with a password.
async fn ada() -> (TestStore, UserId, String) {
    let mut test = testing::store().await;
    test.store.clock = Clock::manual(test.store.clock.now());
    let user = test.person().await;
    let turn = test.store.passwords.turn().await.unwrap();
    let hash = test
        .store
        .passwords
        .hash(turn, "the old password".into())
        .await
        .unwrap();
    test.sql(format!(
        "UPDATE users SET password_hash = '{hash}' WHERE id = '{user}'"
    ))
    .await;
    (test, user, format!("{user}@example.com"))
}

async fn renew(store: &Store, token: &str) -> Result<UserId, Error> {
    let turn = store.passwords.turn().await.unwrap();
    reset(
        store,
        turn,
        &SecretString::from(token),
        "correct horse".into(),
        &client(),
    )
    .await
}

async fn is_password(test: &TestStore, user: UserId, password: &str) -> bool {
    let hash = test
        .texts(format!("SELECT password_hash FROM users WHERE id = '{user}'"))
        .await;
    let turn = test.store.passwords.turn().await.unwrap();
    test.store
        .passwords
        .verify(turn, password.into(), hash.into_iter().next())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_link_gives_a_new_password_once_ends_every_session_and_tells_the_mailbox() {
    let (test, user, email) = ada().await;
    let session = test.session(user).await;
    forgot(&test.store, &format!(" {} ", email.to_uppercase()), &client())
        .await
        .unwrap();
    let mails = mailed(&test).await;
    assert_eq!((mails.len(), &mails[0].to), (1, &email));
    let token = mails[0].token();
    assert_eq!(renew(&test.store, &token).await.unwrap(), user);
    assert!(is_password(&test, user, "correct horse").await);
    assert_eq!(
        renew(&test.store, &token).await.unwrap_err().code,
        "auth.reset_link_gone"
    );
    let ended = test
        .count(&format!(
            "SELECT count(*) FROM user_sessions WHERE id = '{session}' AND revoked_at IS NOT NULL"
        ))
        .await;
    assert_eq!(ended, 1);
    assert_eq!(test.texts("SELECT kind FROM revocations").await, ["user"]);
    let told = mailed(&test).await;
    assert!(told[0].text.contains("was just replaced"), "{told:?}");
}

#[tokio::test]
async fn whoever_asks_is_answered_the_same_after_the_same_time_and_only_accounts_with_a_password_get_mail() {
    let (test, user, email) = ada().await;
    let without = test.person().await;
    let banned = test.person().await;
    test.sql(format!(
        "UPDATE users SET password_hash = 'x', status = 'banned' WHERE id = '{banned}'"
    ))
    .await;
    let mut times = Vec::new();
    for asked in [
        email.clone(),
        "nobody@example.com".to_owned(),
        "not an address".to_owned(),
        format!("{without}@example.com"),
        format!("{banned}@example.com"),
    ] {
        let began = Instant::now();
        forgot(&test.store, &asked, &client()).await.unwrap();
        times.push(began.elapsed());
    }
    assert!(times.iter().all(|time| *time >= ANSWERED_AFTER), "{times:?}");
    let mails = mailed(&test).await;
    assert_eq!(
        mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(),
        [email]
    );
    assert_eq!(test.count("SELECT count(*) FROM password_resets").await, 1);
    assert!(is_password(&test, user, "the old password").await);
}

#[tokio::test]
async fn a_link_dies_with_time_a_ban_another_address_and_another_new_password() {
    let (test, user, email) = ada().await;
    let asked = async || {
        forgot(&test.store, &email, &client()).await.unwrap();
        mailed(&test).await[0].token()
    };
    let token = asked().await;
    test.store.clock.advance(time::Duration::minutes(30));
    let mut refusals = vec![renew(&test.store, &token).await.unwrap_err()];
    assert!(!forget_links(&test.store).await.unwrap());
    assert_eq!(test.count("SELECT count(*) FROM password_resets").await, 0);
    let (one, other) = (asked().await, asked().await);
    renew(&test.store, &one).await.unwrap();
    mailed(&test).await;
    refusals.push(renew(&test.store, &other).await.unwrap_err());
    let mut ctx = crate::kernel::ctx::Ctx::system(test.organization, "test");
    ctx.permissions = ["users:read", "users:update", "users:ban"].into_iter().collect();
    let token = asked().await;
    let change: crate::users::UserChange = serde_json::from_str(r#"{"email": "new@example.com"}"#).unwrap();
    crate::users::service::update(&test.store, &ctx, user, None, &change)
        .await
        .unwrap();
    refusals.push(renew(&test.store, &token).await.unwrap_err());
    forgot(&test.store, "new@example.com", &client()).await.unwrap();
    // the old mailbox is told of the change
    let mails = mailed(&test).await;
    let token = mails
        .iter()
        .find(|mail| mail.to == "new@example.com")
        .unwrap()
        .token();
    crate::users::service::ban(&test.store, &ctx, user, "no")
        .await
        .unwrap();
    refusals.push(renew(&test.store, &token).await.unwrap_err());
    for refused in refusals {
        assert_eq!(
            (refused.kind, &*refused.code),
            (Kind::Gone, "auth.reset_link_gone")
        );
    }
}

#[tokio::test]
async fn a_mailbox_gets_three_links_at_a_time_however_often_it_is_asked_for() {
    let (test, _, email) = ada().await;
    let (client, store) = (client(), &test.store);
    let asking = (0..6).map(|_| forgot(store, &email, &client));
    for asked in futures::future::join_all(asking).await {
        asked.unwrap();
    }
    assert_eq!(mailed(&test).await.len(), 3);
    test.store.clock.advance(time::Duration::minutes(31));
    forgot(store, &email, &client).await.unwrap();
    assert_eq!(mailed(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_a_link_at_once_one_chooses_the_password() {
    let (test, _, email) = ada().await;
    forgot(&test.store, &email, &client()).await.unwrap();
    let token = mailed(&test).await[0].token();
    let renewing = (0..6).map(|_| {
        let (store, token) = (test.store.clone(), token.clone());
        tokio::spawn(async move { renew(&store, &token).await.is_ok() })
    });
    let renewed = futures::future::join_all(renewing).await;
    assert_eq!(
        renewed
            .into_iter()
            .filter(|renewed| *renewed.as_ref().unwrap())
            .count(),
        1
    );
}
