use super::*;
use crate::kernel::clock::Clock;
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::UserId;
use crate::recovery::ANSWERED_AFTER;
use crate::roles;
use crate::testing::{self, TestStore, client, mailed};
use secrecy::SecretString;
use serde_json::json;
use time::Duration;
use tokio::time::Instant;

/// An organization that lets people of example.com sign up, as viewers; its clock stands.
async fn open() -> TestStore {
    let mut test = testing::store().await;
    test.store.clock = Clock::manual(test.store.clock.now());
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let at = test.store.clock.now();
    roles::predefine(&mut tx, test.organization, at).await.unwrap();
    tx.commit().await.unwrap();
    let role = test
        .texts("SELECT id::text FROM roles WHERE name = 'viewer'")
        .await;
    set(
        &test,
        &json!({"open": true, "domains": ["example.com"], "role": role[0]}),
    )
    .await;
    test
}

async fn set(test: &TestStore, sign_up: &serde_json::Value) {
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO organization_settings (organization_id, key, value) VALUES ('{organization}', 'sign_up', '{sign_up}')
         ON CONFLICT (organization_id, key) DO UPDATE SET value = excluded.value"
    ))
    .await;
    test.store.signals.revoked(&crate::bus::control::Revocation {
        organization,
        kind: crate::bus::control::RevocationKind::Settings,
        subject: organization.0,
        access_version: None,
        reason: String::new(),
    });
}

async fn come(test: &TestStore, token: &str) -> Result<UserId, Error> {
    let turn = test.store.passwords.turn().await.unwrap();
    let chosen = ("Ada", SecretString::from("correct horse"));
    confirm(&test.store, turn, &SecretString::from(token), chosen, &client()).await
}

#[tokio::test]
async fn whoever_reads_the_mailbox_becomes_a_person_with_the_role_of_newcomers() {
    let test = open().await;
    ask(&test.store, " Ada@Example.com ", &client()).await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM users").await, 0, "nobody yet");
    let mails = mailed(&test).await;
    assert_eq!(mails[0].to, "ada@example.com");
    let token = mails[0].token();
    let user = come(&test, &token).await.unwrap();
    let made = test
        .texts(format!(
            "SELECT u.email || ' ' || u.status || ' ' || r.name FROM users u JOIN user_roles ur ON ur.user_id = u.id
             JOIN roles r ON r.id = ur.role_id WHERE u.id = '{user}'"
        ))
        .await;
    assert_eq!(made, ["ada@example.com active viewer"]);
    let again = come(&test, &token).await.unwrap_err();
    assert_eq!((again.kind, &*again.code), (Kind::Gone, "sign_up.link_gone"));
}

#[tokio::test]
async fn the_answer_is_the_same_for_whoever_is_here_already_and_the_mailbox_is_told_which() {
    let test = open().await;
    let known = test.person().await;
    let mut times = Vec::new();
    for email in [format!("{known}@example.com"), "ada@example.com".to_owned()] {
        let began = Instant::now();
        ask(&test.store, &email, &client()).await.unwrap();
        times.push(began.elapsed());
    }
    assert!(times.iter().all(|time| *time >= ANSWERED_AFTER), "{times:?}");
    let mails = mailed(&test).await;
    assert!(mails[0].text.contains("has an account already") && !mails[0].text.contains('#'));
    assert!(mails[1].text.contains('#'));
    // the same is kept of both, so that nothing shows in what it costs
    assert_eq!(test.count("SELECT count(*) FROM sign_ups").await, 2);
    // and no mailbox is filled
    ask(&test.store, "ada@example.com", &client()).await.unwrap();
    assert!(mailed(&test).await.is_empty());
    test.store.clock.advance(Duration::minutes(6));
    ask(&test.store, "ada@example.com", &client()).await.unwrap();
    assert_eq!(mailed(&test).await.len(), 1);
}

#[tokio::test]
async fn where_it_is_closed_or_for_others_nobody_signs_up_nor_comes_by_a_link_of_before() {
    let test = open().await;
    let refused = ask(&test.store, "ada@evil.example", &client()).await.unwrap_err();
    assert_eq!(refused.errors[0].code, "domain_not_admitted");
    ask(&test.store, "ada@example.com", &client()).await.unwrap();
    let token = mailed(&test).await[0].token();
    set(&test, &json!({"open": false})).await;
    assert_eq!(
        ask(&test.store, "bob@example.com", &client())
            .await
            .unwrap_err()
            .code,
        "sign_up.closed"
    );
    assert_eq!(come(&test, &token).await.unwrap_err().code, "sign_up.link_gone");
    assert!(!open_to(&test.store).await.unwrap().open);
    set(&test, &json!({"open": true})).await;
    test.store.clock.advance(Duration::DAY);
    assert_eq!(come(&test, &token).await.unwrap_err().code, "sign_up.link_gone");
    assert!(open_to(&test.store).await.unwrap().open);
}

#[tokio::test]
async fn a_role_that_is_gone_is_given_to_nobody() {
    let test = open().await;
    set(
        &test,
        &json!({"open": true, "role": crate::kernel::id::RoleId::new()}),
    )
    .await;
    ask(&test.store, "ada@example.com", &client()).await.unwrap();
    let token = mailed(&test).await[0].token();
    come(&test, &token).await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM user_roles").await, 0);
}
