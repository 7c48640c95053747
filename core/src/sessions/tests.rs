use super::forget_revocations;
use super::revocations::Reader;
use super::standing::{Refused, note_seen, read, read_rights};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::permission::{Rights, RightsVersion};
use crate::testing::{self, TestStore};
use sqlx::{Connection, PgConnection};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

async fn insert(test: &TestStore, connection: &mut PgConnection, subject: Uuid) {
    sqlx::query("INSERT INTO revocations (organization_id, kind, subject) VALUES ($1, 'session', $2)")
        .bind(test.organization.0)
        .bind(subject)
        .execute(connection)
        .await
        .unwrap();
}

async fn subjects(reader: &mut Reader, test: &TestStore) -> Vec<Uuid> {
    let news = reader.read(&test.store.db).await.unwrap();
    news.revocations
        .iter()
        .map(|revocation| revocation.subject)
        .collect()
}

#[tokio::test]
async fn a_revocation_that_commits_after_later_ones_is_read_and_each_is_read_once() {
    let test = testing::store().await;
    let mut reader = Reader::default();
    assert!(subjects(&mut reader, &test).await.is_empty());
    let [late, first, second] = [(); 3].map(|()| Uuid::new_v4());
    let mut slow = PgConnection::connect(&test.admin_url).await.unwrap();
    let mut quick = PgConnection::connect(&test.admin_url).await.unwrap();
    let mut open = slow.begin().await.unwrap();
    insert(&test, &mut open, late).await;
    insert(&test, &mut quick, first).await;
    assert_eq!(subjects(&mut reader, &test).await, [first]);
    insert(&test, &mut quick, second).await;
    assert_eq!(subjects(&mut reader, &test).await, [second]);
    open.commit().await.unwrap();
    assert_eq!(subjects(&mut reader, &test).await, [late]);
    assert!(subjects(&mut reader, &test).await.is_empty());
}

#[tokio::test]
async fn revocations_are_read_while_requests_have_taken_every_connection() {
    let test = testing::store().await;
    let mut reader = Reader::default();
    subjects(&mut reader, &test).await;
    let mut taken = Vec::new();
    for _ in 0..testing::CONNECTIONS {
        taken.push(test.store.db.snapshot().await.unwrap());
    }
    let mut waits = Box::pin(test.store.db.snapshot());
    assert!(futures::poll!(&mut waits).is_pending());
    let mut outside = PgConnection::connect(&test.admin_url).await.unwrap();
    let subject = Uuid::new_v4();
    insert(&test, &mut outside, subject).await;
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), subjects(&mut reader, &test));
    assert_eq!(
        read.await.expect("reading waits behind the requests"),
        [subject],
        "with {} connections taken",
        taken.len()
    );
}

#[tokio::test]
async fn a_revocation_is_forgotten_after_a_day_unless_a_reader_may_still_have_to_see_it() {
    let test = testing::store().await;
    let old = "INSERT INTO revocations (organization_id, kind, subject, at)
        SELECT id, 'user', gen_random_uuid(), now() - interval '25 hours' FROM organizations";
    let mut slow = PgConnection::connect(&test.admin_url).await.unwrap();
    let mut open = slow.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()")
        .execute(&mut *open)
        .await
        .unwrap();
    test.sql(old).await;
    insert(
        &test,
        &mut PgConnection::connect(&test.admin_url).await.unwrap(),
        Uuid::new_v4(),
    )
    .await;
    forget_revocations(&test.store).await.unwrap();
    let left = async || test.count("SELECT count(*) FROM revocations").await;
    assert_eq!(left().await, 2, "a transaction as old as it still runs");
    open.rollback().await.unwrap();
    // transaction ids are the whole cluster's, and other tests have theirs open
    testing::eventually("the old one is forgotten", async || {
        forget_revocations(&test.store).await.unwrap();
        left().await < 2
    })
    .await;
    assert_eq!(left().await, 1, "the one of today stays");
}

#[tokio::test]
async fn a_kind_of_a_newer_node_has_the_whole_organization_looked_at() {
    let test = testing::store().await;
    let mut reader = Reader::default();
    subjects(&mut reader, &test).await;
    // what the newer node's migration has done
    test.sql("ALTER TABLE revocations DROP CONSTRAINT revocations_kind_check")
        .await;
    test.sql(format!(
        "INSERT INTO revocations (organization_id, kind, subject) VALUES ('{}', 'newer', gen_random_uuid())",
        test.organization
    ))
    .await;
    assert_eq!(subjects(&mut reader, &test).await, [test.organization.0]);
}

#[tokio::test]
async fn a_session_is_good_only_while_it_and_its_person_are() {
    let test = testing::store().await;
    let person = test.person().await;
    let session = test.session(person).await;
    let good = async || read(&test.store.db, session, person).await.unwrap();
    let standing = good().await.unwrap();
    assert_eq!(
        (standing.user, standing.version),
        (person, RightsVersion { access: 1, epoch: 1 })
    );
    let strangers = read(&test.store.db, session, UserId::new()).await.unwrap();
    assert_eq!(
        strangers,
        Err(Refused::Unknown),
        "a session is good for its own person only"
    );
    let no_such = read(&test.store.db, SessionId::new(), person).await.unwrap();
    assert_eq!(no_such, Err(Refused::Unknown));
    let users = "UPDATE users SET";
    for (change, back, refused) in [
        ("status = 'banned'", "status = 'active'", Refused::Banned),
        ("status = 'suspended'", "status = 'active'", Refused::Suspended),
        ("deleted_at = now()", "deleted_at = NULL", Refused::Deleted),
        (
            "sessions_not_before = now() + interval '1 second'",
            "sessions_not_before = NULL",
            Refused::Revoked("session ended".to_owned()),
        ),
    ] {
        test.sql(format!("{users} {change}")).await;
        assert_eq!(good().await, Err(refused));
        test.sql(format!("{users} {back}")).await;
        assert!(good().await.is_ok());
    }
    test.sql("UPDATE user_sessions SET revoked_at = now(), revoked_reason = 'signed out'")
        .await;
    assert_eq!(good().await, Err(Refused::Revoked("signed out".to_owned())));
}

#[tokio::test]
async fn time_ends_a_session_absolutely_and_when_idle() {
    let test = testing::store().await;
    let person = test.person().await;
    let session = test.session(person).await;
    let standing = read(&test.store.db, session, person).await.unwrap().unwrap();
    let (day, minute) = (Duration::DAY, Duration::MINUTE);
    let seen = standing.last_seen_at;
    assert_eq!(standing.check_time(seen, day), Ok(()));
    assert_eq!(standing.check_time(seen + minute, minute), Err(Refused::Idle));
    assert_eq!(
        standing.check_time(standing.expires_at, day),
        Err(Refused::Expired)
    );
}

#[tokio::test]
async fn last_seen_never_moves_back() {
    let test = testing::store().await;
    let person = test.person().await;
    let session = test.session(person).await;
    let seen = async || {
        read(&test.store.db, session, person)
            .await
            .unwrap()
            .unwrap()
            .last_seen_at
    };
    let later = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    note_seen(&test.store.db, &[(session, later)]).await.unwrap();
    assert_eq!(seen().await, later);
    note_seen(
        &test.store.db,
        &[(session, later - Duration::HOUR), (SessionId::new(), later)],
    )
    .await
    .unwrap();
    assert_eq!(seen().await, later);
}

#[tokio::test]
async fn rights_are_read_with_their_version_and_redis_keeps_only_newer_ones() {
    let test = testing::store().await;
    let person = test.person().await;
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{person}', 'users:read');
         UPDATE users SET access_version = 5",
        test.organization
    ))
    .await;
    let rights = read_rights(&test.store.db, test.organization, person)
        .await
        .unwrap();
    assert_eq!(rights.version, RightsVersion { access: 5, epoch: 1 });
    assert!(rights.permissions.has("users:read") && rights.permissions.len() == 1);
    let nobody = read_rights(&test.store.db, test.organization, UserId::new())
        .await
        .unwrap();
    assert_eq!(nobody, Rights::default());

    let bus = &test.store.bus;
    assert_eq!(bus.kept_rights(person).await.unwrap(), None);
    assert!(bus.keep_rights(person, &rights).await.unwrap());
    for older in [
        RightsVersion { access: 4, epoch: 1 },
        RightsVersion { access: 5, epoch: 0 },
        RightsVersion { access: 4, epoch: 9 },
    ] {
        let older = Rights {
            version: older,
            ..Rights::default()
        };
        assert!(!bus.keep_rights(person, &older).await.unwrap(), "{older:?}");
    }
    assert_eq!(bus.kept_rights(person).await.unwrap(), Some(rights.clone()));
    let newer = Rights {
        version: RightsVersion { access: 5, epoch: 2 },
        ..Rights::default()
    };
    assert!(bus.keep_rights(person, &newer).await.unwrap());
    assert_eq!(bus.kept_rights(person).await.unwrap(), Some(newer));
}
