//! Forgetting links that nobody can use any more.

use crate::Store;
use crate::kernel::error::Result;

/// Rows deleted in one statement.
const BATCH: i64 = 2_000;

/// Deletes one batch of links to new passwords, to other addresses and to sign-ups whose time is over; true while there may
/// be more.
pub async fn forget_links(store: &Store) -> Result<bool> {
    let now = store.clock.now();
    let mut tx = store.db.bookkeeping().await?;
    let resets = sqlx::query!(
        "DELETE FROM password_resets WHERE token_hash IN (SELECT token_hash FROM password_resets WHERE expires_at <= $1 LIMIT $2)",
        now,
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let changes = sqlx::query!(
        "DELETE FROM email_changes WHERE user_id IN (SELECT user_id FROM email_changes WHERE expires_at <= $1 LIMIT $2)",
        now,
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let sign_ups = sqlx::query!(
        "DELETE FROM sign_ups WHERE email IN (SELECT email FROM sign_ups WHERE expires_at <= $1 LIMIT $2)",
        now,
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok([resets, changes, sign_ups].contains(&(BATCH as u64)))
}
