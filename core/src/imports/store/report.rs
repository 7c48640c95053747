//! SQL of the report of rejected lines.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ImportId, OrganizationId};

/// A page of the report, by line.
pub(in crate::imports) async fn rejects(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    after: i32,
    limit: i64,
) -> Result<Vec<(i32, String, String, String)>> {
    let rows = sqlx::query!(
        "SELECT line, field, value, reason FROM import_rejects
         WHERE organization_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4",
        organization.0,
        import.0,
        after,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.line, row.field, row.value, row.reason))
        .collect())
}
