//! A session that goes on under another id: whoever proves again who they are gets a new one, so that an id or token that
//! somebody else has seen before the proof is worth nothing after it (ASVS 5.0, 7.2.4).
//!
//! The session before ends [`HANDOVER`] later, so that what is under way on other tabs comes to its end and live connections
//! move over. Its refresh tokens are good no more at once, and what an operator has open from it as somebody else ends. A sign-in
//! through a provider goes over, so that what the provider ends it ends still.

use super::service::{acting_from, end, ended, event};
use super::standing::Refused;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::id::{SessionId, UserId};
use ipnet::IpNet;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// How long the session before still counts.
pub const HANDOVER: Duration = Duration::seconds(30);

/// The session that follows.
#[derive(Clone, Copy, Debug)]
pub struct Successor {
    /// Its id.
    pub id: SessionId,
    /// Its absolute end: that of the one before. A proof in between makes no session last longer.
    pub expires_at: OffsetDateTime,
}

/// Opens the successor of `old`, a session of `user`, who has just proved by `method` (RFC 8176) who they are, with all that is
/// known of it and from where the change comes; and lets `old` run out.
///
/// # Errors
/// `auth.session_expired`: `old` is over already, so nothing follows it.
pub async fn succeed(change: &mut Change, old: SessionId, user: UserId, method: &str) -> Result<Successor> {
    let id = SessionId::new();
    let expires_at = copy(change, old, id, user, method).await?;
    let version = retire(change, old, id).await?;
    take_over(change, old, id).await?;
    let text = "{actor} proved again who they are";
    let event = event("session.succeeded", "me.prove", old, version, user, text)
        .data("successor", json!(id))
        .detail("successor", json!(id))
        .detail("method", method)
        // the one before is taken off when it has run out
        .counts("sessions_active", 1);
    change.record(event).await?;
    look_again(change, user).await?;
    Ok(Successor { id, expires_at })
}

/// Every column goes over, those too that this code does not know; but for the id, from where, and what was just proved.
async fn copy(
    change: &mut Change,
    old: SessionId,
    session: SessionId,
    user: UserId,
    method: &str,
) -> Result<OffsetDateTime> {
    let (ctx, at) = (change.ctx().clone(), change.at());
    let row = sqlx::query_scalar!(
        "INSERT INTO user_sessions
         SELECT (jsonb_populate_record(s, jsonb_build_object('id', $4::uuid, 'version', 1, 'last_seen_at', $5::timestamptz,
           'authenticated_at', $5::timestamptz, 'ip', $6::inet, 'user_agent', $7::text, 'succeeded_by', NULL,
           'methods', (SELECT jsonb_agg(DISTINCT m) FROM unnest(s.methods || $8::text) AS m)))).*
         FROM user_sessions s
         WHERE s.organization_id = $1 AND s.user_id = $2 AND s.id = $3 AND s.revoked_at IS NULL AND s.expires_at > $5
         RETURNING expires_at",
        ctx.organization.0,
        user.0,
        old.0,
        session.0,
        at,
        ctx.ip.map(IpNet::from) as Option<IpNet>,
        ctx.user_agent,
        method,
    )
    .fetch_optional(change.tx())
    .await?;
    row.ok_or_else(|| ended(&Refused::Expired))
}

/// Lets the session before run out, without its refresh tokens; its version then.
async fn retire(change: &mut Change, old: SessionId, successor: SessionId) -> Result<i64> {
    let (organization, at) = (change.ctx().organization, change.at());
    let version = sqlx::query_scalar!(
        "UPDATE user_sessions SET expires_at = least(expires_at, $3), succeeded_by = $4, version = version + 1
         WHERE organization_id = $1 AND id = $2 RETURNING version",
        organization.0,
        old.0,
        at + HANDOVER,
        successor.0,
    )
    .fetch_one(change.tx())
    .await?;
    sqlx::query!(
        "DELETE FROM auth_tokens WHERE organization_id = $1 AND session_id = $2",
        organization.0,
        old.0
    )
    .execute(change.tx())
    .await?;
    Ok(version)
}

/// What hangs on the session before: a sign-in through a provider goes over, acting as somebody else ends.
async fn take_over(change: &mut Change, old: SessionId, successor: SessionId) -> Result<()> {
    let organization = change.ctx().organization;
    sqlx::query!(
        "UPDATE provider_sign_ins SET session_id = $3 WHERE organization_id = $1 AND session_id = $2",
        organization.0,
        old.0,
        successor.0,
    )
    .execute(change.tx())
    .await?;
    let why = "Whoever acted as this person proved again who they are.";
    for (acting, person) in acting_from(change, old).await? {
        end(change, acting, person, "me.prove", why).await?;
    }
    Ok(())
}

/// Has the person looked at again, so that no node believes what it kept of the end of the session before.
async fn look_again(change: &mut Change, user: UserId) -> Result<()> {
    let organization = change.ctx().organization;
    let access_version = sqlx::query_scalar!(
        "UPDATE users SET access_version = access_version + 1 WHERE organization_id = $1 AND id = $2 RETURNING access_version",
        organization.0,
        user.0,
    )
    .fetch_one(change.tx())
    .await?;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::Access,
            subject: user.0,
            access_version: Some(access_version),
            reason: "proved_again".to_owned(),
        })
        .await
}
