//! One run from claim to outcome.

use crate::desk::{Desk, Held};
use crate::registry::Handler;
use futures::FutureExt;
use serde_json::json;
use signalbox_core::change::ledger;
use signalbox_core::jobs::{self, Ending, Outcome, Run};
use signalbox_core::kernel::error::{Kind, Result};
use signalbox_core::live::history::publish_state;
use signalbox_core::live::published::Published;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use time::format_description::well_known::Rfc3339;

/// Progress is published at most so often; every fourth time the ledger hears of it too.
const PROGRESS: Duration = Duration::from_millis(250);

/// Runs one job to its end. A run whose lease is lost is dropped where it stands: its open transaction rolls back, and
/// its checkpoint would have been refused anyway. So is one that took longer than its kind may and did not end when told.
pub(crate) async fn run(desk: &Desk, handler: Handler, held: Held) {
    let begun = Instant::now();
    let run = &held.run;
    let told = AtomicBool::new(false);
    let outcome = tokio::select! {
        outcome = AssertUnwindSafe(handler(&desk.store, run)).catch_unwind() => {
            let outcome = outcome.unwrap_or_else(|_| Outcome::Retry("The job panicked; the hub's log says where.".to_owned()));
            Some(if told.into_inner() && outcome == Outcome::Released { took_too_long(&held) } else { outcome })
        }
        () = desk.lost(run.lease) => None,
        () = overdue(desk, &held, &told) => Some(took_too_long(&held)),
        never = tell(desk, run) => match never {},
    };
    let state = match &outcome {
        Some(outcome) => settle(desk, run, outcome).await,
        None => "lost",
    };
    let queue = run.job.queue.clone();
    metrics::counter!("signalbox_jobs_runs_total", "queue" => queue.clone(), "state" => state).increment(1);
    metrics::histogram!("signalbox_jobs_run_seconds", "queue" => queue).record(begun.elapsed().as_secs_f64());
    tracing::info!(job = %run.job.id, queue = %run.job.queue, attempt = run.job.attempt, state, "a run ended");
}

/// Waits until the run has taken as long as it may, tells it to end, and waits a little more.
async fn overdue(desk: &Desk, held: &Held, told: &AtomicBool) {
    tokio::time::sleep(held.longest).await;
    told.store(true, Ordering::Relaxed);
    held.run.cancel.ask(Ending::Stopping);
    tokio::time::sleep(desk.grace()).await;
}

fn took_too_long(held: &Held) -> Outcome {
    let (queue, seconds) = (&held.run.job.queue, held.longest.as_secs());
    Outcome::Retry(format!(
        "The run took longer than {seconds} s, which is the most for {queue} (jobs.longest_run_seconds), and was stopped. \
         The next one goes on from its checkpoint."
    ))
}

/// Writes the outcome. While the database is away it is tried again for as long as the lease could last; after that the
/// job is another's.
async fn settle(desk: &Desk, run: &Run, outcome: &Outcome) -> &'static str {
    let until = Instant::now() + Duration::from_secs_f64(desk.lease_seconds);
    loop {
        match ledger::settle(&desk.store, run, outcome).await {
            Ok(state) => return state.as_str(),
            Err(error) if error.kind == Kind::Unavailable && Instant::now() < until => {
                tokio::time::sleep(PROGRESS).await;
            }
            Err(error) => {
                tracing::warn!(job = %run.job.id, code = %error.code, "a run's outcome was not taken");
                return "lost";
            }
        }
    }
}

/// Tells how far the run is for as long as it is polled.
async fn tell(desk: &Desk, run: &Run) -> Infallible {
    let mut ticks = 0_u32;
    loop {
        tokio::time::sleep(PROGRESS).await;
        ticks += 1;
        let Some(progress) = run.progress.take() else {
            continue;
        };
        // state, not event: what is lost now is told again in a moment
        let _ = publish(desk, run, progress).await;
        if ticks.is_multiple_of(4) {
            let _ = note(desk, run, progress).await;
        }
    }
}

async fn publish(desk: &Desk, run: &Run, (done, total, phase): (i64, i64, &str)) -> Result<()> {
    let at = desk.store.clock.now().format(&Rfc3339).unwrap_or_default();
    let event = json!({
        "type": "job.progress",
        "at": at,
        "subject": {"kind": "job", "id": run.job.id},
        "progress": {"done": done, "total": total, "phase": phase},
    });
    let published = Published {
        event,
        row: "job".to_owned(),
        before: None,
        after: None,
    };
    let payload = serde_json::to_vec(&published)?;
    for channel in [jobs::CHANNEL.to_owned(), jobs::channel(run.job.id)] {
        publish_state(&desk.store.bus, run.job.organization, &channel, &payload).await?;
    }
    Ok(())
}

async fn note(desk: &Desk, run: &Run, progress: (i64, i64, &str)) -> Result<()> {
    let mut tx = desk.store.db.bookkeeping().await?;
    jobs::store::note_progress(&mut tx, run.lease, progress).await?;
    tx.commit().await?;
    Ok(())
}
