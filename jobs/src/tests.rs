//! Workers against real servers: what survives, how fast, and what each outcome leads to.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start tasks and look at clocks as they like"
)]

use crate::desk::Desk;
use crate::{Handler, Kind, Longest, Options, Workers, keeper, registry};
use futures::FutureExt;
use serde_json::{Value, json};
use signalbox_core::Store;
use signalbox_core::bus::Bus;
use signalbox_core::bus::control::Control;
use signalbox_core::change::{Change, ledger};
use signalbox_core::files::Upload;
use signalbox_core::imports;
use signalbox_core::jobs::{Ending, Job, JobState, KeptDays, NewJob, Node, Outcome, Run, dispatch, store};
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::id::{BootId, JobId};
use signalbox_core::testing::{self, TestStore, eventually};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUEUE: &str = "tests.work";

/// Does what the payload says.
const HANDLER: Handler = |_: &Store, run: &Run| {
    async move {
        match run.payload["do"].as_str().unwrap_or_default() {
            "fail once" if run.job.attempt == 1 => Outcome::Retry("the first time".into()),
            "panic once" if run.job.attempt == 1 => panic!("on purpose"),
            "give up" => Outcome::Fail("never".into()),
            "wait" => match run.cancel.wait().await {
                Ending::Cancelled => Outcome::Cancelled,
                Ending::Stopping => Outcome::Released,
            },
            "hang" => std::future::pending().await,
            "block" => {
                std::thread::sleep(Duration::from_secs(8));
                std::future::pending().await
            }
            "progress" => {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(3) {
                    run.progress.set(1, 40, "counting");
                    tokio::task::yield_now().await;
                }
                Outcome::Done(json!({}))
            }
            _ => Outcome::Done(json!({"attempt": run.job.attempt})),
        }
    }
    .boxed()
};

fn work(store: &Store, name: &str) -> Workers {
    work_renewing(store, name, 2.0)
}

/// Workers that look at their leases every so many seconds.
fn work_renewing(store: &Store, name: &str, seconds: f64) -> Workers {
    work_for(store, name, seconds, Duration::from_hours(1))
}

/// The same, and a run may take `longest`.
fn work_for(store: &Store, name: &str, seconds: f64, longest: Duration) -> Workers {
    let options = Options {
        node: Node {
            name: name.into(),
            boot: BootId::new(),
        },
        concurrency: 4,
        lease_seconds: seconds * 3.0,
        kept: KeptDays {
            succeeded: 30,
            cancelled: 30,
            failed: 90,
        },
    };
    let mut kinds = registry(&Longest::each(longest));
    kinds.push(Kind {
        queue: QUEUE,
        run: HANDLER,
        longest,
    });
    Workers::start(store.clone(), kinds, options)
}

async fn ask(store: &Store, test: &TestStore, what: &str) -> JobId {
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(store, &ctx).await.unwrap();
    let id = change
        .enqueue(NewJob::new(QUEUE, "Work", json!({"do": what})))
        .await
        .unwrap();
    change.commit().await.unwrap();
    id
}

async fn look(test: &TestStore, id: JobId) -> Job {
    let mut tx = test.store.db.primary(test.organization).await.unwrap();
    store::get(&mut tx, test.organization, id).await.unwrap().unwrap()
}

async fn becomes(test: &TestStore, id: JobId, state: JobState) -> Job {
    eventually(&format!("{id} is {state:?}"), async || {
        look(test, id).await.state == state
    })
    .await;
    look(test, id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_leads_to_its_state_and_one_panic_hurts_no_other_job() {
    let test = testing::store().await;
    let workers = work(&test.store, "a");
    let done = ask(&test.store, &test, "").await;
    let again = ask(&test.store, &test, "fail once").await;
    let panics = ask(&test.store, &test, "panic once").await;
    let gives_up = ask(&test.store, &test, "give up").await;
    assert_eq!(
        becomes(&test, done, JobState::Succeeded).await.result,
        Some(json!({"attempt": 1}))
    );
    assert_eq!(becomes(&test, gives_up, JobState::Failed).await.attempt, 1);
    for id in [again, panics] {
        let job = becomes(&test, id, JobState::Succeeded).await;
        assert_eq!((job.attempt, job.failures, job.crashes), (2, 1, 0));
    }
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_job_goes_on_elsewhere_within_ten_seconds() {
    let test = testing::store().await;
    // looks at its leases so often that one not renewed runs out soon
    let killed = work_renewing(&test.store, "a", 1.0);
    let id = ask(&test.store, &test, "wait").await;
    becomes(&test, id, JobState::Running).await;
    drop(killed);
    let from = Instant::now();
    // has its own for so long that a machine which is too slow cannot have it lose them
    let rescuer = work_renewing(&test.store, "b", 600.0);
    eventually("the job runs again", async || look(&test, id).await.attempt == 2).await;
    assert!(from.elapsed() < Duration::from_secs(10), "{:?}", from.elapsed());
    assert_eq!(look(&test, id).await.crashes, 1);
    rescuer.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_jobs_back_at_once_and_counts_no_crash() {
    let test = testing::store().await;
    let first = work(&test.store, "a");
    let id = ask(&test.store, &test, "wait").await;
    becomes(&test, id, JobState::Running).await;
    let from = Instant::now();
    first.stop(Duration::from_mins(1)).await;
    let job = look(&test, id).await;
    assert_eq!((job.state, job.crashes, job.failures), (JobState::Waiting, 0, 0));
    assert!(from.elapsed() < Duration::from_secs(30), "{:?}", from.elapsed());
}

async fn cancel(store: &Store, test: &TestStore, id: JobId) {
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(store, &ctx).await.unwrap();
    change.cancel_job(id).await.unwrap();
    change.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_reaches_a_running_job_at_once_over_the_control_channel() {
    let test = testing::store().await;
    // the renewal would find it too, long after this test has given up
    let workers = work_renewing(&test.store, "a", 600.0);
    let mut cancelled = false;
    // where the machine is too slow, what a commit says is given up, or comes before the run is held: then once more
    for _ in 0..3 {
        let id = ask(&test.store, &test, "wait").await;
        becomes(&test, id, JobState::Running).await;
        cancel(&test.store, &test, id).await;
        let until = Instant::now() + Duration::from_secs(6);
        while !cancelled && Instant::now() < until {
            cancelled = look(&test, id).await.state == JobState::Cancelled;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if cancelled {
            break;
        }
    }
    assert!(cancelled, "no run heard of it");
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_reaches_a_running_job_without_redis_when_its_lease_is_renewed() {
    let test = testing::store().await;
    let mut redis = OwnRedis::start();
    let mut store = test.store.clone();
    store.bus = redis.bus().await;
    let workers = work(&store, "a");
    let id = ask(&store, &test, "wait").await;
    becomes(&test, id, JobState::Running).await;
    redis.server.kill().unwrap();
    redis.server.wait().unwrap();
    cancel(&store, &test, id).await;
    becomes(&test, id, JobState::Cancelled).await;
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_import_ends_at_its_next_checkpoint_and_keeps_what_was_written() {
    const PEOPLE: i64 = 200_000;
    let test = testing::store().await;
    let workers = work_renewing(&test.store, "a", 600.0);
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.permissions = ["imports:create", "imports:read", "users:import"]
        .into_iter()
        .collect();
    let mut upload = Upload::begin(&test.store, &ctx, "people.csv", 1 << 29)
        .await
        .unwrap();
    upload.write(b"email\n").await.unwrap();
    for n in 0..PEOPLE {
        upload
            .write(format!("p{n}@x.example\n").as_bytes())
            .await
            .unwrap();
    }
    let file = upload.finish().await.unwrap();
    let submitted = imports::submit(&test.store, &ctx, &file, imports::Mode::Commit, None)
        .await
        .unwrap();
    let read = async || imports::get(&test.store, &ctx, submitted.id).await.unwrap();
    eventually("somebody is written", async || read().await.counts.inserted > 0).await;
    let job = submitted.job_id.unwrap();
    cancel(&test.store, &test, job).await;
    eventually("it is cancelled", async || {
        // where the machine is too slow, what the commit says is given up, and the next renewal is far away
        let again = Control::JobCancel { job: job.0 };
        let _ = test.store.bus.tell(&again).await;
        look(&test, job).await.state == JobState::Cancelled
    })
    .await;
    let import = read().await;
    assert_eq!(import.state, JobState::Cancelled);
    assert_eq!(import.counts.total, import.counts.inserted);
    assert!(import.counts.inserted < PEOPLE, "it was not cancelled but done");
    let there = test.count("SELECT count(*) FROM users").await;
    assert_eq!(there, import.counts.inserted);
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_on_both_channels_at_most_four_times_a_second() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let mut listening = bus.subscribe(&bus.keys().fans()).await.unwrap();
    let workers = work(&test.store, "a");
    let id = ask(&test.store, &test, "progress").await;
    becomes(&test, id, JobState::Succeeded).await;
    // comes behind all that was told before
    bus.publish(&bus.keys().fans()[0], b"end").await.unwrap();
    let mut told = Vec::new();
    while let Some(signal) = listening.next().await {
        let signalbox_core::bus::Signal::Message { payload, .. } = signal else {
            continue;
        };
        if &payload[..] == b"end" {
            break;
        }
        let batch = signalbox_core::live::history::Batch::parse(&payload).unwrap();
        let event: Value = serde_json::from_slice(&batch.payloads[0]).unwrap();
        assert_eq!(event["event"]["progress"]["total"], 40);
        told.push(batch.channel);
    }
    let of_job = told
        .iter()
        .filter(|channel| **channel == format!("job:{id}"))
        .count();
    assert_eq!(told.len(), of_job * 2);
    // three seconds, and more under load: far fewer tellings than steps
    assert!((2..=60).contains(&of_job), "{of_job}");
    assert_eq!(look(&test, id).await.progress_phase, "counting");
    workers.stop(Duration::from_secs(5)).await;
}

/// A Redis of this test's own, to be flushed and stopped.
struct OwnRedis {
    server: Child,
    dir: std::path::PathBuf,
}

impl OwnRedis {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("sbxr-{}", JobId::new()));
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("s");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { server, dir }
    }

    async fn bus(&self) -> Bus {
        let url = format!("redis+unix://{}", self.dir.join("s").display());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Bus::connect(&url, "own").await {
                Ok(bus) => return bus,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn flush(&self) {
        let flushed = Command::new("redis-cli")
            .arg("-s")
            .arg(self.dir.join("s"))
            .arg("FLUSHALL")
            .output()
            .unwrap();
        assert!(flushed.status.success());
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_jobs_that_are_over_hold_up_none_that_is_due() {
    let test = testing::store().await;
    for _ in 0..50 {
        ask(&test.store, &test, "").await;
    }
    while dispatch::feed(&test.store).await.unwrap() > 0 {}
    test.sql("DELETE FROM jobs".to_owned()).await;
    let id = ask(&test.store, &test, "").await;
    while dispatch::feed(&test.store).await.unwrap() > 0 {}
    let node = Node {
        name: "a".into(),
        boot: BootId::new(),
    };
    let desk = Arc::new(Desk::new(test.store.clone(), node, 2.0));
    let held = desk.claim(QUEUE, Duration::from_hours(1)).await.unwrap();
    assert_eq!(held.map(|held| held.run.job.id), Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_within_a_living_node_is_renewed_no_longer_and_taken_over() {
    let test = testing::store().await;
    let [kept, lost] = [
        ask(&test.store, &test, "").await,
        ask(&test.store, &test, "").await,
    ];
    while dispatch::feed(&test.store).await.unwrap() > 0 {}
    let node = Node {
        name: "a".into(),
        boot: BootId::new(),
    };
    let desk = Arc::new(Desk::new(test.store.clone(), node, 8.0));
    let hour = Duration::from_hours(1);
    let mut held = vec![
        desk.claim(QUEUE, hour).await.unwrap().unwrap(),
        desk.claim(QUEUE, hour).await.unwrap().unwrap(),
    ];
    held.retain(|held| held.run.job.id == kept);
    eventually("the lost run is taken over", async || {
        keeper::renew_once(&desk).await.unwrap();
        ledger::take_lapsed(&test.store).await.unwrap();
        look(&test, lost).await.state == JobState::Retrying
    })
    .await;
    assert_eq!(look(&test, kept).await.state, JobState::Running);
    assert_eq!(look(&test, lost).await.crashes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_longer_than_its_kind_may_is_told_to_end_then_dropped_and_counts_as_a_failure() {
    let test = testing::store().await;
    let workers = work_for(&test.store, "a", 2.0, Duration::from_millis(300));
    // one that ends when it is told to, and one that does not
    for what in ["wait", "hang"] {
        let id = ask(&test.store, &test, what).await;
        // it is soon tried again, and soon takes too long again
        eventually("it has failed", async || look(&test, id).await.failures >= 1).await;
        let job = look(&test, id).await;
        let error = job.error.unwrap();
        assert!(
            error.contains("took longer than") && error.contains(QUEUE),
            "{error}"
        );
        assert_eq!(job.crashes, 0);
    }
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_never_waits_loses_its_lease_once_it_has_taken_too_long() {
    let test = testing::store().await;
    let workers = work_for(&test.store, "a", 0.2, Duration::from_millis(100));
    let id = ask(&test.store, &test, "block").await;
    eventually("it is taken over", async || look(&test, id).await.crashes >= 1).await;
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_next_months_are_made_while_a_node_runs() {
    let test = testing::store().await;
    let name = "'activity_logs_' || to_char((now() AT TIME ZONE 'UTC') + interval '3 months', 'YYYY_MM')";
    test.sql(format!("DO $$ BEGIN EXECUTE 'DROP TABLE ' || {name}; END $$"))
        .await;
    let workers = work(&test.store, "a");
    let there = format!("SELECT (to_regclass({name}) IS NOT NULL)::text");
    eventually("the month is there again", async || {
        test.texts(&there).await == ["true"]
    })
    .await;
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_over_for_long_are_deleted_while_a_node_runs() {
    let test = testing::store().await;
    let [old, new] = [
        ask(&test.store, &test, "").await,
        ask(&test.store, &test, "").await,
    ];
    let sql = "UPDATE jobs SET state = 'succeeded', finished_at = now() - interval";
    test.sql(format!(
        "{sql} '31 days' WHERE id = '{old}'; {sql} '29 days' WHERE id = '{new}'"
    ))
    .await;
    let workers = work(&test.store, "a");
    eventually("the old one is gone", async || {
        test.texts("SELECT id::text FROM jobs").await == [new.to_string()]
    })
    .await;
    workers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushing_redis_or_losing_it_loses_no_job() {
    let test = testing::store().await;
    let mut redis = OwnRedis::start();
    let mut store = test.store.clone();
    store.bus = redis.bus().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(ask(&store, &test, "").await);
    }
    while dispatch::feed(&store).await.unwrap() > 0 {}
    redis.flush();
    let workers = work(&store, "a");
    for id in &ids {
        assert_eq!(becomes(&test, *id, JobState::Succeeded).await.attempt, 1);
    }
    redis.server.kill().unwrap();
    redis.server.wait().unwrap();
    let without = ask(&test.store, &test, "").await;
    becomes(&test, without, JobState::Succeeded).await;
    workers.stop(Duration::from_secs(5)).await;
}
