mod forgetting;

use super::*;
use crate::change::Change;
use crate::jobs::{JobState, NewJob, dispatch};
use crate::kernel::ctx::Ctx;
use crate::kernel::id::{BootId, JobId};
use crate::testing::{self, TestStore};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};
use std::time::Duration;

fn node(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        boot: BootId::new(),
    }
}

async fn enqueue(test: &TestStore, change: impl FnOnce(&mut NewJob)) -> JobId {
    let mut job = NewJob::new("tests.nothing", "Nothing", json!({}));
    change(&mut job);
    let ctx = Ctx::system(test.organization, "test");
    let mut asking = Change::begin(&test.store, &ctx).await.unwrap();
    let id = asking.enqueue(job).await.unwrap();
    asking.commit().await.unwrap();
    id
}

async fn start(test: &TestStore, node: &Node, id: JobId) -> Option<Run> {
    claim(&test.store, node, 6.0, &[id.0]).await.unwrap().pop()
}

async fn look(test: &TestStore, id: JobId) -> Job {
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    store::get(&mut tx, test.organization, id).await.unwrap().unwrap()
}

async fn history(test: &TestStore, id: JobId) -> Vec<String> {
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    let lines = store::history(&mut tx, test.organization, id).await.unwrap();
    lines.into_iter().map(|line| line.kind).collect()
}

/// What the hub's own statements never do: moves a lease or a due time into the past.
async fn rewrite(test: &TestStore, sql: &str) {
    let mut admin = sqlx::PgConnection::connect(&test.admin_url).await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(&mut admin)
        .await
        .unwrap();
}

async fn lapse(test: &TestStore) {
    rewrite(test, "UPDATE job_leases SET until = now() - interval '1 second'").await;
}

#[tokio::test]
async fn of_many_who_claim_a_job_at_once_one_gets_it() {
    let test = testing::store().await;
    let id = enqueue(&test, |_| {}).await;
    let node = node("a");
    let claims = futures::future::join_all((0..8).map(|_| start(&test, &node, id))).await;
    let runs: Vec<Run> = claims.into_iter().flatten().collect();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].lease.epoch, runs[0].job.attempt), (1, 1));
    assert!(start(&test, &node, id).await.is_none());
}

#[tokio::test]
async fn a_job_that_is_not_committed_or_not_due_is_not_claimed() {
    let test = testing::store().await;
    let ctx = Ctx::system(test.organization, "test");
    let mut dropped = Change::begin(&test.store, &ctx).await.unwrap();
    let id = dropped
        .enqueue(NewJob::new("tests.nothing", "Nothing", json!({})))
        .await
        .unwrap();
    drop(dropped);
    assert!(start(&test, &node("a"), id).await.is_none());
    let later = test.store.clock.now() + time::Duration::hours(1);
    let id = enqueue(&test, |job| job.run_at = Some(later)).await;
    assert!(start(&test, &node("a"), id).await.is_none());
}

#[tokio::test]
async fn of_unfinished_jobs_only_one_has_a_key() {
    let test = testing::store().await;
    let keyed = |job: &mut NewJob| job.unique_key = Some("k".into());
    let id = enqueue(&test, keyed).await;
    let mut second = NewJob::new("tests.nothing", "Nothing", json!({}));
    keyed(&mut second);
    let mut change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    assert_eq!(
        change.enqueue(second).await.unwrap_err().code,
        "job.already_queued"
    );
    let run = start(&test, &node("a"), id).await.unwrap();
    settle(&test.store, &run, &Outcome::Done(json!({})))
        .await
        .unwrap();
    enqueue(&test, keyed).await;
}

#[tokio::test]
async fn a_checkpoint_of_a_worker_that_lost_its_lease_rolls_its_data_back() {
    let test = testing::store().await;
    let (a, b) = (node("a"), node("b"));
    let id = enqueue(&test, |_| {}).await;
    let first = start(&test, &a, id).await.unwrap();
    lapse(&test).await;
    assert_eq!(take_lapsed(&test.store).await.unwrap(), 1);
    let second = start(&test, &b, id).await.unwrap();
    assert_eq!(second.lease.epoch, first.lease.epoch + 1);

    let ctx = Ctx::system(test.organization, "test");
    let mut stale = Change::begin(&test.store, &ctx).await.unwrap();
    let lost = stale
        .enqueue(NewJob::new("tests.nothing", "Nothing", json!({})))
        .await
        .unwrap();
    let refused = stale
        .checkpoint(first.lease, &json!({"line": 9}))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "job.lease_lost");
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    assert!(
        store::get(&mut tx, test.organization, lost)
            .await
            .unwrap()
            .is_none()
    );
    drop(tx);
    let refused = settle(&test.store, &first, &Outcome::Done(json!({})))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "job.lease_lost");

    let mut good = Change::begin(&test.store, &ctx).await.unwrap();
    let kept = good
        .enqueue(NewJob::new("tests.nothing", "Nothing", json!({})))
        .await
        .unwrap();
    good.checkpoint(second.lease, &json!({"line": 3})).await.unwrap();
    look(&test, kept).await;
    lapse(&test).await;
    take_lapsed(&test.store).await.unwrap();
    assert_eq!(start(&test, &a, id).await.unwrap().checkpoint, json!({"line": 3}));
}

#[tokio::test]
async fn three_crashes_without_a_checkpoint_set_a_job_aside_and_one_with_it_does_not() {
    let test = testing::store().await;
    let node = node("a");
    let poison = enqueue(&test, |_| {}).await;
    for crash in 1..=3 {
        start(&test, &node, poison).await.unwrap();
        lapse(&test).await;
        assert_eq!(take_lapsed(&test.store).await.unwrap(), 1);
        assert_eq!(look(&test, poison).await.crashes, crash);
    }
    assert_eq!(look(&test, poison).await.state, JobState::Quarantined);
    assert!(start(&test, &node, poison).await.is_none());

    let getting_on = enqueue(&test, |_| {}).await;
    for line in 0..6 {
        let run = start(&test, &node, getting_on).await.unwrap();
        let tx = test.store.db.bookkeeping().await.unwrap();
        checkpoint(tx, run.lease, &json!({"line": line})).await.unwrap();
        lapse(&test).await;
        take_lapsed(&test.store).await.unwrap();
    }
    let job = look(&test, getting_on).await;
    assert_eq!((job.state, job.crashes), (JobState::Retrying, 6));
}

#[tokio::test]
async fn a_renewed_lease_is_not_taken_and_a_restarted_node_frees_its_own_at_once() {
    let test = testing::store().await;
    let (old, other) = (node("a"), node("b"));
    let (mine, theirs) = (enqueue(&test, |_| {}).await, enqueue(&test, |_| {}).await);
    let held = [
        start(&test, &old, mine).await.unwrap().lease,
        start(&test, &other, theirs).await.unwrap().lease,
    ];
    lapse(&test).await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    for (node, own) in [(&old, held[0]), (&other, held[1])] {
        let renewed = store::renew(&mut tx, node, 6.0, &held).await.unwrap();
        assert_eq!(renewed, [(own, false)], "only what is this node's");
    }
    tx.commit().await.unwrap();
    assert_eq!(take_lapsed(&test.store).await.unwrap(), 0);
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let again = node("a");
    assert_eq!(store::free_previous_boot(&mut tx, &again).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(take_lapsed(&test.store).await.unwrap(), 1);
    assert!(start(&test, &again, mine).await.is_some());
}

#[tokio::test]
async fn a_run_that_its_living_node_does_not_hold_is_not_renewed_and_is_taken_over() {
    let test = testing::store().await;
    let node = node("a");
    let (held, lost) = (enqueue(&test, |_| {}).await, enqueue(&test, |_| {}).await);
    let run = start(&test, &node, held).await.unwrap();
    start(&test, &node, lost).await.unwrap();
    lapse(&test).await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let renewed = store::renew(&mut tx, &node, 6.0, &[run.lease]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(renewed, [(run.lease, false)]);
    assert_eq!(take_lapsed(&test.store).await.unwrap(), 1);
    assert_eq!(look(&test, lost).await.state, JobState::Retrying);
    assert_eq!(look(&test, held).await.state, JobState::Running);
}

#[tokio::test]
async fn a_failure_waits_longer_each_time_and_is_final_after_the_last_attempt() {
    let test = testing::store().await;
    let node = node("a");
    let id = enqueue(&test, |job| job.max_attempts = 3).await;
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        let run = start(&test, &node, id).await.unwrap();
        assert_eq!(run.job.attempt, attempt);
        let long = "x".repeat(5_000);
        settle(&test.store, &run, &Outcome::Retry(long)).await.unwrap();
        let job = look(&test, id).await;
        assert_eq!(job.error.unwrap().len(), 2_000, "a message is bounded");
        if attempt < 3 {
            assert_eq!(job.state, JobState::Retrying);
            assert!(
                start(&test, &node, id).await.is_none(),
                "not before its pause is over"
            );
            pauses.push((job.run_at - test.store.clock.now()).as_seconds_f64());
            rewrite(&test, "UPDATE jobs SET run_at = now()").await;
        }
    }
    assert!(pauses[0] > 0.3 && pauses[1] > pauses[0] * 1.2, "{pauses:?}");
    assert_eq!(look(&test, id).await.state, JobState::Failed);
    assert_eq!(
        history(&test, id).await,
        [
            "enqueued", "started", "retrying", "started", "retrying", "started", "failed"
        ]
    );
}

#[tokio::test]
async fn a_server_that_was_away_does_not_use_up_attempts() {
    let test = testing::store().await;
    let node = node("a");
    let id = enqueue(&test, |job| job.max_attempts = 1).await;
    for _ in 0..4 {
        let run = start(&test, &node, id).await.unwrap();
        let away = Outcome::RetryAfter("no database".into(), Duration::ZERO);
        assert_eq!(
            settle(&test.store, &run, &away).await.unwrap(),
            JobState::Retrying
        );
    }
    let run = start(&test, &node, id).await.unwrap();
    let state = settle(&test.store, &run, &Outcome::Fail("no".into()))
        .await
        .unwrap();
    assert_eq!(state, JobState::Failed);
}

#[tokio::test]
async fn of_many_errors_the_newest_ten_stay() {
    let test = testing::store().await;
    let id = enqueue(&test, |_| {}).await;
    for n in 0..14 {
        let run = start(&test, &node("a"), id).await.unwrap();
        let outcome = Outcome::RetryAfter(format!("error {n}"), Duration::ZERO);
        settle(&test.store, &run, &outcome).await.unwrap();
    }
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    let errors = sqlx::query_scalar!("SELECT errors FROM jobs")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    let messages: Vec<&str> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 10);
    assert_eq!((messages[0], messages[9]), ("error 4", "error 13"));
}

#[tokio::test]
async fn cancelling_ends_a_waiting_job_and_asks_a_running_one() {
    let test = testing::store().await;
    let node = node("a");
    let ctx = Ctx::system(test.organization, "test");
    let (waiting, running) = (enqueue(&test, |_| {}).await, enqueue(&test, |_| {}).await);
    let run = start(&test, &node, running).await.unwrap();
    for (id, runs) in [(waiting, false), (running, true)] {
        let mut change = Change::begin(&test.store, &ctx).await.unwrap();
        assert_eq!(change.cancel_job(id).await.unwrap(), runs);
        change.commit().await.unwrap();
    }
    assert_eq!(look(&test, waiting).await.state, JobState::Cancelled);
    assert!(start(&test, &node, waiting).await.is_none());
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    assert_eq!(
        store::renew(&mut tx, &node, 6.0, &[run.lease]).await.unwrap(),
        [(run.lease, true)]
    );
    tx.commit().await.unwrap();
    let failed = settle(&test.store, &run, &Outcome::Retry("late".into()))
        .await
        .unwrap();
    assert_eq!(
        failed,
        JobState::Cancelled,
        "what was cancelled is not tried again"
    );
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    assert_eq!(change.cancel_job(running).await.unwrap_err().code, "job.finished");
}

#[tokio::test]
async fn every_change_of_state_is_an_event_on_both_channels_and_the_counters_come_out_even() {
    let test = testing::store().await;
    let id = enqueue(&test, |_| {}).await;
    let run = start(&test, &node("a"), id).await.unwrap();
    settle(&test.store, &run, &Outcome::Released).await.unwrap();
    let run = start(&test, &node("a"), id).await.unwrap();
    settle(&test.store, &run, &Outcome::Done(json!({"n": 1})))
        .await
        .unwrap();
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    let events =
        sqlx::query!("SELECT type AS kind, channels, counters, subject_version FROM outbox ORDER BY seq")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "job.enqueued",
            "job.started",
            "job.released",
            "job.started",
            "job.succeeded"
        ]
    );
    let mut totals = std::collections::BTreeMap::new();
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event.channels, ["feed:jobs".to_owned(), format!("job:{id}")]);
        assert_eq!(event.subject_version, Some(n as i64 + 1));
        for (name, by) in event.counters.as_object().unwrap() {
            *totals.entry(name.clone()).or_insert(0) += by.as_i64().unwrap();
        }
    }
    assert!(totals.values().all(|total| *total == 0), "{totals:?}");
}

#[tokio::test]
async fn the_dispatcher_gives_ids_by_priority_and_then_by_time_and_nothing_while_paused() {
    let test = testing::store().await;
    let past = test.store.clock.now() - time::Duration::minutes(1);
    let low = enqueue(&test, |job| (job.priority, job.run_at) = (-1, Some(past))).await;
    let second = enqueue(&test, |_| {}).await;
    let first = enqueue(&test, |job| job.run_at = Some(past)).await;
    let high = enqueue(&test, |job| job.priority = 5).await;
    assert_eq!(dispatch::feed(&test.store).await.unwrap(), 4);
    assert_eq!(dispatch::feed(&test.store).await.unwrap(), 0);
    let bus = &test.store.bus;
    let paused = bus.keys().queue_paused("tests.nothing");
    redis::cmd("SET")
        .arg(&paused)
        .arg(1)
        .query_async::<()>(&mut bus.shared())
        .await
        .unwrap();
    assert!(dispatch::take(bus, "tests.nothing", 10).await.unwrap().is_empty());
    redis::cmd("DEL")
        .arg(&paused)
        .query_async::<()>(&mut bus.shared())
        .await
        .unwrap();
    let ids = dispatch::take(bus, "tests.nothing", 10).await.unwrap();
    assert_eq!(ids, [high.0, first.0, second.0, low.0]);
}

#[tokio::test]
async fn what_redis_has_lost_is_given_again_and_what_it_has_is_left() {
    let test = testing::store().await;
    let (lost, kept) = (
        enqueue(&test, |job| job.priority = 1).await,
        enqueue(&test, |_| {}).await,
    );
    dispatch::feed(&test.store).await.unwrap();
    let bus = &test.store.bus;
    assert_eq!(dispatch::take(bus, "tests.nothing", 1).await.unwrap(), [lost.0]);
    rewrite(
        &test,
        "UPDATE jobs SET dispatched_at = now() - interval '1 minute'",
    )
    .await;
    assert_eq!(dispatch::find_lost(&test.store).await.unwrap(), 1);
    assert_eq!(dispatch::find_lost(&test.store).await.unwrap(), 0);
    assert_eq!(dispatch::feed(&test.store).await.unwrap(), 1);
    assert_eq!(
        dispatch::take(bus, "tests.nothing", 9).await.unwrap(),
        [lost.0, kept.0]
    );
}
