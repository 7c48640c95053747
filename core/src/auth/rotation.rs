//! New keys for signing tokens, without signing anybody out.

use super::Auth;
use super::keys::{AHEAD, Algorithm, NewKey, PURPOSE};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::sessions::impersonation;
use serde::Serialize;
use time::{Duration, OffsetDateTime};

/// Keys that verify at once at most: each is looked at for every token.
const MOST: usize = 8;
/// Clocks of nodes may differ by so much.
const SKEW: Duration = Duration::minutes(1);

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SigningKeyState {
    /// It is known everywhere and will sign soon.
    Next,
    /// It signs new tokens.
    Signs,
    /// It verifies what it has signed.
    Verifies,
}

/// A key that signs or verifies tokens.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SigningKey {
    /// Its id in tokens and in the JWKS: its thumbprint (RFC 7638).
    pub kid: String,
    /// `EdDSA` or `ES256`.
    pub algorithm: String,
    /// What it does now.
    pub state: SigningKeyState,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// From when on it signs; null: since it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub active_from: Option<OffsetDateTime>,
    /// Until when it verifies; null: as long as it signs.
    #[serde(with = "time::serde::rfc3339::option")]
    pub verifies_until: Option<OffsetDateTime>,
}

/// The keys, newest first.
pub async fn signing_keys(store: &Store, ctx: &Ctx) -> Result<Vec<SigningKey>> {
    ctx.require("signing_keys:read")?;
    let (now, mut tx) = (store.clock.now(), store.db.primary(ctx.organization).await?);
    let rows = sqlx::query!(
        "SELECT kid, algorithm, created_at, active_from, verifies_until FROM signing_keys
         WHERE retired_at IS NULL AND (verifies_until IS NULL OR verifies_until > $1)
         ORDER BY coalesce(active_from, created_at) DESC, kid DESC",
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut signs = false;
    let keys = rows.into_iter().map(|row| {
        let state = match row.active_from {
            Some(from) if from > now => SigningKeyState::Next,
            _ if std::mem::replace(&mut signs, true) => SigningKeyState::Verifies,
            _ => SigningKeyState::Signs,
        };
        SigningKey {
            kid: row.kid,
            algorithm: row.algorithm,
            state,
            created_at: row.created_at,
            active_from: row.active_from,
            verifies_until: row.verifies_until,
        }
    });
    Ok(keys.collect())
}

impl Auth {
    /// Makes a key for tokens to come. All nodes know it before it signs, and the one before verifies until the last token that
    /// it may have signed has run out.
    ///
    /// # Errors
    /// `auth.step_up_needed`. `signing_key.rotating`: the last one does not sign yet. `signing_key.too_many`: as many verify as may at once.
    pub async fn rotate_keys(&self, ctx: &Ctx) -> Result<SigningKey> {
        ctx.require("signing_keys:rotate")?;
        ctx.require_recent_proof(self.store.clock.now())?;
        self.rotate_unasked(ctx).await
    }

    /// The same for whoever has the installation's secret and its database: they need no permission.
    pub async fn rotate_unasked(&self, ctx: &Ctx) -> Result<SigningKey> {
        let new = NewKey::generate(self.algorithm)?;
        let sealed = self.store.sealer.seal_bytes(PURPOSE, &new.der)?;
        let mut change = Change::begin(&self.store, ctx).await?;
        let at = change.at();
        require_turn(&mut change, at).await?;
        let active_from = at + AHEAD;
        let longest = self
            .lives
            .access
            .max(super::LIVE_TOKEN)
            .max(impersonation::LONGEST)
            + SKEW;
        sqlx::query!(
            "UPDATE signing_keys SET verifies_until = $1 WHERE retired_at IS NULL AND verifies_until IS NULL",
            active_from + longest,
        )
        .execute(change.tx())
        .await?;
        sqlx::query!(
            "INSERT INTO signing_keys (kid, algorithm, private_key, public_jwk, created_at, active_from)
             VALUES ($1, $2, $3, $4, $5, $6)",
            new.kid,
            self.algorithm.as_str(),
            sealed,
            serde_json::to_value(&new.jwk)?,
            at,
            active_from,
        )
        .execute(change.tx())
        .await?;
        change.record(rotated(ctx, &new.kid, self.algorithm)).await?;
        let made = SigningKey {
            kid: new.kid,
            algorithm: self.algorithm.as_str().to_owned(),
            state: SigningKeyState::Next,
            created_at: at,
            active_from: Some(active_from),
            verifies_until: None,
        };
        change.answer(201, &made).await?;
        change.commit().await?;
        Ok(made)
    }
}

/// One rotation after the other, whoever asks on whichever node.
async fn require_turn(change: &mut Change, at: OffsetDateTime) -> Result<()> {
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtext('signalbox signing key'))::text AS "locked""#
    )
    .fetch_one(change.tx())
    .await?;
    let rows = sqlx::query!(
        "SELECT active_from FROM signing_keys
         WHERE retired_at IS NULL AND (verifies_until IS NULL OR verifies_until > $1)",
        at,
    )
    .fetch_all(change.tx())
    .await?;
    let next = rows.iter().filter_map(|row| row.active_from).max();
    let (code, detail, wait) = match next {
        Some(from) if from > at => (
            "signing_key.rotating",
            "The last new key does not sign yet. Wait a minute, then rotate again if you still want to.",
            (from - at).whole_seconds(),
        ),
        _ if rows.len() >= MOST => (
            "signing_key.too_many",
            "As many keys still verify tokens as may at once. Wait until tokens of the oldest have run out.",
            60,
        ),
        _ => return Ok(()),
    };
    let mut error = Error::new(Kind::Conflict, code, detail);
    error.retry_after = u64::try_from(wait.max(1)).ok();
    Err(error)
}

/// Told in the audit log alone.
fn rotated(ctx: &Ctx, kid: &str, algorithm: Algorithm) -> Event {
    let subject = Subject {
        kind: "organization".into(),
        id: ctx.organization.0,
        version: 0,
    };
    let text = "{actor} had tokens signed with a new key";
    let mut event = Event::new("signing_key.rotated", "signing_keys.rotate", subject, "", text)
        .severity(Severity::Warn)
        .detail("kid", kid)
        .detail("algorithm", algorithm.as_str());
    event.channels.clear();
    event
}
