//! SQL of the second stage: of several lines with one address the first stays.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ImportId, OrganizationId};

/// Rejects those of the lines from `first` up to `end` (itself not among them) whose address an earlier line of the import
/// has; the reason names it. Every line before `end` is staged. Answers how many.
///
/// The earlier lines are read once for each chunk and only their addresses in the chunk are kept, so a file that repeats one
/// address costs no more than another. An index on the address made staging twice as dear as all of this is.
pub(in crate::imports) async fn reject_repeated(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    first: i32,
    end: i32,
) -> Result<i64> {
    let rejected = sqlx::query!(
        r#"WITH chunk AS MATERIALIZED (
             SELECT line, email COLLATE "C" AS email FROM import_rows
             WHERE organization_id = $1 AND import_id = $2 AND line >= $3 AND line < $4),
           repeated AS (
             SELECT email COLLATE "C" AS email, min(line) AS first FROM import_rows
             WHERE organization_id = $1 AND import_id = $2 AND line < $4 AND email COLLATE "C" IN (SELECT email FROM chunk)
             GROUP BY 1 HAVING count(*) > 1)
           INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
           SELECT $1, $2, chunk.line, 'email', left(chunk.email, 200),
             'Line ' || repeated.first || ' has the same address and comes first.'
           FROM chunk JOIN repeated ON chunk.email = repeated.email WHERE chunk.line > repeated.first"#,
        organization.0,
        import.0,
        first,
        end,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
}

/// Gives this transaction the memory to hold a chunk's addresses without a temporary file, and plans that look at the
/// tables as they have grown: one made for the first lines would be kept for all. Joins by hash, as the planner takes what
/// was just filled for tiny.
pub(in crate::imports) async fn prepare_to_judge(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!(
        "SELECT set_config('work_mem', '64MB', true) AS memory, set_config('plan_cache_mode', 'force_custom_plan', true) AS plan,
           set_config('enable_nestloop', 'off', true) AS nested"
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}
