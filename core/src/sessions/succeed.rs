//! A session that goes on under another id: whoever proves again who they are gets a new one, so that an id or token that
//! somebody else has seen before the proof is worth nothing after it (ASVS 5.0, 7.2.4).

use super::service::{ended, event};
use super::standing::Refused;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::id::{SessionId, UserId};
use ipnet::IpNet;
use time::OffsetDateTime;

/// The session that follows.
#[derive(Clone, Copy, Debug)]
pub struct Successor {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Its absolute end: that of the one before. A proof in between makes no session last longer.
    pub expires_at: OffsetDateTime,
}

/// What is told to whoever comes with the old one.
const WHY: &str = "This session goes on under another id.";

/// Opens the successor of `old`, whose person has just proved by `methods` who they are, from where the change comes, and ends
/// `old` with its tokens. What is open on it is closed in a way that has the client come back, with the tokens of the
/// successor. By what was proved before goes on beside it.
///
/// # Errors
/// `auth.session_ended`: `old` is over already, so nothing follows it.
pub async fn succeed(change: &mut Change, old: SessionId, methods: &[String]) -> Result<Successor> {
    let (ctx, at, id) = (change.ctx().clone(), change.at(), SessionId::new());
    let row = sqlx::query!(
        r#"SELECT s.user_id, s.version, s.methods,
             least(s.expires_at, s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8)) AS "expires_at!"
           FROM user_sessions s
           LEFT JOIN organization_settings t ON t.organization_id = s.organization_id AND t.key = 'sessions'
           WHERE s.organization_id = $1 AND s.id = $2 AND s.revoked_at IS NULL FOR UPDATE OF s"#,
        ctx.organization.0,
        old.0,
    )
    .fetch_optional(change.tx())
    .await?
    .filter(|row| row.expires_at > at)
    .ok_or_else(|| ended(&Refused::Revoked("session ended".to_owned())))?;
    let mut all = row.methods;
    all.extend(
        methods
            .iter()
            .filter(|method| !all.contains(method))
            .cloned()
            .collect::<Vec<_>>(),
    );
    sqlx::query!(
        "INSERT INTO user_sessions (id, organization_id, user_id, ip, user_agent, created_at, last_seen_at, expires_at, methods,
           authenticated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $6)",
        id.0,
        ctx.organization.0,
        row.user_id,
        ctx.ip.map(IpNet::from) as Option<IpNet>,
        ctx.user_agent,
        at,
        row.expires_at,
        &all,
    )
    .execute(change.tx())
    .await?;
    sqlx::query!(
        "UPDATE user_sessions SET revoked_at = $3, revoked_reason = $4, succeeded_by = $5, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        ctx.organization.0,
        old.0,
        at,
        WHY,
        id.0,
    )
    .execute(change.tx())
    .await?;
    let user = UserId(row.user_id);
    let text = "{actor} proved again who they are";
    let event = event(
        "session.succeeded",
        "sessions.succeed",
        old,
        row.version + 1,
        user,
        text,
    )
    .data("successor", serde_json::json!(id))
    .detail("successor", serde_json::json!(id));
    change.record(event).await?;
    change
        .revoke(Revocation {
            organization: ctx.organization,
            kind: RevocationKind::Session,
            subject: old.0,
            access_version: Some(1),
            reason: WHY.to_owned(),
        })
        .await?;
    Ok(Successor {
        id,
        user,
        expires_at: row.expires_at,
    })
}
