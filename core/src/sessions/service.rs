//! How a session ends.

use super::CHANNEL;
use super::standing::Refused;
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::users::rights;
use serde_json::json;
use uuid::Uuid;

/// Whoever holds the session must sign in again.
pub fn ended(why: &Refused) -> Error {
    let code = match why {
        Refused::Expired | Refused::Idle => "auth.session_expired",
        Refused::Address => "auth.address_refused",
        Refused::Factor => "auth.factor_demanded",
        _ => "auth.session_ended",
    };
    Error::new(
        Kind::Unauthenticated,
        code,
        format!("This session is over ({why}). Sign in again."),
    )
}

/// Ends `session`: one's own, or with `sessions:revoke` that of somebody who holds no more than the actor; and where it goes on
/// under another id (`succeed`), that. An ended one stays ended, and that is no error.
pub async fn revoke(store: &Store, ctx: &Ctx, session: SessionId) -> Result<()> {
    let mut change = Change::begin(store, ctx).await?;
    let owner = owner(&mut change, session).await?;
    if !ctx.is_oneself(owner) {
        ctx.require("sessions:revoke")?;
        let held = rights::of(change.tx(), ctx.organization, owner).await?;
        ctx.require_over(&held)?;
    }
    let why = "This session was ended from the list of sessions.";
    let session = goes_on_as(&mut change, session).await?;
    if end(&mut change, session, owner, "sessions.revoke", why).await? {
        change.commit().await?;
    }
    Ok(())
}

/// Marks `session` ended, records it under `action` and cuts off what hangs on it. False when it had ended already:
/// then nothing is recorded.
pub async fn end(
    change: &mut Change,
    session: SessionId,
    user: UserId,
    action: &'static str,
    why: &str,
) -> Result<bool> {
    let (organization, at) = (change.ctx().organization, change.at());
    let row = sqlx::query!(
        "UPDATE user_sessions SET revoked_at = $3, revoked_reason = $4, version = version + 1
         WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING version",
        organization.0,
        session.0,
        at,
        why,
    )
    .fetch_optional(change.tx())
    .await?;
    let Some(row) = row else { return Ok(false) };
    let event = event(
        "session.revoked",
        action,
        session,
        row.version,
        user,
        "{actor} ended {subject}",
    )
    .reason(why)
    .counts("sessions_active", -1);
    change.record(event).await?;
    change.revoke(revocation(organization, session, why)).await?;
    let mut hanging = acting_from(change, session).await?;
    hanging.extend(succeeded_by(change, session, user).await?);
    for (hanging, user) in hanging {
        Box::pin(end(change, hanging, user, action, why)).await?;
    }
    Ok(true)
}

/// Open sessions in which whoever holds `session` acts as somebody else, and as whom: they do so from a session of their own.
pub(super) async fn acting_from(change: &mut Change, session: SessionId) -> Result<Vec<(SessionId, UserId)>> {
    let organization = change.ctx().organization;
    let acting = sqlx::query!(
        "SELECT id, user_id FROM user_sessions
         WHERE organization_id = $1 AND impersonator_session = $2 AND revoked_at IS NULL ORDER BY id",
        organization.0,
        session.0,
    )
    .fetch_all(change.tx())
    .await?;
    let acting = acting.into_iter();
    Ok(acting
        .map(|row| (SessionId(row.id), UserId(row.user_id)))
        .collect())
}

/// What of the same sign-in runs out still, because `session` took its place (`succeed`).
async fn succeeded_by(
    change: &mut Change,
    session: SessionId,
    user: UserId,
) -> Result<Option<(SessionId, UserId)>> {
    let (organization, at) = (change.ctx().organization, change.at());
    let before = sqlx::query_scalar!(
        "SELECT id FROM user_sessions
         WHERE organization_id = $1 AND user_id = $2 AND succeeded_by = $3 AND revoked_at IS NULL AND expires_at > $4",
        organization.0,
        user.0,
        session.0,
        at,
    )
    .fetch_optional(change.tx())
    .await?;
    Ok(before.map(|before| (SessionId(before), user)))
}

/// The last of the line that `session` begins: whoever names one that was just succeeded means it. Its end ends those before.
async fn goes_on_as(change: &mut Change, session: SessionId) -> Result<SessionId> {
    let organization = change.ctx().organization;
    let last = sqlx::query_scalar!(
        r#"WITH RECURSIVE line (id, next) AS (
             SELECT id, succeeded_by FROM user_sessions WHERE organization_id = $1 AND id = $2
             UNION ALL
             SELECT s.id, s.succeeded_by FROM line JOIN user_sessions s ON s.id = line.next AND s.organization_id = $1)
           SELECT id AS "id!" FROM line WHERE next IS NULL"#,
        organization.0,
        session.0,
    )
    .fetch_optional(change.tx())
    .await?;
    Ok(last.map_or(session, SessionId))
}

/// What is recorded when somebody has signed in.
pub fn created(session: SessionId, user: UserId) -> Event {
    event(
        "session.created",
        "auth.login",
        session,
        1,
        user,
        "{actor} signed in",
    )
    .counts("sessions_active", 1)
}

pub(super) fn event(
    kind: &'static str,
    action: &'static str,
    session: SessionId,
    version: i64,
    user: UserId,
    text: &'static str,
) -> Event {
    let subject = Subject {
        kind: "session".into(),
        id: session.0,
        version,
    };
    Event::new(kind, action, subject, format!("inbox:{user}"), text)
        .also(CHANNEL)
        .data("user_id", json!(user))
        .detail("user_id", json!(user))
}

pub(super) fn revocation(organization: OrganizationId, session: SessionId, why: &str) -> Revocation {
    Revocation {
        organization,
        kind: RevocationKind::Session,
        subject: session.0,
        access_version: None,
        reason: why.to_owned(),
    }
}

/// Whose session it is; locked, so that its events stand in order.
async fn owner(change: &mut Change, session: SessionId) -> Result<UserId> {
    let organization = change.ctx().organization;
    let owner: Option<Uuid> = sqlx::query_scalar!(
        "SELECT user_id FROM user_sessions WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization.0,
        session.0
    )
    .fetch_optional(change.tx())
    .await?;
    owner.map(UserId).ok_or_else(|| Error::not_found("session"))
}
