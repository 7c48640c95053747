//! Closing sessions that time has ended. Nobody is let in by them anyway (`standing`); closing makes it a recorded end,
//! and keeps the count of open sessions true.

use super::service::end;
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, SessionId, UserId};

/// Closes one session past its absolute end, that nobody used for as long as its organization lets it rest, or whose last
/// refresh token has run out; false when there is none. When a session was used is written down a little late, so a resting
/// one is given a minute more here.
pub async fn expire(store: &Store) -> Result<bool> {
    let mut tx = store.db.snapshot().await?;
    let found = sqlx::query!(
        "SELECT s.id, s.organization_id, s.user_id FROM user_sessions s
         LEFT JOIN organization_settings t ON t.organization_id = s.organization_id AND t.key = 'sessions'
         WHERE s.revoked_at IS NULL AND (s.expires_at <= $1
           OR s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8) <= $1
           OR s.last_seen_at + make_interval(secs => (t.value ->> 'idle_seconds')::float8) + interval '1 minute' <= $1
           OR (SELECT max(t.expires_at) FROM auth_tokens t WHERE t.session_id = s.id) <= $1)
         LIMIT 1",
        store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    drop(tx);
    let Some(found) = found else { return Ok(false) };
    let ctx = Ctx::system(OrganizationId(found.organization_id), "sessions");
    let mut change = Change::begin(store, &ctx).await?;
    let (session, user) = (SessionId(found.id), UserId(found.user_id));
    let why = "The session was not used for too long, or reached its end.";
    if end(&mut change, session, user, "sessions.expire", why).await? {
        change.commit().await?;
    }
    Ok(true)
}
