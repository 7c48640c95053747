//! The job: load, judge, apply, each going on from its checkpoint.
//!
//! Invariant: every transaction that moves an import on ends with the run's checkpoint, so it commits only while the
//! run's lease holds, and is never done twice.

mod apply;
mod load;

use super::decode::Place;
use super::model::{Counts, Import, Mode, Phase};
use super::service::one;
use super::{events, store};
use crate::Store;
use crate::change::Change;
use crate::jobs::{self, Ending, JobState, Lease, Outcome, Run};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::ImportId;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Staged lines deleted in one transaction.
const UNSTAGED: i64 = 20_000;

/// What a run left behind for the next.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is the end of one step")]
struct Checkpoint {
    started: bool,
    load: Place,
    loaded: bool,
    judged: bool,
    /// The next line of each lane.
    lane0: Option<i32>,
    lane1: Option<i32>,
    finished: bool,
}

/// What every step needs.
struct Act<'a> {
    store: &'a Store,
    run: &'a Run,
    ctx: &'a Ctx,
    import: Import,
}

/// Runs or goes on with an import.
pub async fn run(store: &Store, run: &Run) -> Outcome {
    let error = match attempt(store, run).await {
        Ok(outcome) => return outcome,
        Err(error) => error,
    };
    match error.kind {
        // another run has the job: what this one answers is refused anyway
        Kind::Conflict if error.code == "job.lease_lost" => Outcome::Released,
        Kind::Unavailable | Kind::Timeout => Outcome::RetryAfter(error.detail, Duration::from_secs(1)),
        Kind::Invalid | Kind::NotFound => Outcome::Fail(error.detail),
        _ => {
            tracing::error!(job = %run.lease.job, error = ?error.source, "an import failed");
            Outcome::Retry(error.detail)
        }
    }
}

async fn attempt(store: &Store, run: &Run) -> Result<Outcome> {
    let id: ImportId = serde_json::from_value(run.payload["import_id"].clone())?;
    let checkpoint: Checkpoint = match &run.checkpoint {
        Value::Null => Checkpoint::default(),
        kept => serde_json::from_value(kept.clone())?,
    };
    let ctx = &run.job.ctx;
    let import = one(&mut *store.db.primary(ctx.organization).await?, ctx, id).await?;
    let act = Act {
        store,
        run,
        ctx,
        import,
    };
    if checkpoint.finished {
        return Ok(act.outcome());
    }
    match act.phases(checkpoint).await {
        Ok(None) => act.finish(JobState::Succeeded, None).await,
        Ok(Some(Ending::Cancelled)) => act.finish(JobState::Cancelled, None).await,
        Ok(Some(Ending::Stopping)) => Ok(Outcome::Released),
        // the file itself is at fault, and will be tomorrow
        Err(error) if error.kind == Kind::Invalid => act.finish(JobState::Failed, Some(&error.detail)).await,
        Err(error) => Err(error),
    }
}

impl Act<'_> {
    /// All that is left to do; `Some` when the run was asked to end first.
    async fn phases(&self, checkpoint: Checkpoint) -> Result<Option<Ending>> {
        if !checkpoint.started {
            self.start().await?;
        }
        if !checkpoint.loaded
            && let Some(ending) = self.load(checkpoint.load).await?
        {
            return Ok(Some(ending));
        }
        if !checkpoint.judged {
            self.judge().await?;
        }
        self.apply([checkpoint.lane0, checkpoint.lane1]).await
    }

    async fn start(&self) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        store::count(change.tx(), self.import.id, Counts::default(), Phase::Load).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        change.record(events::started(&import)?).await?;
        change.checkpoint(self.lease(), &json!({"started": true})).await
    }

    /// Of several lines with one address the first stays. One statement over the staged lines (1.2 s for a million).
    async fn judge(&self) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        store::allow_memory(change.tx()).await?;
        let rejected = store::reject_repeated(change.tx(), self.ctx.organization, self.import.id).await?;
        let more = Counts {
            rejected,
            ..Counts::default()
        };
        store::count(change.tx(), self.import.id, more, Phase::Apply).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        self.run.progress.set(0, import.counts.total, "apply");
        change.record(events::progressed(&import)?).await?;
        change.checkpoint(self.lease(), &json!({"judged": true})).await
    }

    async fn finish(&self, state: JobState, error: Option<&str>) -> Result<Outcome> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        let at = change.at();
        store::finish(change.tx(), self.import.id, state, error, at).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        change.record(events::finished(&import)?).await?;
        change
            .checkpoint(self.lease(), &json!({"finished": true}))
            .await?;
        Ok(outcome(&import))
    }

    fn outcome(&self) -> Outcome {
        outcome(&self.import)
    }

    fn lease(&self) -> Lease {
        self.run.lease
    }

    fn writes(&self) -> bool {
        self.import.mode == Mode::Commit
    }
}

fn outcome(import: &Import) -> Outcome {
    match import.state {
        JobState::Cancelled => Outcome::Cancelled,
        JobState::Failed => Outcome::Fail(import.error.clone().unwrap_or_default()),
        _ => Outcome::Done(json!({"import_id": import.id, "counts": events::counts(import.counts)})),
    }
}

/// Closes imports whose job ended without them, and deletes the staged lines of those that are over, in short
/// transactions. Answers whether there was anything to do; call it again then.
pub async fn sweep(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let (open, staged) = (store::to_close(&mut tx).await?, store::to_sweep(&mut tx).await?);
    if let Some((organization, _, job)) = open {
        let job = jobs::store::get(&mut tx, organization, job).await?;
        drop(tx);
        let job = job.ok_or_else(|| Error::not_found("job"))?;
        close(store, open.map(|(_, import, _)| import), &job).await?;
    } else {
        drop(tx);
    }
    if let Some((organization, import)) = staged {
        let mut after = 0;
        loop {
            let mut tx = store.db.bookkeeping().await?;
            let last = store::unstage(&mut tx, organization, import, after, UNSTAGED).await?;
            if last.is_none() {
                store::swept(&mut tx, import).await?;
            }
            tx.commit().await?;
            let Some(last) = last else { break };
            after = last;
        }
    }
    Ok(open.is_some() || staged.is_some())
}

async fn close(store: &Store, import: Option<ImportId>, job: &jobs::Job) -> Result<()> {
    let Some(import) = import else { return Ok(()) };
    let mut change = Change::begin(store, &job.ctx).await?;
    let at = change.at();
    store::finish(change.tx(), import, job.state, job.error.as_deref(), at).await?;
    let import = one(change.tx(), &job.ctx, import).await?;
    change.record(events::finished(&import)?).await?;
    change.commit().await
}
