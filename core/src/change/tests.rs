use super::*;
use crate::kernel::event::Subject;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::seal::Person;
use crate::testing::{self, TestStore};
use serde_json::json;
use uuid::Uuid;

fn event(person: Person) -> Event {
    let subject = Subject {
        kind: "user".into(),
        id: person.id.0,
        version: 1,
    };
    Event::new(
        "user.created",
        "users.create",
        subject,
        "feed:users",
        "{actor} added {subject}",
    )
    .patch(
        json!({"id": person.id, "email": "canary@example.com", "version": 1}),
        vec!["users.ban"],
    )
    .changed("email", Value::Null, "canary@example.com")
    .person(person)
    .counts("users_total", 1)
}

async fn one_is_committed(test: &TestStore) {
    let person = Person {
        id: UserId::new(),
        salt: Uuid::new_v4(),
    };
    let mut change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    change.record(event(person)).await.unwrap();
    change.commit().await.unwrap();
}

#[tokio::test]
async fn one_commit_writes_audit_activity_and_outbox_and_a_rollback_writes_none() {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    let person = Person {
        id: UserId::new(),
        salt: Uuid::new_v4(),
    };
    let mut dropped = Change::begin(&test.store, &ctx).await.unwrap();
    dropped.record(event(person)).await.unwrap();
    drop(dropped);
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    let id = change.record(event(person)).await.unwrap();
    change.commit().await.unwrap();
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    let outbox = sqlx::query!("SELECT id, channels, event::text AS \"event!\" FROM outbox")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0].id, id.0);
    assert_eq!(outbox[0].channels, ["feed:users", "feed:audit"]);
    assert!(
        !outbox[0].event.contains("canary"),
        "a personal value stands in the clear"
    );
    let audit = sqlx::query_scalar!("SELECT changes::text AS \"changes!\" FROM audit_logs")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert_eq!(audit.len(), 1);
    assert!(audit[0].contains("sealed:1:") && !audit[0].contains("canary"));
    let activity = sqlx::query_scalar!("SELECT count(*) AS \"n!\" FROM activity_logs")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(activity, 1);
}

#[tokio::test]
async fn another_organization_sees_nothing_even_when_a_statement_forgets_to_ask_for_it() {
    let test = testing::store().await;
    one_is_committed(&test).await;
    let mut tx = test
        .store
        .db
        .read(crate::kernel::id::OrganizationId::new())
        .await
        .unwrap();
    let seen = sqlx::query_scalar!("SELECT count(*) AS \"n!\" FROM audit_logs")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn the_logs_refuse_update_and_delete_to_the_hub_and_to_their_owner() {
    let test = testing::store().await;
    one_is_committed(&test).await;
    for url in [&test.app_url, &test.admin_url] {
        use sqlx::Connection;
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query("SET signalbox.organization = '*'")
            .execute(&mut connection)
            .await
            .unwrap();
        for sql in [
            "UPDATE audit_logs SET action = 'x'",
            "DELETE FROM audit_logs",
            "TRUNCATE audit_logs",
            "DELETE FROM activity_logs",
        ] {
            let refused = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
            assert_eq!(
                refused
                    .as_database_error()
                    .and_then(sqlx::error::DatabaseError::code)
                    .as_deref(),
                Some("42501"),
                "{sql}: {refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_revocation_is_a_row_and_is_heard_on_this_node_only_after_the_commit() {
    let test = testing::store().await;
    let heard = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let sink = heard.clone();
    test.store
        .signals
        .on_revoked(move |revocation| sink.lock().push(revocation.clone()));
    let person = Person {
        id: UserId::new(),
        salt: Uuid::new_v4(),
    };
    let revocation = Revocation {
        organization: test.organization,
        kind: crate::bus::control::RevocationKind::Session,
        subject: SessionId::new().0,
        access_version: None,
        reason: "signed out".to_owned(),
    };
    let mut change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    change.record(event(person)).await.unwrap();
    change.revoke(revocation.clone()).await.unwrap();
    assert!(heard.lock().is_empty());
    change.commit().await.unwrap();
    assert_eq!(*heard.lock(), [revocation]);
}

#[tokio::test]
#[should_panic(expected = "without a recorded event")]
async fn a_commit_that_recorded_nothing_is_a_panic() {
    let test = testing::store().await;
    let change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    let _ = change.commit().await;
}
