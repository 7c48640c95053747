//! Beginning, elevating and ending.

use super::{ELEVATED, LONGEST, SHORTEST_REASON};
use crate::auth::Auth;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::{Credential, Ctx, RECENT};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{SessionId, UserId};
use crate::sessions::impersonation::{IMPERSONATE, is_strictly_over};
use crate::sessions::standing::Standing;
use crate::users::{self, User, UserStatus, check, rights};
use crate::{Store, sessions};
use ipnet::IpNet;
use serde::Serialize;
use time::OffsetDateTime;

/// What an operator gets who acts as somebody now.
#[derive(Debug)]
pub struct Begun {
    /// JWT with the claim `act`; there is no other to follow it.
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
    /// The session.
    pub session: SessionId,
    /// Its end.
    pub expires_at: OffsetDateTime,
}

/// The operator.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Operator {
    /// Who.
    pub id: UserId,
    /// Name as it is shown.
    pub name: String,
}

/// On which terms somebody acts as the person they seem to be.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Acting {
    /// Who really acts.
    pub by: Operator,
    /// Why.
    pub reason: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Until when at most.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Until when things may be changed too.
    #[serde(with = "time::serde::rfc3339::option")]
    pub elevated_until: Option<OffsetDateTime>,
}

/// Opens a session in which the caller acts as `id`.
pub async fn begin(auth: &Auth, ctx: &Ctx, id: UserId, reason: &str) -> Result<Begun> {
    let store = auth.store();
    ctx.require_session()?;
    ctx.require_some(IMPERSONATE)?;
    let reason = reason_of(reason)?;
    ctx.require_recent_proof(store.clock.now())?;
    let own = own_session(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let person = users::store::lock(change.tx(), ctx.organization, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    require_allowed(&mut change, &person).await?;
    let (session, at) = (SessionId::new(), change.at());
    let expires_at = at + LONGEST;
    let expires_at = insert(&mut change, session, own, id, &reason, expires_at).await?;
    let event = event(
        "user.impersonated",
        "users.impersonate",
        &person,
        "{actor} acts as {subject}",
    )
    .reason(reason)
    .detail("session_id", session.to_string())
    .counts("sessions_active", 1);
    change.record(event).await?;
    change.commit().await?;
    let by = ctx.actor.user().ok_or_else(crate::auth::unauthenticated)?;
    let (access_token, expires_in) =
        auth.acting_token(session, id, ctx.organization, by, (at, expires_at))?;
    Ok(Begun {
        access_token,
        expires_in,
        session,
        expires_at,
    })
}

/// Lets the caller, who acts as somebody else, change things for [`ELEVATED`]. The operator has proved who they are less than
/// [`RECENT`] ago; what they prove in their own session ends this one, so it is begun anew.
pub async fn elevate(store: &Store, ctx: &Ctx, reason: &str) -> Result<OffsetDateTime> {
    let (session, person) = acting_as(ctx)?;
    let reason = reason_of(reason)?;
    let now = store.clock.now();
    if ctx.authenticated_at.is_none_or(|at| now >= at + RECENT) {
        return Err(Error::new(
            Kind::Forbidden,
            "impersonation.proof_needed",
            "It is too long ago that you proved who you are. End this, and begin anew.",
        ));
    }
    let mut change = Change::begin(store, ctx).await?;
    let person = users::store::lock(change.tx(), ctx.organization, person)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let until = sqlx::query_scalar!(
        r#"UPDATE user_sessions SET elevated_until = least($3::timestamptz, expires_at), version = version + 1
           WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING elevated_until AS "until!""#,
        ctx.organization.0,
        session.0,
        change.at() + ELEVATED,
    )
    .fetch_optional(change.tx())
    .await?
    .ok_or_else(crate::auth::unauthenticated)?;
    let text = "Whoever acts as {subject} may change things for ten minutes";
    let event = event("user.impersonation_elevated", "me.elevate", &person, text)
        .reason(reason)
        .detail("session_id", session.to_string());
    change.record(event).await?;
    // every node reads the session anew
    change
        .revoke(Revocation {
            organization: ctx.organization,
            kind: RevocationKind::Access,
            subject: person.id.0,
            access_version: None,
            reason: "elevated".to_owned(),
        })
        .await?;
    change.commit().await?;
    Ok(until)
}

/// Ends the caller's acting as somebody else; their own session goes on.
pub async fn end(store: &Store, ctx: &Ctx) -> Result<()> {
    let (session, person) = acting_as(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let why = "Whoever acted as this person has ended it.";
    if sessions::end(&mut change, session, person, "impersonation.end", why).await? {
        change.commit().await?;
    }
    Ok(())
}

/// On which terms the holder of `standing` acts as somebody else; `None` where they act as themselves.
pub async fn acting(store: &Store, standing: &Standing) -> Result<Option<Acting>> {
    let Some(terms) = &standing.impersonation else {
        return Ok(None);
    };
    let mut tx = store.db.primary(standing.organization).await?;
    let operator = users::store::find(&mut tx, standing.organization, terms.by).await?;
    Ok(Some(Acting {
        by: Operator {
            id: terms.by,
            name: operator.map(|operator| operator.name).unwrap_or_default(),
        },
        reason: terms.reason.clone(),
        since: standing.created_at,
        expires_at: standing.expires_at,
        elevated_until: terms.elevated_until,
    }))
}

fn reason_of(reason: &str) -> Result<String> {
    let reason = check::reason(reason).map_err(|fault| Error::invalid(vec![fault.at("reason")]))?;
    if reason.chars().count() < SHORTEST_REASON {
        let detail = format!("Say why, in {SHORTEST_REASON} characters at least: the person can read it.");
        return Err(Error::field("reason", "too_short", detail));
    }
    Ok(reason)
}

fn own_session(ctx: &Ctx) -> Result<SessionId> {
    match ctx.credential {
        Credential::Session(session) => Ok(session),
        Credential::ApiKey(_) | Credential::External(_) | Credential::Internal => {
            Err(crate::auth::unauthenticated())
        }
    }
}

/// The session of whoever acts as somebody, and as whom.
fn acting_as(ctx: &Ctx) -> Result<(SessionId, UserId)> {
    let person = ctx.actor.user().filter(|_| ctx.is_impersonated());
    let person = person.ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            "impersonation.none",
            "You act as yourself; there is nothing to elevate or to end.",
        )
    })?;
    Ok((own_session(ctx)?, person))
}

async fn require_allowed(change: &mut Change, person: &User) -> Result<()> {
    let ctx = change.ctx().clone();
    person.require(&ctx, IMPERSONATE)?;
    if ctx.actor.user() == Some(person.id) {
        return Err(Error::new(
            Kind::Conflict,
            "user.not_oneself",
            "You are this person already.",
        ));
    }
    let held = rights::of(change.tx(), ctx.organization, person.id).await?;
    if !is_strictly_over(&ctx.permissions, &held) {
        return Err(Error::new(
            Kind::Forbidden,
            "impersonation.not_above",
            "This person may do as much as you, or more. Only somebody who may do less can be acted as.",
        ));
    }
    if person.status != UserStatus::Active {
        return Err(Error::new(
            Kind::Conflict,
            "user.not_active",
            "This person cannot sign in at present, so nobody can act as them.",
        ));
    }
    Ok(())
}

/// It ends with the operator's own session at the latest. What the operator has proved counts for it too.
async fn insert(
    change: &mut Change,
    session: SessionId,
    own: SessionId,
    person: UserId,
    reason: &str,
    expires_at: OffsetDateTime,
) -> Result<OffsetDateTime> {
    let ctx = change.ctx().clone();
    let at = change.at();
    sqlx::query_scalar!(
        r#"INSERT INTO user_sessions (id, organization_id, user_id, ip, user_agent, created_at, last_seen_at, expires_at,
             authenticated_at, methods, impersonated_by, impersonator_session, impersonation_reason)
           SELECT $1, o.organization_id, $4, $5, $6, $7, $7, least($8::timestamptz, o.expires_at),
             coalesce(o.authenticated_at, o.created_at), o.methods, o.user_id, o.id, $9
           FROM user_sessions o WHERE o.organization_id = $2 AND o.id = $3 AND o.revoked_at IS NULL
           RETURNING expires_at AS "expires_at!""#,
        session.0,
        ctx.organization.0,
        own.0,
        person.0,
        ctx.ip.map(IpNet::from) as Option<IpNet>,
        ctx.user_agent,
        at,
        expires_at,
        reason,
    )
    .fetch_optional(change.tx())
    .await?
    .ok_or_else(crate::auth::unauthenticated)
}

fn event(kind: &'static str, action: &'static str, person: &User, text: &'static str) -> Event {
    Event::new(
        kind,
        action,
        person.subject(),
        format!("inbox:{}", person.id),
        text,
    )
    .person(person.person())
    .severity(Severity::Warn)
}
