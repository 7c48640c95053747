use super::*;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::event::{Event, Subject};
use crate::testing::{self, TestStore};
use sqlx::{AssertSqlSafe, Connection};

async fn entries(test: &TestStore, count: i64) {
    for version in 1..=count {
        let subject = Subject {
            kind: "user".into(),
            id: Uuid::now_v7(),
            version,
        };
        let event = Event::new("user.updated", "users.update", subject, "feed:users", "t").changed(
            "department",
            "Ops",
            version,
        );
        let mut change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
            .await
            .unwrap();
        change.record(event).await.unwrap();
        change.commit().await.unwrap();
    }
}

async fn chained(count: i64) -> TestStore {
    let test = testing::store().await;
    entries(&test, count).await;
    let lease = Lease::take(&test.store.db, ROLE, "test").await.unwrap().unwrap();
    while sequence(&test.store, &lease).await.unwrap() > 0 {}
    assert_eq!(sign(&test.store, &lease).await.unwrap(), 1);
    assert_eq!(sign(&test.store, &lease).await.unwrap(), 0);
    test
}

/// What somebody with the database's own password could do.
async fn tamper(test: &TestStore, statement: &str) {
    let mut connection = sqlx::PgConnection::connect(&test.admin_url).await.unwrap();
    let script = format!("SET session_replication_role = replica; {statement}");
    let done = sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(done.rows_affected() > 0, "nothing was tampered with");
}

async fn verified(test: &TestStore) -> Verified {
    verify(&test.store, test.organization, 1..=i64::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_untouched_log_verifies_to_its_last_entry_and_checkpoint() {
    let test = chained(5).await;
    let whole = Verified {
        entries: 5,
        checkpoints: 1,
        broken: None,
    };
    assert_eq!(verified(&test).await, whole);
    let part = verify(&test.store, test.organization, 2..=4).await.unwrap();
    assert_eq!((part.entries, part.broken), (3, None));
}

#[tokio::test]
async fn one_changed_byte_in_a_stored_entry_is_found_where_it_is() {
    let changes = [
        "UPDATE audit_logs SET action = 'users.updatf' WHERE subject_version = 3",
        "UPDATE audit_logs SET changes = jsonb_set(changes, '{department,before}', '\"Opt\"') WHERE subject_version = 3",
        "UPDATE audit_logs SET reason = '' WHERE subject_version = 3",
        "DELETE FROM audit_logs WHERE subject_version = 3",
        "DELETE FROM audit_chain WHERE position = 3",
        "UPDATE audit_chain SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE position = 3",
    ];
    for change in changes {
        let test = chained(5).await;
        tamper(&test, change).await;
        let found = verified(&test).await.broken;
        assert_eq!(found.map(|broken| broken.position), Some(3), "{change}");
    }
}

#[tokio::test]
async fn an_entry_that_was_written_past_the_hub_is_found_and_one_that_waits_for_its_place_is_none() {
    let test = chained(5).await;
    entries(&test, 1).await;
    assert_eq!(verified(&test).await.broken, None, "the sequencer comes to it");
    let forged = [
        "INSERT INTO audit_logs SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid()))).* FROM audit_logs a LIMIT 1",
        // under the id of one that has a place
        "INSERT INTO audit_logs SELECT (jsonb_populate_record(a, jsonb_build_object('at', now() + interval '1 hour'))).* FROM audit_logs a
         WHERE id = (SELECT audit_id FROM audit_chain LIMIT 1)",
    ];
    for forge in forged {
        tamper(&test, forge).await;
        let found = verified(&test).await.broken.unwrap();
        assert_eq!(found.position, 0);
        assert!(
            found.what.contains("stands in no place of the chain"),
            "{}",
            found.what
        );
        let clean = "DELETE FROM audit_logs a WHERE NOT EXISTS
               (SELECT FROM audit_chain c WHERE c.audit_id = a.id AND c.audit_at = a.at)
             AND NOT EXISTS (SELECT FROM audit_unchained w WHERE w.audit_id = a.id AND w.audit_at = a.at)";
        tamper(&test, clean).await;
        assert_eq!(verified(&test).await.broken, None);
    }
    let all = verify_all(&test.store).await.unwrap();
    assert_eq!(all, [(test.organization, verified(&test).await)]);
}

#[tokio::test]
async fn a_chain_rewritten_or_cut_off_behind_a_checkpoint_is_found() {
    let test = chained(5).await;
    tamper(
        &test,
        "DELETE FROM audit_chain WHERE position > 4; DELETE FROM audit_logs WHERE subject_version > 4",
    )
    .await;
    assert_eq!(
        verified(&test).await.broken.unwrap().what,
        "a signed link is missing"
    );
    let test = chained(5).await;
    tamper(
        &test,
        "UPDATE audit_checkpoints SET signature = set_byte(signature, 0, get_byte(signature, 0) # 1)",
    )
    .await;
    assert_eq!(
        verified(&test).await.broken.unwrap().what,
        "the signature of a checkpoint is not ours"
    );
}

#[tokio::test]
async fn a_chain_made_anew_over_changed_entries_is_not_the_one_that_was_signed() {
    let test = chained(3).await;
    tamper(&test, "DELETE FROM audit_chain; UPDATE audit_logs SET reason = 'x';
         INSERT INTO audit_unchained (organization_id, audit_id, audit_at) SELECT organization_id, id, at FROM audit_logs").await;
    let lease = Lease::take(&test.store.db, "forger", "test")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sequence(&test.store, &lease).await.unwrap(), 3);
    let found = verified(&test).await;
    assert_eq!(
        (found.entries, found.broken.unwrap().what.as_str()),
        (3, "the chain is not the one that was signed")
    );
}

#[tokio::test]
async fn an_ousted_sequencer_chains_nothing_and_the_next_chains_each_entry_once() {
    let test = testing::store().await;
    entries(&test, 3).await;
    let first = Lease::take(&test.store.db, ROLE, "a").await.unwrap().unwrap();
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    sqlx::query("UPDATE leaders SET until = clock_timestamp() - interval '1 ms'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let second = Lease::take(&test.store.db, ROLE, "b").await.unwrap().unwrap();
    assert_eq!(
        sequence(&test.store, &first).await.unwrap_err().code,
        crate::db::leader::LOST
    );
    assert_eq!(sequence(&test.store, &second).await.unwrap(), 3);
    assert_eq!(sequence(&test.store, &second).await.unwrap(), 0);
    assert_eq!(verified(&test).await.entries, 3);
}
