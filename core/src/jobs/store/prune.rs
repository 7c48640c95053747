//! SQL of what is over for long: which jobs are forgotten, and forgetting them.

use super::super::model::KeptDays;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use uuid::Uuid;

/// Up to `most` jobs that ended longer ago than they are kept, the oldest first, locked. A job is kept for as long as an import, an
/// act on many, an export or an erasure shows it.
pub(crate) async fn long_ended(
    connection: &mut PgConnection,
    kept: KeptDays,
    most: i64,
) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM jobs j
         WHERE state IN ('succeeded', 'failed', 'cancelled', 'quarantined')
           AND finished_at < now() - make_interval(days => least($1::int, $2::int, $3::int))
           AND finished_at < now() - make_interval(days =>
             CASE state WHEN 'succeeded' THEN $1::int WHEN 'cancelled' THEN $2::int ELSE $3::int END)
           AND NOT EXISTS (SELECT FROM imports WHERE job_id = j.id)
           AND NOT EXISTS (SELECT FROM user_bulks WHERE job_id = j.id)
           AND NOT EXISTS (SELECT FROM personal_data_exports WHERE job_id = j.id)
           AND NOT EXISTS (SELECT FROM erasures WHERE job_id = j.id)
         ORDER BY finished_at LIMIT $4 FOR UPDATE SKIP LOCKED",
        kept.succeeded,
        kept.cancelled,
        kept.failed,
        most,
    )
    .fetch_all(connection)
    .await?)
}

/// Deletes jobs of `organizations`, pair by pair, and then their history, which is refused as long as its job is there.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    organizations: &[Uuid],
    ids: &[Uuid],
) -> Result<()> {
    sqlx::query!("DELETE FROM jobs WHERE id = ANY($1)", ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "DELETE FROM job_events e USING unnest($1::uuid[], $2::uuid[]) AS gone (organization_id, job_id)
         WHERE e.organization_id = gone.organization_id AND e.job_id = gone.job_id",
        organizations,
        ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}
