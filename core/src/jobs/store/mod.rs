//! The ledger's SQL. Statements that change a run name its epoch and touch nothing when it has moved on.

mod due;
mod prune;
mod read;
mod runs;

pub use due::due;
pub(crate) use due::{Due, long_dispatched, mark_dispatched, undispatched};
pub(crate) use prune::{forget, long_ended};
pub use read::{Filter, get, history, list, load};
pub(crate) use runs::{Settlement, checkpoint, claim, settle, take_lapsed};
pub use runs::{free_previous_boot, note_progress, renew};

use super::model::{JobState, NewJob};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{JobId, OrganizationId};

/// Writes a new job and its first line of history.
pub(crate) async fn insert(connection: &mut PgConnection, ctx: &Ctx, job: &NewJob) -> Result<()> {
    let (subject_kind, subject_id) = job.subject.unzip();
    sqlx::query!(
        "WITH job AS (
           INSERT INTO jobs (id, organization_id, queue, kind, payload, payload_schema, priority, run_at, max_attempts,
             unique_key, subject_kind, subject_id, requested_by, ctx, trace_context)
           VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10, $11, $12, $13, $14, $15))
         INSERT INTO job_events (organization_id, job_id, kind) VALUES ($2, $1, 'enqueued')",
        job.id.0,
        ctx.organization.0,
        job.queue,
        job.kind,
        job.payload,
        job.payload_schema,
        job.priority.clamp(-100, 100),
        job.run_at,
        job.max_attempts,
        job.unique_key,
        subject_kind,
        subject_id,
        ctx.actor.user().map(|user| user.0),
        serde_json::to_value(ctx)?,
        ctx.trace_id,
    )
    .execute(connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(|db| db.constraint()) {
        Some("jobs_unique") => Error::new(
            Kind::Conflict,
            "job.already_queued",
            "The same job is already waiting or running. Wait for it, or cancel it first.",
        ),
        _ => error.into(),
    })?;
    Ok(())
}

/// Ends a job that does not run, or asks the run to end. Answers the state before, locked; `None` when there is no such
/// job or it is over.
pub(crate) async fn cancel(
    connection: &mut PgConnection,
    organization: OrganizationId,
    job: JobId,
) -> Result<Option<JobState>> {
    let before = sqlx::query_scalar!(
        "WITH target AS (
           SELECT id, state FROM jobs WHERE organization_id = $1 AND id = $2
             AND state IN ('waiting', 'running', 'paused', 'retrying') FOR UPDATE),
         done AS (
           UPDATE jobs j SET cancel_requested = true, version = version + 1, dispatched_at = NULL,
             state = CASE target.state WHEN 'running' THEN 'running' ELSE 'cancelled' END,
             finished_at = CASE target.state WHEN 'running' THEN NULL ELSE now() END
           FROM target WHERE j.id = target.id
           RETURNING j.id, j.organization_id, j.state),
         noted AS (
           INSERT INTO job_events (organization_id, job_id, kind)
           SELECT organization_id, id, CASE state WHEN 'running' THEN 'cancel_requested' ELSE 'cancelled' END FROM done)
         SELECT state FROM target",
        organization.0,
        job.0,
    )
    .fetch_optional(connection)
    .await?;
    before.as_deref().map(read::state).transpose()
}
