//! The job: check, then load, judge and apply side by side, each going on from its own checkpoint.
//!
//! The stages follow each other through the file. What one has committed it tells the next through a [`Mark`], within the
//! run only: after a crash the marks are those that the checkpoints keep.
//!
//! Invariant: every transaction that moves an import on ends with the run's checkpoint, so it commits only while the
//! run's lease holds, and is never done twice. The stages write different members of the one checkpoint.

mod apply;
mod check;
mod judge;
mod load;
mod pace;
mod pipeline;
mod reach;
mod sweep;

pub use sweep::sweep;

use self::check::Checked;
use self::pipeline::Mark;
use super::decode::Place;
use super::head::{self, Head};
use super::model::{Counts, Import, Mode, Phase};
use super::service::{one, require_still};
use super::{events, store};
use crate::Store;
use crate::change::Change;
use crate::files::{self, CHUNK_BYTES};
use crate::jobs::{Ending, JobState, Lease, Outcome, Run};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Kind, Result};
use crate::kernel::id::{FileId, ImportId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};

/// What a run left behind for the next.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Checkpoint {
    started: bool,
    check: Checked,
    load: Place,
    loaded: bool,
    judged: Judged,
    /// The next line of each lane.
    lane0: Option<i32>,
    lane1: Option<i32>,
    finished: bool,
}

/// How far the judge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Judged {
    /// Every line before this one.
    Before(i32),
    /// As the first version kept it, which judged all lines at once; `true`: it did, and its lanes took half of the file each.
    All(bool),
}

impl Default for Judged {
    fn default() -> Self {
        Self::All(false)
    }
}

/// What every stage needs.
struct Act<'a> {
    store: &'a Store,
    run: &'a Run,
    ctx: &'a Ctx,
    import: Import,
    /// Lines whose fate is known, and lines in all.
    done: AtomicI64,
    rows: AtomicI64,
}

/// Runs or goes on with an import.
pub async fn run(store: &Store, run: &Run) -> Outcome {
    Outcome::of(run, "an import", attempt(store, run).await)
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
        done: AtomicI64::new(import.counts.settled()),
        rows: AtomicI64::new(import.counts.total),
        import,
    };
    if checkpoint.finished {
        return Ok(act.outcome());
    }
    match act.stages(checkpoint).await {
        Ok(None) => act.finish(ctx, JobState::Succeeded, None).await,
        Ok(Some(Ending::Cancelled)) => act.finish(ctx, JobState::Cancelled, None).await,
        Ok(Some(Ending::Stopping)) => Ok(Outcome::Released),
        // the file itself is at fault, and will be tomorrow
        Err(error) if error.kind == Kind::Invalid => {
            act.finish(ctx, JobState::Failed, Some(&error.detail)).await
        }
        // in the hub's own name: nobody acts with rights they no longer have
        Err(error) if error.kind == Kind::Forbidden => {
            let by = Ctx {
                actor: Actor::System("imports".to_owned()),
                credential: Credential::Internal,
                on_behalf_of: ctx.actor.user(),
                ..ctx.clone()
            };
            act.finish(&by, JobState::Failed, Some(&error.detail)).await
        }
        Err(error) => Err(error),
    }
}

impl Act<'_> {
    /// All that is left to do; `Some` when the run was asked to end first.
    async fn stages(&self, from: Checkpoint) -> Result<Option<Ending>> {
        let mut tx = self.store.db.primary(self.ctx.organization).await?;
        require_still(&mut tx, self.ctx, self.store.clock.now()).await?;
        drop(tx);
        if !from.started {
            self.start().await?;
        }
        if from.judged == Judged::All(true) {
            return Box::pin(self.halves(&from)).await;
        }
        let rows = match from.check.rows() {
            Some(rows) => rows,
            None => match self.check(from.check).await? {
                Ok(rows) => rows,
                Err(ending) => return Ok(Some(ending)),
            },
        };
        self.rows.store(rows, Ordering::Relaxed);
        self.settled(0);
        // three stages and two lanes are too much for a stack to carry around
        Box::pin(self.pipeline(&from, rows)).await
    }

    /// The fate of so many more lines is known.
    fn settled(&self, lines: i64) {
        let done = self.done.fetch_add(lines, Ordering::Relaxed) + lines;
        let rows = self.rows.load(Ordering::Relaxed);
        self.run.progress.set(done, rows, Phase::Apply.as_str());
    }

    async fn head(&self) -> Result<Head> {
        let file = &self.import.file;
        let first = files::chunk(self.store, self.ctx.organization, file.id, 0).await?;
        head::read(&first.unwrap_or_default(), file.size <= CHUNK_BYTES as i64)
    }

    fn pieces(&self, from: Place) -> Pieces<'_> {
        Pieces {
            store: self.store,
            ctx: self.ctx,
            file: self.import.file.id,
            n: (from.offset / CHUNK_BYTES as u64) as i32,
            skip: (from.offset % CHUNK_BYTES as u64) as usize,
        }
    }

    async fn start(&self) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        store::count(change.tx(), self.import.id, Counts::default(), Phase::Load).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        change.record(events::started(&import)?).await?;
        change.checkpoint(self.lease(), &json!({"started": true})).await
    }

    async fn finish(&self, by: &Ctx, state: JobState, error: Option<&str>) -> Result<Outcome> {
        let mut change = Change::begin(self.store, by).await?;
        let at = change.at();
        store::finish(change.tx(), self.import.id, state, error, at).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        change.record(events::finished(&import)?).await?;
        change
            .checkpoint(self.lease(), &json!({"finished": true}))
            .await?;
        if self.writes() {
            self.analyze_people().await?;
        }
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

/// A file's bytes from some place on, a chunk of it at a time.
struct Pieces<'a> {
    store: &'a Store,
    ctx: &'a Ctx,
    file: FileId,
    n: i32,
    skip: usize,
}

impl Pieces<'_> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let chunk = files::chunk(self.store, self.ctx.organization, self.file, self.n).await?;
        let skip = std::mem::take(&mut self.skip);
        self.n += 1;
        Ok(chunk.map(|mut bytes| {
            bytes.drain(..skip.min(bytes.len()));
            bytes
        }))
    }
}
