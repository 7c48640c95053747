//! SQL of the way to the workers: which rows are due, and which of them Redis has.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use time::OffsetDateTime;
use uuid::Uuid;

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
