//! SQL of runs: claim, renew, checkpoint, settle, take over.

use super::super::model::{JobState, Lease, Node};
use super::read::state;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::JobId;
use serde_json::Value;
use uuid::Uuid;

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

/// Renews those of `held` that are still this start's of this node, in one statement, on the database's clock. Answers what it
/// still holds and whether its end was asked for; a run that is not among them has lost its lease. What this node's records name
/// and nobody here holds (a run that died without a word) is not renewed, so that it is taken over.
pub async fn renew(
    connection: &mut PgConnection,
    node: &Node,
    lease_seconds: f64,
    held: &[Lease],
) -> Result<Vec<(Lease, bool)>> {
    let jobs: Vec<Uuid> = held.iter().map(|lease| lease.job.0).collect();
    let epochs: Vec<i64> = held.iter().map(|lease| lease.epoch).collect();
    let rows = sqlx::query!(
        "UPDATE job_leases l SET until = clock_timestamp() + make_interval(secs => $3)
         FROM unnest($4::uuid[], $5::bigint[]) AS held (job_id, epoch), jobs j
         WHERE l.node = $1 AND l.boot = $2 AND l.job_id = held.job_id AND l.epoch = held.epoch
           AND j.id = l.job_id AND j.epoch = l.epoch
         RETURNING l.job_id, l.epoch, j.cancel_requested",
        node.name,
        node.boot.0,
        lease_seconds,
        &jobs,
        &epochs,
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
