//! Proving again who one is, in the middle of a session (step-up): it goes on under a new id.
//!
//! The session before ends [`HANDOVER`] later, so that what is under way on other tabs comes to its end and live connections
//! move over. Its refresh tokens are good no more at once.

use super::login::{Client, SignedIn, signed_in};
use super::token::Holder;
use super::{Auth, refresh};
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::factors::{self, Ceremony, Owed, Owner, Proof, Request, Site, passkey};
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::SessionId;
use ipnet::IpNet;
use secrecy::SecretString;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// How long the session before still counts.
pub const HANDOVER: Duration = Duration::seconds(30);

/// What may be shown to prove who one is.
pub async fn what_proves(auth: &Auth, ctx: &Ctx) -> Result<Owed> {
    let (_, owner) = own(ctx)?;
    factors::owed(&auth.store, owner).await
}

/// Begins a ceremony for a passkey of one's own.
pub async fn ask_for_own_passkey(auth: &Auth, ctx: &Ctx, site: &Site) -> Result<Ceremony> {
    let (_, owner) = own(ctx)?;
    passkey::begin_showing(&auth.store, site, Some(owner)).await
}

/// Sends a code to one's own phone, to prove in this session who one is.
///
/// # Errors
/// What [`factors::send_code`] says; `auth.on_behalf`.
pub async fn send_own_code(auth: &Auth, ctx: &Ctx) -> Result<()> {
    let (session, owner) = own(ctx)?;
    factors::send_code(&auth.store, ctx, owner, Request::Session(session)).await
}

/// The session that asks goes on under a new id, as one in which its person has just proved who they are. Whoever has a
/// factor shows it; their password alone is not enough.
///
/// # Errors
/// `auth.wrong_password`, `auth.factor_needed`, what [`factors::verify`] says; `auth.on_behalf` for whoever acts as somebody
/// else.
pub async fn prove_again(
    auth: &Auth,
    ctx: &Ctx,
    proof: &Proof,
    site: Option<&Site>,
    client: &Client,
) -> Result<SignedIn> {
    let (session, owner) = own(ctx)?;
    let used = match proof {
        Proof::Password { password } => {
            require_password(auth, ctx, owner, password).await?;
            None
        }
        factor => {
            let request = Request::Session(session);
            Some(factors::verify(&auth.store, ctx, owner, factor, request, site).await?)
        }
    };
    let method = used.as_ref().map_or("pwd", |used| used.kind.method());
    let mut ctx = ctx.clone();
    // tokens are kept nowhere, for a repeat neither
    ctx.idempotency = None;
    let mut change = Change::begin(&auth.store, &ctx).await?;
    if let Some(used) = &used {
        factors::note(&mut change, owner, used).await?;
    }
    succeed(auth, change, session, owner, method, client).await
}

fn own(ctx: &Ctx) -> Result<(SessionId, Owner)> {
    ctx.require_session()?;
    if ctx.on_behalf_of.is_some() {
        return Err(Error::new(
            Kind::Forbidden,
            "auth.on_behalf",
            "You act as somebody else, whose proof you cannot give. Go back to being yourself first.",
        ));
    }
    match (ctx.credential, ctx.actor.user()) {
        (Credential::Session(session), Some(user)) => Ok((
            session,
            Owner {
                user,
                organization: ctx.organization,
            },
        )),
        _ => Err(super::unauthenticated()),
    }
}

async fn require_password(auth: &Auth, ctx: &Ctx, owner: Owner, password: &SecretString) -> Result<()> {
    if !factors::owed(&auth.store, owner).await?.kinds.is_empty() {
        return Err(Error::new(
            Kind::Forbidden,
            "auth.factor_needed",
            "You have a second factor: show that one.",
        ));
    }
    let hash = super::password::hash_of(auth, ctx, owner.user).await?;
    let turn = auth.store.passwords.turn().await?;
    if auth.store.passwords.verify(turn, password.clone(), hash).await? {
        return Ok(());
    }
    Err(super::password::wrong())
}

/// Opens the successor of `old` with all that is known of it, and lets `old` run out.
async fn succeed(
    auth: &Auth,
    mut change: Change,
    old: SessionId,
    owner: Owner,
    method: &str,
    client: &Client,
) -> Result<SignedIn> {
    let (session, at) = (SessionId::new(), change.at());
    let expires_at = copy(&mut change, old, session, owner, method, client).await?;
    let token = refresh::issue(
        change.tx(),
        owner.organization,
        session,
        client,
        at,
        auth.lives.refresh,
    )
    .await?;
    retire(&mut change, old, owner).await?;
    let subject = Subject {
        kind: "session".into(),
        id: session.0,
        version: 1,
    };
    let inbox = format!("inbox:{}", owner.user);
    let event = Event::new(
        "session.renewed",
        "me.prove",
        subject,
        inbox,
        "{actor} proved again who they are",
    )
    .data("user_id", json!(owner.user))
    .detail("user_id", json!(owner.user))
    .detail("method", method)
    .detail("session_before", json!(old))
    // the one before is taken off when it has run out
    .counts("sessions_active", 1);
    change.record(event).await?;
    change.commit().await?;
    let holder = Holder {
        credential: Credential::Session(session),
        generation: None,
        user: owner.user,
        organization: owner.organization,
        expires_at,
    };
    signed_in(auth, session, &holder, token, at).await
}

/// Every column goes over, those too that this code does not know; but for the id, from where, and what was just proved.
async fn copy(
    change: &mut Change,
    old: SessionId,
    session: SessionId,
    owner: Owner,
    method: &str,
    client: &Client,
) -> Result<OffsetDateTime> {
    let at = change.at();
    let row = sqlx::query_scalar!(
        "INSERT INTO user_sessions
         SELECT (jsonb_populate_record(s, jsonb_build_object('id', $4::uuid, 'version', 1, 'last_seen_at', $5::timestamptz,
           'authenticated_at', $5::timestamptz, 'ip', $6::inet, 'user_agent', $7::text,
           'methods', (SELECT jsonb_agg(DISTINCT m) FROM unnest(s.methods || $8::text) AS m)))).*
         FROM user_sessions s
         WHERE s.organization_id = $1 AND s.user_id = $2 AND s.id = $3 AND s.revoked_at IS NULL AND s.expires_at > $5
         RETURNING expires_at",
        owner.organization.0,
        owner.user.0,
        old.0,
        session.0,
        at,
        client.ip.map(IpNet::from) as Option<IpNet>,
        client.user_agent,
        method,
    )
    .fetch_optional(change.tx())
    .await?;
    row.ok_or_else(super::unauthenticated)
}

/// Lets the session before run out. Its person is looked at again, so that no node believes what it kept of its end.
async fn retire(change: &mut Change, old: SessionId, owner: Owner) -> Result<()> {
    let at = change.at();
    sqlx::query!(
        "UPDATE user_sessions SET expires_at = least(expires_at, $3), version = version + 1
         WHERE organization_id = $1 AND id = $2",
        owner.organization.0,
        old.0,
        at + HANDOVER,
    )
    .execute(change.tx())
    .await?;
    sqlx::query!(
        "DELETE FROM auth_tokens WHERE organization_id = $1 AND session_id = $2",
        owner.organization.0,
        old.0
    )
    .execute(change.tx())
    .await?;
    let access_version = sqlx::query_scalar!(
        "UPDATE users SET access_version = access_version + 1 WHERE organization_id = $1 AND id = $2 RETURNING access_version",
        owner.organization.0,
        owner.user.0,
    )
    .fetch_one(change.tx())
    .await?;
    change
        .revoke(Revocation {
            organization: owner.organization,
            kind: RevocationKind::Access,
            subject: owner.user.0,
            access_version: Some(access_version),
            reason: "proved_again".to_owned(),
        })
        .await
}
