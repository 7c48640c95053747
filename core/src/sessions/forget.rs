//! Forgetting revocations, and touched rows, that every node has acted upon long ago.

use crate::Store;
use crate::kernel::error::Result;

/// Rows deleted in one transaction.
const BATCH: i64 = 2_000;

/// Deletes one batch of revocations older than a day (an access token lives an hour, and a node believes what it kept for
/// a minute), and of touched rows older than an hour; true while there may be more. None that a reader has still to see: a reader asks from the oldest
/// transaction on that was running when it last read, so only those go that are older than every one running now.
pub async fn forget_revocations(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let gone = sqlx::query!(
        "DELETE FROM revocations WHERE seq IN (
           SELECT seq FROM revocations
           WHERE at < now() - interval '24 hours' AND xid < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY seq LIMIT $1)",
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let touched = sqlx::query!(
        "DELETE FROM users_touched WHERE seq IN (
           SELECT seq FROM users_touched
           WHERE at < now() - interval '1 hour' AND xid < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY seq LIMIT $1)",
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(gone.max(touched) == BATCH as u64)
}
