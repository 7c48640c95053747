//! Forgetting refresh tokens, tickets and keys that prove nothing any more.

use crate::Store;
use crate::kernel::error::Result;
use time::Duration;

/// Rows deleted in one transaction.
const BATCH: i64 = 2_000;
/// A token is kept this long after it ran out, so that clocks need not agree to the second.
const GRACE: Duration = Duration::days(1);

/// Deletes one batch of tokens that ran out a day ago, with the tickets and signing keys that did; true while there may be
/// more. The last token of an open session stays: by it the session is known to have ended.
pub async fn forget_tokens(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let gone = sqlx::query!(
        "DELETE FROM auth_tokens WHERE hash IN (
           SELECT t.hash FROM auth_tokens t JOIN user_sessions s ON s.id = t.session_id
           WHERE t.expires_at < $1 AND (s.revoked_at IS NOT NULL OR EXISTS (
             SELECT FROM auth_tokens n WHERE n.session_id = t.session_id AND n.expires_at > t.expires_at))
           LIMIT $2)",
        store.clock.now() - GRACE,
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query!(
        "DELETE FROM auth_tickets WHERE hash IN (SELECT hash FROM auth_tickets WHERE expires_at <= $1 LIMIT $2)",
        store.clock.now(),
        BATCH,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM signing_keys WHERE verifies_until < $1",
        store.clock.now() - GRACE
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(gone == BATCH as u64)
}
