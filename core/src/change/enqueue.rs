//! What a change has to do with jobs: asking for one, and keeping a run's checkpoint together with its data.

use super::Change;
use crate::jobs::{self, JobState, Lease, NewJob, store};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::JobId;
use serde_json::Value;

impl Change {
    /// Writes a job into the ledger, with its event: it is there when this commits, or it never was.
    pub async fn enqueue(&mut self, job: NewJob) -> Result<JobId> {
        store::insert(&mut self.tx, &self.ctx, &job).await?;
        let written = store::get(&mut self.tx, self.ctx.organization, job.id).await?;
        let written = written.ok_or_else(|| Error::internal("an inserted job is not there"))?;
        self.record(jobs::event("job.enqueued", &written, None)?).await?;
        self.wake_jobs();
        Ok(job.id)
    }

    /// Commits this change together with the checkpoint of the run that made it. It takes the change, because the
    /// checkpoint is the last statement before COMMIT: its epoch is what fences a worker that lost its lease, and then
    /// everything is rolled back and the answer is [`lease_lost`].
    pub async fn checkpoint(mut self, lease: Lease, state: &Value) -> Result<()> {
        if !store::checkpoint(&mut self.tx, lease, state).await? {
            return Err(lease_lost());
        }
        self.commit().await
    }

    /// Ends a job that does not run, or asks the run to end; answers whether it runs. The caller holds `jobs:cancel`, or
    /// asked for the job.
    pub async fn cancel_job(&mut self, job: JobId) -> Result<bool> {
        let organization = self.ctx.organization;
        let before = store::cancel(&mut self.tx, organization, job).await?;
        let found = store::get(&mut self.tx, organization, job).await?;
        let found = found.ok_or_else(|| Error::not_found("job"))?;
        let before = before.ok_or_else(|| {
            Error::new(
                Kind::Conflict,
                "job.finished",
                "This job is over already; there is nothing to cancel.",
            )
        })?;
        let running = before == JobState::Running;
        // the run hears of it at once, wherever it is; should it not, then when its lease is renewed
        self.cancelled = running.then_some(job);
        let kind = if running {
            "job.cancel_requested"
        } else {
            "job.cancelled"
        };
        let mut event = jobs::event(kind, &found, Some(before))?;
        event.audited = true;
        self.record(event).await?;
        Ok(running)
    }
}

/// The run's lease is no longer the job's: another run has it, and nothing of this one may be written.
pub fn lease_lost() -> Error {
    Error::new(
        Kind::Conflict,
        "job.lease_lost",
        "Another worker has taken this job over; nothing of this run was written.",
    )
}
