//! Signing in and out.

use super::token::{Claims, Holder, Use};
use super::{Auth, refresh};
use crate::change::Change;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::password::Turn;
use crate::{ip_rules, sessions};
use ipnet::IpNet;
use secrecy::SecretString;
use std::net::IpAddr;
use time::OffsetDateTime;
use tokio::time::Instant;

/// No failed sign-in is answered sooner: what is written for a known account must not show in the time it takes.
const FAILED_AFTER: std::time::Duration = std::time::Duration::from_millis(250);

/// From where somebody signs in.
#[derive(Clone, Debug)]
pub struct Client {
    /// Address.
    pub ip: Option<IpAddr>,
    /// Program, at most 400 characters.
    pub user_agent: Option<String>,
    /// W3C trace id.
    pub trace_id: String,
}

impl Client {
    pub(super) fn ctx(&self, organization: OrganizationId) -> Ctx {
        let mut ctx = Ctx::system(organization, "auth");
        ctx.ip = self.ip;
        ctx.user_agent.clone_from(&self.user_agent);
        ctx.trace_id.clone_from(&self.trace_id);
        ctx
    }
}

/// What somebody who has signed in gets.
#[derive(Debug)]
pub struct SignedIn {
    /// JWT for `expires_in` seconds.
    pub access_token: String,
    /// Seconds.
    pub expires_in: i64,
    /// Opaque, used once.
    pub refresh_token: SecretString,
    /// Seconds.
    pub refresh_expires_in: i64,
    /// The session.
    pub session: SessionId,
}

struct Account {
    id: UserId,
    organization: OrganizationId,
    password_hash: Option<String>,
    status: String,
    version: i64,
}

/// Opens a session for whoever knows the password. `turn` is their place at the hasher, so that whoever calls can refuse
/// before and after the wait.
pub async fn login(
    auth: &Auth,
    turn: Turn,
    email: &str,
    password: SecretString,
    client: &Client,
) -> Result<SignedIn> {
    let started = Instant::now();
    let account = find(auth, email).await?;
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let right = auth.store.passwords.verify(turn, password, hash).await?;
    match account {
        Some(account) if right => {
            require_active(&account)?;
            require_address(auth, &account, client).await?;
            open(auth, &account, client).await
        }
        account => {
            if let Some(account) = account {
                record_failure(auth, &account, client).await?;
            }
            tokio::time::sleep_until(started + FAILED_AFTER).await;
            Err(Error::new(
                Kind::Unauthenticated,
                "auth.wrong_credentials",
                "E-mail address or password is wrong. Check both and try again.",
            ))
        }
    }
}

/// Ends the session that asks.
pub async fn logout(auth: &Auth, ctx: &Ctx) -> Result<()> {
    ctx.require_session()?;
    let (Credential::Session(session), Some(user)) = (&ctx.credential, ctx.actor.user()) else {
        return Ok(());
    };
    let mut change = Change::begin(&auth.store, ctx).await?;
    if sessions::end(&mut change, *session, user, "auth.logout", "Signed out.").await? {
        change.commit().await?;
    }
    Ok(())
}

async fn find(auth: &Auth, email: &str) -> Result<Option<Account>> {
    let mut tx = auth.store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT id, organization_id, password_hash, status, version FROM users WHERE email = $1 AND deleted_at IS NULL",
        email.trim().to_lowercase()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Account {
        id: UserId(row.id),
        organization: OrganizationId(row.organization_id),
        password_hash: row.password_hash,
        status: row.status,
        version: row.version,
    }))
}

/// Only whoever knows the password learns what state the account is in.
fn require_active(account: &Account) -> Result<()> {
    let (code, detail) = match account.status.as_str() {
        "active" => return Ok(()),
        "banned" => (
            "auth.banned",
            "This account is banned. Ask whoever runs this hub.",
        ),
        "suspended" => (
            "auth.suspended",
            "This account is suspended. Ask whoever runs this hub.",
        ),
        _ => (
            "auth.not_active",
            "This account is not active yet. Follow the invitation, or ask for a new one.",
        ),
    };
    Err(Error::new(Kind::Forbidden, code, detail))
}

/// Only whoever knows the password learns which addresses are let in; and that somebody knew it is noted.
async fn require_address(auth: &Auth, account: &Account, client: &Client) -> Result<()> {
    let (db, organization) = (&auth.store.db, account.organization);
    if ip_rules::admits(db, organization, account.id, client.ip).await? {
        return Ok(());
    }
    record_failure(auth, account, client).await?;
    Err(ip_rules::refused(client.ip))
}

async fn open(auth: &Auth, account: &Account, client: &Client) -> Result<SignedIn> {
    let session = SessionId::new();
    let mut ctx = client.ctx(account.organization);
    ctx.actor = Actor::User(account.id);
    ctx.credential = Credential::Session(session);
    let mut change = Change::begin(&auth.store, &ctx).await?;
    let at = change.at();
    let expires_at = at + sessions::ABSOLUTE;
    still_active(&mut change, account, at).await?;
    sqlx::query!(
        "INSERT INTO user_sessions (id, organization_id, user_id, ip, user_agent, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        session.0,
        account.organization.0,
        account.id.0,
        client.ip.map(IpNet::from) as Option<IpNet>,
        client.user_agent,
        at,
        expires_at,
    )
    .execute(change.tx())
    .await?;
    let token = refresh::issue(change.tx(), account.organization, session, at, auth.lives.refresh).await?;
    change.record(sessions::created(session, account.id)).await?;
    change.commit().await?;
    let holder = Holder {
        credential: Credential::Session(session),
        generation: None,
        user: account.id,
        organization: account.organization,
        expires_at,
    };
    signed_in(auth, session, &holder, token, at)
}

/// Notes the sign-in on the person's row, if they may still come in: a ban that committed meanwhile wins.
async fn still_active(change: &mut Change, account: &Account, at: OffsetDateTime) -> Result<()> {
    let noted = sqlx::query!(
        "UPDATE users SET last_login_at = $3
         WHERE organization_id = $1 AND id = $2 AND status = 'active' AND deleted_at IS NULL",
        account.organization.0,
        account.id.0,
        at,
    )
    .execute(change.tx())
    .await?;
    if noted.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.not_active",
        "This account has just been closed. Ask whoever runs this hub.",
    ))
}

/// The tokens of a session.
pub(super) fn signed_in(
    auth: &Auth,
    session: SessionId,
    holder: &Holder,
    refresh_token: SecretString,
    now: OffsetDateTime,
) -> Result<SignedIn> {
    let claims = Claims::new(Use::Access, holder, now, auth.lives.access);
    Ok(SignedIn {
        access_token: auth.keys.sign(&claims, Use::Access)?,
        expires_in: claims.exp - claims.iat,
        refresh_token,
        refresh_expires_in: auth.lives.refresh.min(holder.expires_at - now).whole_seconds(),
        session,
    })
}

async fn record_failure(auth: &Auth, account: &Account, client: &Client) -> Result<()> {
    let ctx = client.ctx(account.organization);
    let mut change = Change::begin(&auth.store, &ctx).await?;
    let subject = Subject {
        kind: "user".into(),
        id: account.id.0,
        version: account.version,
    };
    let event = Event::new(
        "auth.login_failed",
        "auth.login_failed",
        subject,
        format!("inbox:{}", account.id),
        "Somebody failed to sign in as {subject}",
    )
    .severity(Severity::Warn);
    change.record(event).await?;
    change.commit().await
}
