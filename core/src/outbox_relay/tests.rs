use super::*;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::UserId;
use crate::live::history::History;
use crate::testing::{self, TestStore};
use serde_json::{Value, json};
use uuid::Uuid;

const FEED: &str = "feed:users";

fn event(user: Uuid, version: i64) -> Event {
    let subject = Subject {
        kind: "user".into(),
        id: user,
        version,
    };
    Event::new(
        "user.updated",
        "users.update",
        subject,
        FEED,
        "{actor} changed {subject}",
    )
    .patch(json!({"id": user, "version": version}), vec![])
    .counts("users_total", 1)
}

/// A change that is written and not committed.
async fn open(test: &TestStore, user: Uuid, version: i64) -> Change {
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    change.record(event(user, version)).await.unwrap();
    change
}

async fn commit(test: &TestStore, user: Uuid, versions: std::ops::RangeInclusive<i64>) {
    for version in versions {
        open(test, user, version).await.commit().await.unwrap();
    }
}

async fn leader(test: &TestStore) -> Lease {
    Lease::take(&test.store.db, ROLE, "test").await.unwrap().unwrap()
}

/// Takes the lead although another has it, as when that one froze for longer than its lease.
async fn oust(test: &TestStore) -> Lease {
    sql(
        test,
        "UPDATE leaders SET until = clock_timestamp() - interval '1 ms'",
    )
    .await;
    leader(test).await
}

async fn sql(test: &TestStore, statement: &'static str) {
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    sqlx::query(statement).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn relay(test: &TestStore, lease: &Lease) {
    while order(&test.store.db, lease).await.unwrap().rows > 0 {}
    while publish(&test.store, lease).await.unwrap() > 0 {}
}

async fn history(test: &TestStore) -> Option<History> {
    crate::live::history::read(&test.store.bus, test.organization, FEED, 0, 100)
        .await
        .unwrap()
}

/// Offsets and subjects' versions in history.
async fn delivered(test: &TestStore) -> Vec<(u64, i64)> {
    let version = |payload: &[u8]| {
        let published: Value = serde_json::from_slice(payload).unwrap();
        published["event"]["subject"]["version"].as_i64().unwrap()
    };
    let history = history(test).await.unwrap();
    history
        .publications
        .iter()
        .map(|(at, payload)| (*at, version(payload)))
        .collect()
}

async fn redis(test: &TestStore, command: &str, arguments: &[&str]) {
    let keys = test.store.bus.keys();
    let mut call = redis::cmd(command);
    for argument in arguments {
        match *argument {
            "meta" => call.arg(keys.live_meta(test.organization, FEED)),
            "history" => call.arg(keys.live_history(test.organization, FEED)),
            other => call.arg(other),
        };
    }
    call.query_async::<redis::Value>(&mut test.store.bus.shared())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_change_that_commits_late_is_neither_skipped_nor_put_before_what_went_out() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    let late = open(&test, Uuid::now_v7(), 7).await;
    let dropped = open(&test, Uuid::now_v7(), 8).await;
    commit(&test, Uuid::now_v7(), 1..=2).await;
    relay(&test, &lease).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2)]);
    drop(dropped);
    late.commit().await.unwrap();
    relay(&test, &lease).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2), (3, 7)]);
    assert_eq!(pending(&test.store).await.unwrap(), 0);
}

#[tokio::test]
async fn a_relay_that_dies_before_marking_publishes_again_without_effect() {
    let test = testing::store().await;
    let first = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=3).await;
    relay(&test, &first).await;
    sql(&test, "UPDATE outbox SET published_at = NULL").await;
    let second = oust(&test).await;
    relay(&test, &second).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2), (3, 3)]);
}

#[tokio::test]
async fn a_leader_that_was_ousted_orders_nothing_and_counts_nothing() {
    let test = testing::store().await;
    let first = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=2).await;
    let second = oust(&test).await;
    assert_eq!(order(&test.store.db, &first).await.unwrap_err().code, LOST);
    assert_eq!(pending(&test.store).await.unwrap(), 2);
    relay(&test, &second).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2)]);
    let mut tx = test.store.db.snapshot().await.unwrap();
    let total: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'users_total'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(total, 2);
}

#[tokio::test]
async fn after_a_flush_history_is_filled_again_with_the_same_epoch_and_offsets() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=3).await;
    relay(&test, &lease).await;
    let before = history(&test).await.unwrap().position;
    redis(&test, "DEL", &["meta", "history"]).await;
    compare(&test.store, &lease).await.unwrap();
    assert_eq!(history(&test).await.unwrap().position, before);
    redis(&test, "DEL", &["meta", "history"]).await;
    commit(&test, Uuid::now_v7(), 4..=4).await;
    relay(&test, &lease).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(history(&test).await.unwrap().position.epoch, before.epoch);
}

#[tokio::test]
async fn a_redis_that_came_back_with_older_data_is_continued() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=4).await;
    relay(&test, &lease).await;
    let before = history(&test).await.unwrap().position;
    redis(&test, "HSET", &["meta", "top", "2"]).await;
    redis(&test, "DEL", &["history"]).await;
    redis(
        &test,
        "XADD",
        &["history", "2-0", "p", "{\"event\":{\"subject\":{\"version\":2}}}"],
    )
    .await;
    compare(&test.store, &lease).await.unwrap();
    assert_eq!(delivered(&test).await, [(2, 2), (3, 3), (4, 4)]);
    assert_eq!(history(&test).await.unwrap().position, before);
}

#[tokio::test]
async fn a_redis_ahead_of_the_rows_begins_a_new_epoch() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=2).await;
    relay(&test, &lease).await;
    let before = history(&test).await.unwrap().position;
    redis(&test, "HSET", &["meta", "top", "9"]).await;
    commit(&test, Uuid::now_v7(), 3..=3).await;
    relay(&test, &lease).await;
    let after = history(&test).await.unwrap().position;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2), (3, 3)]);
    let mut tx = test.store.db.primary(test.organization).await.unwrap();
    let known = crate::live::position::read(&mut tx, test.organization, FEED)
        .await
        .unwrap();
    assert_eq!(known, after);
}

#[tokio::test]
async fn where_needed_rows_are_pruned_a_new_epoch_begins_at_what_is_left() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=4).await;
    relay(&test, &lease).await;
    let before = history(&test).await.unwrap().position;
    sql(
        &test,
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox_positions WHERE position <= 3)",
    )
    .await;
    redis(&test, "HSET", &["meta", "top", "2"]).await;
    compare(&test.store, &lease).await.unwrap();
    assert_ne!(history(&test).await.unwrap().position.epoch, before.epoch);
    assert_eq!(delivered(&test).await, [(4, 4)]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_holds_up_nothing_behind_it() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=1).await;
    sql(
        &test,
        "UPDATE outbox SET event = '[]', counters = '{\"users_total\": \"many\", \"x\": 1.5}'",
    )
    .await;
    commit(&test, Uuid::now_v7(), 2..=2).await;
    relay(&test, &lease).await;
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2)]);
}

#[tokio::test]
async fn rows_go_after_a_day_and_unpublished_ones_stay() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    commit(&test, Uuid::now_v7(), 1..=2).await;
    relay(&test, &lease).await;
    sql(
        &test,
        "UPDATE outbox SET at = now() - interval '25 hours' WHERE seq = (SELECT min(seq) FROM outbox)",
    )
    .await;
    commit(&test, Uuid::now_v7(), 3..=3).await;
    sql(
        &test,
        "UPDATE outbox SET at = now() - interval '25 hours' WHERE published_at IS NULL",
    )
    .await;
    assert_eq!(prune(&test.store, &lease, 0).await.unwrap(), 0);
    let mut tx = test.store.db.snapshot().await.unwrap();
    let left: Vec<i64> = sqlx::query_scalar("SELECT subject_version FROM outbox ORDER BY seq")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert_eq!(left, [2, 3]);
}

#[tokio::test]
async fn the_one_that_leads_publishes_what_is_committed_and_tells_the_counters() {
    let test = testing::store().await;
    let lease = leader(&test).await;
    let mut overview = test
        .store
        .bus
        .subscribe(&test.store.bus.keys().fans())
        .await
        .unwrap();
    let user = UserId::new().0;
    let told = async {
        commit(&test, user, 1..=3).await;
        loop {
            let Some(Signal::Message { payload, .. }) = overview.next().await else {
                continue;
            };
            let batch = crate::live::history::Batch::parse(&payload).unwrap();
            let state: Value = serde_json::from_slice(&batch.payloads[0]).unwrap();
            if batch.channel == counters::CHANNEL && state["event"]["counters"]["users_total"] == 3 {
                break;
            }
        }
        testing::eventually("nothing is pending", async || {
            pending(&test.store).await.unwrap() == 0
        })
        .await;
    };
    tokio::select! {
        () = lead(&test.store, &lease) => panic!("the lead was lost"),
        ended = tokio::time::timeout(Duration::from_secs(20), told) => ended.unwrap(),
    }
    assert_eq!(delivered(&test).await, [(1, 1), (2, 2), (3, 3)]);
}

#[tokio::test]
async fn the_place_of_an_ended_jobs_channel_is_forgotten_when_nobody_can_come_back_to_it() {
    let test = testing::store().await;
    let (ended, running, young) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let organization = test.organization;
    for (job, state, days) in [
        (ended, "succeeded", 32),
        (running, "running", 32),
        (young, "failed", 30),
    ] {
        test.sql(format!(
            "INSERT INTO jobs (id, organization_id, queue, kind, payload, state)
             VALUES ('{job}', '{organization}', 'q', 'K', '{{}}', '{state}');
             INSERT INTO live_channels (organization_id, channel, epoch, updated_at)
             VALUES ('{organization}', 'job:{job}', 'e', now() - interval '{days} days')"
        ))
        .await;
    }
    test.sql(format!(
        "INSERT INTO live_channels (organization_id, channel, epoch, updated_at)
         VALUES ('{organization}', '{FEED}', 'e', now() - interval '1 year')"
    ))
    .await;
    let lease = leader(&test).await;
    assert!(!forget_channels(&test.store, &lease).await.unwrap());
    let mut kept = test.texts("SELECT channel FROM live_channels").await;
    kept.sort();
    let mut expected = vec![FEED.to_owned(), format!("job:{running}"), format!("job:{young}")];
    expected.sort();
    assert_eq!(kept, expected);
}
