//! Signing in and out.

use super::sign_in::{self, Method, Outcome};
use super::token::{Claims, Holder, Use};
use super::{Auth, account};
use crate::change::Change;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, SessionId};
use crate::kernel::password::Turn;
use crate::sessions;
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
    /// Its tokens are cookies.
    pub by_cookie: bool,
    /// The refresh token that the browser has of the session before: whoever signs in again has no further use for it.
    pub replaces: Option<SecretString>,
}

impl Client {
    pub(crate) fn ctx(&self, organization: OrganizationId) -> Ctx {
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

/// What comes of knowing the password, or not. `turn` is the caller's place at the hasher, so that whoever calls can refuse
/// before and after the wait.
pub async fn login(
    auth: &Auth,
    turn: Turn,
    email: &str,
    password: SecretString,
    client: &Client,
) -> Result<Outcome> {
    let started = Instant::now();
    let found = account::by_email(auth, email).await?;
    let hash = found.as_ref().and_then(|account| account.password_hash.clone());
    let right = auth.store.passwords.verify(turn, password, hash).await?;
    match found {
        Some(account) if right => sign_in::admit(auth, &account, &[Method::Password], None, client).await,
        found => {
            if let Some(account) = found {
                account::record_failure(auth, &account, client).await?;
            }
            tokio::time::sleep_until(started + FAILED_AFTER).await;
            Err(wrong_credentials())
        }
    }
}

pub(super) fn wrong_credentials() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.wrong_credentials",
        "E-mail address or password is wrong. Check both and try again.",
    )
}

/// Ends the session that asks.
pub async fn logout(auth: &Auth, ctx: &Ctx) -> Result<()> {
    ctx.require_person()?;
    let (Credential::Session(session), Some(user)) = (&ctx.credential, ctx.actor.user()) else {
        return Ok(());
    };
    let mut change = Change::begin(&auth.store, ctx).await?;
    if sessions::end(&mut change, *session, user, "auth.logout", "Signed out.").await? {
        change.commit().await?;
    }
    Ok(())
}

/// The tokens of a session.
pub(super) async fn signed_in(
    auth: &Auth,
    session: SessionId,
    holder: &Holder,
    refresh_token: SecretString,
    now: OffsetDateTime,
) -> Result<SignedIn> {
    auth.keys.keep_fresh(&auth.store).await;
    auth.store.signals.came_in(holder.organization, holder.user);
    let claims = Claims::new(Use::Access, holder, now, auth.lives.access);
    Ok(SignedIn {
        access_token: auth.keys.sign(&claims, Use::Access, now)?,
        expires_in: claims.exp - claims.iat,
        refresh_token,
        refresh_expires_in: auth.lives.refresh.min(holder.expires_at - now).whole_seconds(),
        session,
    })
}
