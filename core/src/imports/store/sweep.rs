//! SQL of what remains to do after an import's end.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ImportId, JobId, OrganizationId};

/// An import whose job is over and whose lines are still staged.
pub(in crate::imports) async fn to_sweep(
    connection: &mut PgConnection,
) -> Result<Option<(OrganizationId, ImportId)>> {
    let row = sqlx::query!(
        "SELECT i.organization_id, i.id FROM imports i JOIN jobs j ON j.id = i.job_id
         WHERE i.staged AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (OrganizationId(row.organization_id), ImportId(row.id))))
}

/// Deletes staged lines up to the `most`th after `after`; answers the last one deleted.
pub(in crate::imports) async fn unstage(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    after: i32,
    most: i64,
) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar!(
        "WITH gone AS (
           DELETE FROM import_rows WHERE organization_id = $1 AND import_id = $2 AND line > $3 AND line <= coalesce(
             (SELECT line FROM import_rows WHERE organization_id = $1 AND import_id = $2 AND line > $3
              ORDER BY line OFFSET $4 LIMIT 1), 2147483647)
           RETURNING line)
         SELECT max(line) FROM gone",
        organization.0,
        import.0,
        after,
        most - 1,
    )
    .fetch_one(connection)
    .await?)
}

/// Notes that nothing is staged any more.
pub(in crate::imports) async fn swept(connection: &mut PgConnection, import: ImportId) -> Result<()> {
    sqlx::query!("UPDATE imports SET staged = false WHERE id = $1", import.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// An import whose job ended without closing it: cancelled while it waited, given up, or set aside.
pub(in crate::imports) async fn to_close(
    connection: &mut PgConnection,
) -> Result<Option<(OrganizationId, ImportId, JobId)>> {
    let row = sqlx::query!(
        "SELECT i.organization_id, i.id, j.id AS job_id FROM imports i JOIN jobs j ON j.id = i.job_id
         WHERE i.finished_at IS NULL AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        (
            OrganizationId(row.organization_id),
            ImportId(row.id),
            JobId(row.job_id),
        )
    }))
}
