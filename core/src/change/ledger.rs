//! The acts of workers on the ledger, each one transaction with its events: claim, settle, checkpoint of staged work,
//! and taking over from workers that went away. They span organizations, so they are the hub's bookkeeping; each event
//! still belongs to its job's organization and names who asked for the job.

use super::{enqueue::lease_lost, stored};
use crate::bus::control::Control;
use crate::db::{PgConnection, Tx};
use crate::jobs::store::{self, Settlement};
use crate::jobs::{
    self, Cancel, Ending, Job, JobState, KeptDays, Lease, MOST_CRASHES, Node, Outcome, Progress, Run, backoff,
};
use crate::kernel::error::Result;
use crate::kernel::event::Event;
use crate::{Store, outbox};
use serde_json::Value;
use uuid::Uuid;

/// Longest error message kept, in characters.
const LONGEST_MESSAGE: usize = 2_000;
/// Jobs deleted in one transaction.
const FORGOTTEN: i64 = 500;

/// Claims those of `ids` that are due and free, and starts a run of each.
pub async fn claim(store: &Store, node: &Node, lease_seconds: f64, ids: &[Uuid]) -> Result<Vec<Run>> {
    let mut tx = store.db.bookkeeping().await?;
    let mut claimed = store::claim(&mut tx, node, lease_seconds, ids).await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    claimed.sort_by_key(|claimed| claimed.id);
    let claimed_ids: Vec<Uuid> = claimed.iter().map(|claimed| claimed.id.0).collect();
    let jobs = store::load(&mut tx, &claimed_ids).await?;
    let mut runs = Vec::with_capacity(jobs.len());
    for (job, claimed) in jobs.into_iter().zip(claimed) {
        note(store, &mut tx, "job.started", &job, claimed.before).await?;
        let lease = Lease {
            job: job.id,
            epoch: claimed.epoch,
        };
        let cancel = Cancel::default();
        if job.cancel_requested {
            cancel.ask(Ending::Cancelled);
        }
        runs.push(Run {
            job,
            lease,
            payload: claimed.payload,
            checkpoint: claimed.checkpoint,
            cancel,
            progress: Progress::default(),
        });
    }
    commit(store, tx, false).await?;
    Ok(runs)
}

/// Ends a run as its handler says. Answers the job's state, or the lease-lost error when another run has the job.
pub async fn settle(store: &Store, run: &Run, outcome: &Outcome) -> Result<JobState> {
    let (done, total, phase) = run.progress.read();
    let mut tx = store.db.bookkeeping().await?;
    if total > 0 {
        store::note_progress(&mut tx, run.lease, (done, total, phase)).await?;
    }
    if !store::settle(&mut tx, run.lease, &settlement(&run.job, outcome)).await? {
        return Err(lease_lost());
    }
    let job = reload(&mut tx, run.lease.job.0).await?;
    let kind = match job.state {
        JobState::Waiting => "job.released",
        JobState::Retrying => "job.retrying",
        JobState::Succeeded => "job.succeeded",
        JobState::Cancelled => "job.cancelled",
        _ => "job.failed",
    };
    note(store, &mut tx, kind, &job, JobState::Running).await?;
    commit(store, tx, !job.state.is_final()).await?;
    Ok(job.state)
}

/// Commits staged work that no person sees yet (`tx` of `db.bookkeeping()`) together with its run's checkpoint.
pub async fn checkpoint(mut tx: Tx, lease: Lease, state: &Value) -> Result<()> {
    if !store::checkpoint(&mut tx, lease, state).await? {
        return Err(lease_lost());
    }
    Ok(tx.commit().await?)
}

/// Takes jobs over from workers whose lease has lapsed. Answers how many.
pub async fn take_lapsed(store: &Store) -> Result<usize> {
    let mut tx = store.db.bookkeeping().await?;
    let ids = store::take_lapsed(&mut tx, MOST_CRASHES).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    for job in store::load(&mut tx, &ids).await? {
        let kind = match job.state {
            JobState::Quarantined => "job.quarantined",
            JobState::Cancelled => "job.cancelled",
            _ => "job.retrying",
        };
        note(store, &mut tx, kind, &job, JobState::Running).await?;
    }
    commit(store, tx, true).await?;
    Ok(ids.len())
}

/// Deletes a batch of jobs that are over for longer than they are kept, with their history. Answers whether there was one; call
/// it again then.
pub async fn forget(store: &Store, kept: KeptDays) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let ids = store::long_ended(&mut tx, kept, FORGOTTEN).await?;
    if ids.is_empty() {
        return Ok(false);
    }
    let jobs = store::load(&mut tx, &ids).await?;
    let (organizations, ids): (Vec<Uuid>, Vec<Uuid>) =
        jobs.iter().map(|job| (job.organization.0, job.id.0)).unzip();
    store::forget(&mut tx, &organizations, &ids).await?;
    // of the others nothing is counted, and nobody looks at a list that long
    for job in jobs
        .iter()
        .filter(|job| matches!(job.state, JobState::Failed | JobState::Quarantined))
    {
        tell(store, &mut tx, jobs::forgotten(job), job).await?;
    }
    commit(store, tx, false).await?;
    Ok(true)
}

fn settlement<'a>(job: &Job, outcome: &'a Outcome) -> Settlement<'a> {
    let ended = |state, event, error: Option<&'a str>| Settlement {
        state,
        pause_seconds: None,
        failed: error.is_some(),
        result: None,
        error: error.map(bounded),
        event,
    };
    match outcome {
        Outcome::Done(result) => Settlement {
            result: Some(result),
            ..ended(JobState::Succeeded, "succeeded", None)
        },
        Outcome::Fail(message) => ended(JobState::Failed, "failed", Some(message)),
        Outcome::Retry(message) if job.failures + 1 >= job.max_attempts => {
            ended(JobState::Failed, "failed", Some(message))
        }
        Outcome::Retry(message) => {
            let seed = job.id.0.as_u128() as u64 ^ job.epoch as u64;
            Settlement {
                pause_seconds: Some(backoff::pause(job.failures + 1, seed).as_secs_f64()),
                ..ended(JobState::Retrying, "retrying", Some(message))
            }
        }
        Outcome::RetryAfter(message, pause) => Settlement {
            pause_seconds: Some(pause.as_secs_f64()),
            failed: false,
            ..ended(JobState::Retrying, "retrying", Some(message))
        },
        Outcome::Cancelled => ended(JobState::Cancelled, "cancelled", None),
        Outcome::Released => ended(JobState::Waiting, "released", None),
    }
}

fn bounded(message: &str) -> &str {
    let end = message.char_indices().nth(LONGEST_MESSAGE);
    &message[..end.map_or(message.len(), |(at, _)| at)]
}

async fn reload(connection: &mut PgConnection, id: Uuid) -> Result<Job> {
    let job = store::load(connection, &[id]).await?.pop();
    job.ok_or_else(|| crate::kernel::error::Error::internal("a settled job is not there"))
}

async fn note(
    store: &Store,
    connection: &mut PgConnection,
    kind: &'static str,
    job: &Job,
    before: JobState,
) -> Result<()> {
    tell(store, connection, jobs::event(kind, job, Some(before))?, job).await
}

async fn tell(store: &Store, connection: &mut PgConnection, mut event: Event, job: &Job) -> Result<()> {
    let channels = std::mem::take(&mut event.channels);
    let stored = stored(&job.ctx, store.clock.now(), &event, None);
    outbox::append(connection, job.organization, &event, &stored, &channels).await
}

/// Commits and wakes the relay, and the feeders where a job became due again.
async fn commit(store: &Store, tx: Tx, due: bool) -> Result<()> {
    tx.commit().await?;
    store.signals.outbox.notify_one();
    let mut hints = vec![Control::OutboxHint];
    if due {
        store.signals.jobs.notify_one();
        hints.push(Control::JobsHint);
    }
    let telling = async {
        for hint in &hints {
            store.bus.tell(hint).await?;
        }
        Ok::<(), crate::kernel::error::Error>(())
    };
    // only hints: the polls of the relay and the feeder find the rows anyway
    let _ = tokio::time::timeout(super::TELL_TIMEOUT, telling).await;
    Ok(())
}

#[cfg(test)]
mod tests;
