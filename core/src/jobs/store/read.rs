//! SQL of looking: jobs, lists and histories.

use super::super::model::{Job, JobEvent, JobState};
use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{JobId, OrganizationId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// The jobs of `ids`, in the order of their ids.
pub async fn load(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Job>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, organization_id, queue, kind, state, epoch, attempt, max_attempts, failures, crashes, priority,
           progress_done, progress_total, progress_phase, run_at, created_at, started_at, finished_at, requested_by,
           errors -> -1 ->> 'message' AS error, result, cancel_requested, subject_kind, subject_id, version, ctx
         FROM jobs WHERE id = ANY($1) ORDER BY id",
        ids
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// One job of `organization`.
pub async fn get(
    connection: &mut PgConnection,
    organization: OrganizationId,
    job: JobId,
) -> Result<Option<Job>> {
    let found = load(connection, &[job.0]).await?.pop();
    Ok(found.filter(|found| found.organization == organization))
}

/// Which jobs a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state only.
    pub state: Option<JobState>,
    /// Of this queue only.
    pub queue: Option<String>,
    /// After this one: when it was asked for, and its id.
    pub after: Option<(OffsetDateTime, Uuid)>,
}

/// A page of jobs, newest first; one more than `limit` tells that there are more.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Job>> {
    let (at, id) = filter.after.unzip();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, organization_id, queue, kind, state, epoch, attempt, max_attempts, failures, crashes, priority,
           progress_done, progress_total, progress_phase, run_at, created_at, started_at, finished_at, requested_by,
           errors -> -1 ->> 'message' AS error, result, cancel_requested, subject_kind, subject_id, version, ctx
         FROM jobs
         WHERE organization_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR queue = $3)
           AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $6",
        organization.0,
        filter.state.map(JobState::as_str),
        filter.queue,
        at,
        id,
        i64::from(limit) + 1,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// A job's history, oldest first, the newest 500.
pub async fn history(
    connection: &mut PgConnection,
    organization: OrganizationId,
    job: JobId,
) -> Result<Vec<JobEvent>> {
    Ok(sqlx::query_as!(
        JobEvent,
        r#"SELECT at AS "at!", kind AS "kind!", detail AS "detail!" FROM (
             SELECT seq, at, kind, detail FROM job_events
             WHERE organization_id = $1 AND job_id = $2 ORDER BY seq DESC LIMIT 500) newest
           ORDER BY seq"#,
        organization.0,
        job.0
    )
    .fetch_all(connection)
    .await?)
}

struct Row {
    id: Uuid,
    organization_id: Uuid,
    queue: String,
    kind: String,
    state: String,
    epoch: i64,
    attempt: i32,
    max_attempts: i32,
    failures: i32,
    crashes: i32,
    priority: i16,
    progress_done: i64,
    progress_total: i64,
    progress_phase: String,
    run_at: OffsetDateTime,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
    requested_by: Option<Uuid>,
    error: Option<String>,
    result: Option<Value>,
    cancel_requested: bool,
    subject_kind: Option<String>,
    subject_id: Option<Uuid>,
    version: i64,
    ctx: Value,
}

impl TryFrom<Row> for Job {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: JobId(row.id),
            organization: OrganizationId(row.organization_id),
            queue: row.queue,
            kind: row.kind,
            state: state(&row.state)?,
            epoch: row.epoch,
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            failures: row.failures,
            crashes: row.crashes,
            priority: row.priority,
            progress_done: row.progress_done,
            progress_total: row.progress_total,
            progress_phase: row.progress_phase,
            run_at: row.run_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            requested_by: row.requested_by.map(UserId),
            error: row.error,
            result: row.result,
            cancel_requested: row.cancel_requested,
            subject_kind: row.subject_kind,
            subject_id: row.subject_id,
            version: row.version,
            ctx: serde_json::from_value(row.ctx)?,
        })
    }
}

/// The state as the ledger writes it.
pub(super) fn state(text: &str) -> Result<JobState> {
    JobState::parse(text).ok_or_else(|| Error::internal(format!("the ledger holds the unknown state {text}")))
}
