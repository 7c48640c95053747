//! One-time tickets: what a program shows in an address, where its platform lets it set no header (`WebSocket` and
//! `EventSource` in a browser that keeps no cookie of the hub).
//!
//! Invariant: a ticket is good once, for [`LIFE`], for the session that asked and the purpose it asked for.
//! Invariant: only its hash is kept.

use super::Auth;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::seal::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::Duration;

/// How long a ticket is good.
pub const LIFE: Duration = Duration::seconds(30);
/// Tickets of one session that are good at once at most.
const MOST: i64 = 100;
/// How a ticket begins, by which it is told from a token.
const PREFIX: &str = "sbt_";

/// What a ticket opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A WebSocket: `/connection/websocket` and `/connection/uni_websocket`.
    Socket,
    /// An event stream: `/api/v1/stream`, `/connection/sse`, `/connection/uni_sse`, `/connection/http_stream` and
    /// `/connection/uni_http_stream`.
    Stream,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Stream => "stream",
        }
    }
}

impl Auth {
    /// Makes a ticket for the session that asks.
    ///
    /// # Errors
    /// `auth.too_many_tickets`: as many as may be are good and not used.
    pub async fn ticket(&self, ctx: &Ctx, purpose: Purpose) -> Result<SecretString> {
        ctx.require_session()?;
        let (Credential::Session(session), Some(user)) = (ctx.credential, ctx.actor.user()) else {
            return Err(Error::internal("a session belongs to nobody"));
        };
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        let ticket = SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)));
        let now = self.store.clock.now();
        let mut tx = self.store.db.bookkeeping().await?;
        let made = sqlx::query!(
            "INSERT INTO auth_tickets (hash, organization_id, session_id, user_id, purpose, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT count(*) FROM auth_tickets WHERE session_id = $3 AND expires_at > $6) < $8",
            hash(ticket.expose_secret()),
            ctx.organization.0,
            session.0,
            user.0,
            purpose.as_str(),
            now,
            now + LIFE,
            MOST,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if made.rows_affected() == 1 {
            return Ok(ticket);
        }
        let detail = "This session has many tickets that it has not used. Use them, or wait half a minute.";
        let mut error = Error::new(Kind::TooMany, "auth.too_many_tickets", detail);
        error.retry_after = Some(30);
        Err(error)
    }

    /// Takes a ticket: the session it stands for, which is still to be asked whether it is good. `None`: it is none, was used,
    /// has run out, or is for something else; which of these is nobody's business.
    pub async fn redeem(&self, ticket: &str, purpose: Purpose) -> Result<Option<(SessionId, UserId)>> {
        if !ticket.starts_with(PREFIX) || ticket.len() > 64 {
            return Ok(None);
        }
        let mut tx = self.store.db.bookkeeping().await?;
        let row = sqlx::query!(
            "DELETE FROM auth_tickets WHERE hash = $1 RETURNING session_id, user_id, purpose, expires_at",
            hash(ticket),
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let now = self.store.clock.now();
        Ok(row
            .filter(|row| row.purpose == purpose.as_str() && row.expires_at > now)
            .map(|row| (SessionId(row.session_id), UserId(row.user_id))))
    }
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket.as_bytes()).to_vec()
}
