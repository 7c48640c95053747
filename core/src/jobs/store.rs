//! The ledger's SQL. Statements that change a run name its epoch and touch nothing when it has moved on.

use super::model::{Job, JobEvent, JobState, Lease, NewJob, Node};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{JobId, OrganizationId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

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

/// What a claim hands over besides the [`Job`].
#[derive(Debug)]
pub(crate) struct Claimed {
    pub id: JobId,
    pub epoch: i64,
    pub before: JobState,
    pub payload: Value,
    pub checkpoint: Value,
}

/// Claims those of `ids` that are due and free: state and time checked, epoch and attempt counted, lease given, all in
/// one statement, so that of two nodes with the same id one gets it.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    node: &Node,
    lease_seconds: f64,
    ids: &[Uuid],
) -> Result<Vec<Claimed>> {
    let rows = sqlx::query!(
        "WITH due AS (
           SELECT j.id, j.state FROM jobs j
           WHERE j.id = ANY($1) AND j.state IN ('waiting', 'retrying') AND j.run_at <= now()
             AND NOT EXISTS (SELECT FROM queues q WHERE q.name = j.queue AND q.paused)
           ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
         claimed AS (
           UPDATE jobs j SET state = 'running', epoch = epoch + 1, attempt = attempt + 1, version = version + 1,
             started_at = coalesce(started_at, now()), dispatched_at = NULL
           FROM due WHERE j.id = due.id
           RETURNING j.id, j.organization_id, j.epoch, j.attempt, due.state AS before, j.payload, j.checkpoint),
         leased AS (
           INSERT INTO job_leases (job_id, epoch, until, node, boot)
           SELECT id, epoch, clock_timestamp() + make_interval(secs => $2), $3, $4 FROM claimed
           ON CONFLICT (job_id) DO UPDATE SET epoch = excluded.epoch, until = excluded.until, node = excluded.node,
             boot = excluded.boot),
         noted AS (
           INSERT INTO job_events (organization_id, job_id, kind, detail)
           SELECT organization_id, id, 'started', jsonb_build_object('attempt', attempt, 'node', $3::text) FROM claimed)
         SELECT id, epoch, before, payload, checkpoint FROM claimed",
        ids,
        lease_seconds,
        node.name,
        node.boot.0,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Claimed {
                id: JobId(row.id),
                epoch: row.epoch,
                before: state(&row.before)?,
                payload: row.payload,
                checkpoint: row.checkpoint.unwrap_or_default(),
            })
        })
        .collect()
}

/// Renews every lease of this start of this node in one statement, on the database's clock. Answers what it still holds
/// and whether its end was asked for; a run that is not among them has lost its lease.
pub async fn renew(
    connection: &mut PgConnection,
    node: &Node,
    lease_seconds: f64,
) -> Result<Vec<(Lease, bool)>> {
    let rows = sqlx::query!(
        "UPDATE job_leases l SET until = clock_timestamp() + make_interval(secs => $3)
         FROM jobs j WHERE l.node = $1 AND l.boot = $2 AND j.id = l.job_id AND j.epoch = l.epoch
         RETURNING l.job_id, l.epoch, j.cancel_requested",
        node.name,
        node.boot.0,
        lease_seconds,
    )
    .fetch_all(connection)
    .await?;
    let held = rows.into_iter().map(|row| {
        let lease = Lease {
            job: JobId(row.job_id),
            epoch: row.epoch,
        };
        (lease, row.cancel_requested)
    });
    Ok(held.collect())
}

/// Ends the leases that an earlier start of this node left behind; reconciling finds them at once.
pub async fn free_previous_boot(connection: &mut PgConnection, node: &Node) -> Result<u64> {
    let freed = sqlx::query!(
        "UPDATE job_leases SET until = '-infinity' WHERE node = $1 AND boot <> $2",
        node.name,
        node.boot.0
    )
    .execute(connection)
    .await?;
    Ok(freed.rows_affected())
}

/// Adds the members of `state` to the job's checkpoint. False when the lease is no longer the job's: then the whole
/// transaction must be rolled back. Getting on clears what was counted against the job.
pub(crate) async fn checkpoint(connection: &mut PgConnection, lease: Lease, state: &Value) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE jobs SET checkpoint = coalesce(checkpoint, '{}') || $3, crashes_in_a_row = 0, failures = 0
         WHERE id = $1 AND epoch = $2 AND state = 'running'",
        lease.job.0,
        lease.epoch,
        state,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes how far a run is.
pub async fn note_progress(
    connection: &mut PgConnection,
    lease: Lease,
    (done, total, phase): (i64, i64, &str),
) -> Result<()> {
    sqlx::query!(
        "UPDATE jobs SET progress_done = $3, progress_total = $4, progress_phase = $5
         WHERE id = $1 AND epoch = $2 AND state = 'running'",
        lease.job.0,
        lease.epoch,
        done,
        total,
        phase,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What ends a run, as the ledger writes it.
#[derive(Debug)]
pub(crate) struct Settlement<'a> {
    pub state: JobState,
    /// Due again after so many seconds.
    pub pause_seconds: Option<f64>,
    pub failed: bool,
    pub result: Option<&'a Value>,
    pub error: Option<&'a str>,
    pub event: &'a str,
}

/// Ends a run and its lease. `None` when the lease is no longer the job's. A job whose end was asked for does not go on
/// waiting. Of the errors the newest ten stay.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    lease: Lease,
    settlement: &Settlement<'_>,
) -> Result<bool> {
    let done = sqlx::query!(
        "WITH target AS (
           SELECT id, CASE WHEN cancel_requested AND $3 IN ('waiting', 'retrying') THEN 'cancelled' ELSE $3 END AS state
           FROM jobs WHERE id = $1 AND epoch = $2 AND state = 'running' FOR UPDATE),
         settled AS (
           UPDATE jobs j SET state = target.state, version = version + 1, dispatched_at = NULL,
             run_at = coalesce(now() + make_interval(secs => $4), run_at),
             failures = failures + CASE WHEN $5 THEN 1 ELSE 0 END,
             result = coalesce($6, result),
             errors = CASE WHEN $7::text IS NULL THEN errors
               ELSE jsonb_path_query_array(errors, '$[last - 8 to last]')
                 || jsonb_build_object('at', now(), 'attempt', attempt, 'message', $7::text) END,
             finished_at = CASE WHEN target.state IN ('waiting', 'retrying') THEN NULL ELSE now() END
           FROM target WHERE j.id = target.id
           RETURNING j.id, j.organization_id, j.attempt, j.state),
         freed AS (DELETE FROM job_leases WHERE job_id = (SELECT id FROM settled) AND epoch = $2)
         INSERT INTO job_events (organization_id, job_id, kind, detail)
         SELECT organization_id, id, CASE WHEN state = 'cancelled' THEN 'cancelled' ELSE $8 END,
           jsonb_strip_nulls(jsonb_build_object('attempt', attempt, 'message', $7::text))
         FROM settled",
        lease.job.0,
        lease.epoch,
        settlement.state.as_str(),
        settlement.pause_seconds,
        settlement.failed,
        settlement.result,
        settlement.error,
        settlement.event,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes jobs from runs whose lease has lapsed: a crash is counted; after `most_crashes` without a checkpoint between
/// them the job is set aside. Answers the jobs.
pub(crate) async fn take_lapsed(connection: &mut PgConnection, most_crashes: i32) -> Result<Vec<Uuid>> {
    let rows = sqlx::query_scalar!(
        "WITH lapsed AS (
           SELECT job_id, epoch, node FROM job_leases WHERE until < clock_timestamp()
           ORDER BY job_id LIMIT 100 FOR UPDATE SKIP LOCKED),
         gone AS (DELETE FROM job_leases l USING lapsed WHERE l.job_id = lapsed.job_id),
         taken AS (
           UPDATE jobs j SET version = version + 1, crashes = crashes + 1, crashes_in_a_row = crashes_in_a_row + 1,
             run_at = now(), dispatched_at = NULL,
             state = CASE WHEN cancel_requested THEN 'cancelled'
               WHEN crashes_in_a_row + 1 >= $1 THEN 'quarantined' ELSE 'retrying' END,
             finished_at = CASE WHEN cancel_requested OR crashes_in_a_row + 1 >= $1 THEN now() END,
             errors = jsonb_path_query_array(errors, '$[last - 8 to last]')
               || jsonb_build_object('at', now(), 'attempt', attempt, 'message', 'The worker went away while it ran this job.')
           FROM lapsed WHERE j.id = lapsed.job_id AND j.epoch = lapsed.epoch AND j.state = 'running'
           RETURNING j.id, j.organization_id, j.attempt, j.state, lapsed.node),
         noted AS (
           INSERT INTO job_events (organization_id, job_id, kind, detail)
           SELECT organization_id, id, CASE state WHEN 'retrying' THEN 'crashed' ELSE state END,
             jsonb_build_object('attempt', attempt, 'node', node) FROM taken)
         SELECT id FROM taken",
        most_crashes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
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
    before.as_deref().map(state).transpose()
}

/// Due rows that Redis does not have, locked until the feeder has marked them: id, queue, score.
pub(crate) async fn undispatched(connection: &mut PgConnection, most: i64) -> Result<Vec<Due>> {
    Ok(sqlx::query_as!(
        Due,
        "SELECT id, queue, priority, run_at FROM jobs
         WHERE state IN ('waiting', 'retrying') AND dispatched_at IS NULL AND run_at <= now()
         ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED",
        most
    )
    .fetch_all(connection)
    .await?)
}

/// Rows that were given to Redis a while ago and are still not claimed, the longest ago first.
pub(crate) async fn long_dispatched(
    connection: &mut PgConnection,
    seconds: f64,
    most: i64,
) -> Result<Vec<Due>> {
    Ok(sqlx::query_as!(
        Due,
        "SELECT id, queue, priority, run_at FROM jobs
         WHERE state IN ('waiting', 'retrying') AND dispatched_at < now() - make_interval(secs => $1)
         ORDER BY dispatched_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        seconds,
        most
    )
    .fetch_all(connection)
    .await?)
}

/// Marks rows as given to Redis, or as lost by it.
pub(crate) async fn mark_dispatched(connection: &mut PgConnection, ids: &[Uuid], given: bool) -> Result<()> {
    sqlx::query!(
        "UPDATE jobs SET dispatched_at = CASE WHEN $2 THEN clock_timestamp() END WHERE id = ANY($1)",
        ids,
        given
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Due jobs of `queue`, whatever Redis was told: for a node that works without it.
pub async fn due(connection: &mut PgConnection, queue: &str, most: i64) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM jobs WHERE queue = $1 AND state IN ('waiting', 'retrying') AND run_at <= now()
         ORDER BY priority DESC, run_at, id LIMIT $2",
        queue,
        most
    )
    .fetch_all(connection)
    .await?)
}

/// A row on its way to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub id: Uuid,
    pub queue: String,
    pub priority: i16,
    pub run_at: OffsetDateTime,
}

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

fn state(text: &str) -> Result<JobState> {
    JobState::parse(text).ok_or_else(|| Error::internal(format!("the ledger holds the unknown state {text}")))
}
