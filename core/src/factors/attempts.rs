//! How often somebody may be wrong.
//!
//! Five wrong answers in a row cost nothing but themselves. From there on each makes the next wait: a minute, two, four, up
//! to an hour. Whoever guesses at a code of six digits comes to 24 tries a day, whatever their number of connections.

use super::{FactorKind, Owner};
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::error::{Error, Kind, Result};
use time::{Duration, OffsetDateTime};

/// Wrong answers in a row before there is a wait.
pub(super) const FREE: i32 = 5;
/// After so long without an attempt, counting begins again.
const FORGOTTEN: Duration = Duration::days(1);

/// Counts an attempt at a factor of `kind` as failed until [`right`] says otherwise.
///
/// # Errors
/// `factor.too_many_attempts`, with the seconds to wait.
pub(super) async fn begin(store: &Store, owner: Owner, kind: FactorKind) -> Result<()> {
    let now = store.clock.now();
    let mut tx = store.db.bookkeeping().await?;
    let counted = sqlx::query!(
        "INSERT INTO factor_attempts AS had (organization_id, user_id, kind, failures, failed_at, code_tries)
         VALUES ($1, $2, $3, 1, $4, 1)
         ON CONFLICT (user_id, kind) DO UPDATE SET
           failures = CASE WHEN had.failed_at < $5 THEN 1 ELSE had.failures + 1 END,
           blocked_until = CASE WHEN had.failed_at >= $5 AND had.failures + 1 >= $6
             THEN $4 + least(interval '1 hour', interval '1 minute' * power(2, least(had.failures + 1 - $6, 6))) END,
           failed_at = $4,
           code_tries = had.code_tries + 1
         WHERE had.blocked_until IS NULL OR had.blocked_until <= $4",
        owner.organization.0,
        owner.user.0,
        kind.as_str(),
        now,
        now - FORGOTTEN,
        FREE,
    )
    .execute(&mut *tx)
    .await?;
    if counted.rows_affected() == 1 {
        return Ok(tx.commit().await?);
    }
    let until = sqlx::query_scalar!(
        "SELECT blocked_until FROM factor_attempts WHERE user_id = $1 AND kind = $2",
        owner.user.0,
        kind.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Err(too_many(until.flatten().unwrap_or(now), now))
}

/// The last attempt was right: counting begins again.
pub(super) async fn right(connection: &mut PgConnection, owner: Owner, kind: FactorKind) -> Result<()> {
    sqlx::query!(
        "UPDATE factor_attempts SET failures = 0, blocked_until = NULL
         WHERE organization_id = $1 AND user_id = $2 AND kind = $3",
        owner.organization.0,
        owner.user.0,
        kind.as_str()
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn too_many(until: OffsetDateTime, now: OffsetDateTime) -> Error {
    let seconds = (until - now).whole_seconds().max(0).unsigned_abs() + 1;
    let mut error = Error::new(
        Kind::TooMany,
        "factor.too_many_attempts",
        format!("This factor was wrong too often. Wait {seconds} s, or use another one."),
    );
    error.retry_after = Some(seconds);
    error
}
