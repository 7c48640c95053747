//! What every node does for the ledger, without a leader: renews its leases, hears of cancellings, feeds Redis, takes over
//! from workers that went away, finds what Redis has lost, and sweeps what jobs left behind.

use crate::backend::POLL;
use crate::desk::Desk;
use jobs::{KeptDays, dispatch};
use signalbox_core::bus::Signal;
use signalbox_core::bus::control::Control;
use signalbox_core::change::{idempotency, ledger};
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::JobId;
use signalbox_core::{api_keys, auth, bulk, files, imports, jobs, personal_data, recovery, sessions};
use std::time::Duration;

const RECONCILE: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(5);
const EXPIRE: Duration = Duration::from_mins(1);
/// What only grows is pruned so often, and the logs' next months are made.
const FORGET: Duration = Duration::from_hours(1);

/// Frees what this node's previous start held, then keeps on until it is dropped.
pub(crate) async fn keep(desk: &Desk, kept: KeptDays) {
    each("free the previous start's leases", free_previous(desk).await);
    tokio::join!(
        renew(desk),
        hear(desk),
        feed(desk),
        reconcile(desk),
        sweep(desk),
        keep_sign_ins(desk),
        forget(desk, kept)
    );
}

async fn free_previous(desk: &Desk) -> Result<()> {
    let mut tx = desk.store.db.bookkeeping().await?;
    jobs::store::free_previous_boot(&mut tx, &desk.node).await?;
    tx.commit().await?;
    Ok(())
}

async fn renew(desk: &Desk) {
    let third = Duration::from_secs_f64(desk.lease_seconds / 3.0);
    loop {
        tokio::time::sleep(third).await;
        each("renew leases", renew_once(desk).await);
    }
}

pub(crate) async fn renew_once(desk: &Desk) -> Result<()> {
    let before = desk.leases();
    if before.is_empty() {
        return Ok(());
    }
    let mut tx = desk.store.db.bookkeeping().await?;
    let renewed = jobs::store::renew(&mut tx, &desk.node, desk.lease_seconds, &before).await?;
    tx.commit().await?;
    desk.compare(&before, &renewed);
    Ok(())
}

/// Cancellings reach a run the moment they are committed. One that is missed, while Redis is away or between a claim and its
/// being held here, is found by the next renewal.
async fn hear(desk: &Desk) {
    let bus = &desk.store.bus;
    loop {
        if let Ok(mut heard) = bus.subscribe(&[bus.keys().control()]).await {
            while let Some(signal) = heard.next().await {
                if let Signal::Message { payload, .. } = signal
                    && let Ok(Control::JobCancel { job }) = serde_json::from_slice(&payload)
                {
                    desk.cancel(JobId(job));
                }
            }
        }
        tokio::time::sleep(RECONCILE).await;
    }
}

async fn feed(desk: &Desk) {
    loop {
        match dispatch::feed(&desk.store).await {
            Ok(0) => {
                tokio::select! {
                    () = desk.store.signals.jobs.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Ok(_) => desk.wake.notify_waiters(),
            // without Redis the workers ask the ledger themselves
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

async fn reconcile(desk: &Desk) {
    loop {
        each(
            "take over lapsed leases",
            ledger::take_lapsed(&desk.store).await.map(|_| ()),
        );
        // while Redis is away there is nothing to look for in it
        if let Ok(lost @ 1..) = dispatch::find_lost(&desk.store).await {
            metrics::counter!("signalbox_jobs_lost_by_redis_total").increment(lost as u64);
        }
        tokio::time::sleep(RECONCILE).await;
    }
}

async fn sweep(desk: &Desk) {
    loop {
        match imports::sweep(&desk.store).await {
            Ok(true) => continue,
            swept => each("sweep after imports", swept.map(|_| ())),
        }
        match personal_data::close_ended(&desk.store).await {
            Ok(true) => continue,
            closed => each("close exports and erasures", closed.map(|_| ())),
        }
        match bulk::close_ended(&desk.store).await {
            Ok(true) => continue,
            closed => each("close acts on many", closed.map(|_| ())),
        }
        each(
            "sweep unfinished uploads",
            files::sweep(&desk.store).await.map(|_| ()),
        );
        tokio::time::sleep(SWEEP).await;
    }
}

/// Sessions that time has ended are closed, keys that come to their end announced, and answers that nobody may ask for again forgotten.
async fn keep_sign_ins(desk: &Desk) {
    loop {
        match sessions::expire(&desk.store).await {
            Ok(true) => continue,
            expired => each("close expired sessions", expired.map(|_| ())),
        }
        match api_keys::tend(&desk.store).await {
            Ok(true) => continue,
            told => each("announce ends of API keys", told.map(|_| ())),
        }
        each(
            "forget kept answers",
            idempotency::forget_old(&desk.store).await.map(|_| ()),
        );
        tokio::time::sleep(EXPIRE).await;
    }
}

/// Makes the months to come, and deletes what proves nothing any more, one small batch after the other.
async fn forget(desk: &Desk, kept: KeptDays) {
    loop {
        each(
            "make the logs' next months",
            desk.store.db.make_partitions().await.map(|_| ()),
        );
        match auth::forget_tokens(&desk.store).await {
            Ok(true) => continue,
            forgot => each("forget refresh tokens", forgot.map(|_| ())),
        }
        match recovery::forget_links(&desk.store).await {
            Ok(true) => continue,
            forgot => each("forget links in mail", forgot.map(|_| ())),
        }
        match personal_data::sweep(&desk.store).await {
            Ok(true) => continue,
            swept => each("forget exports of personal data", swept.map(|_| ())),
        }
        match bulk::sweep(&desk.store).await {
            Ok(true) => continue,
            swept => each("forget old acts on many", swept.map(|_| ())),
        }
        match ledger::forget(&desk.store, kept).await {
            Ok(true) => continue,
            forgot => each("forget ended jobs", forgot.map(|_| ())),
        }
        match files::forget_untaken(&desk.store).await {
            Ok(true) => continue,
            forgot => each("forget files that nothing took on", forgot.map(|_| ())),
        }
        match sessions::forget_revocations(&desk.store).await {
            Ok(true) => continue,
            forgot => each("forget revocations", forgot.map(|_| ())),
        }
        tokio::time::sleep(FORGET).await;
    }
}

fn each(what: &'static str, done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(code = %error.code, source = ?error.source, "the job keeper could not {what}");
    }
}
