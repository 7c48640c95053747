//! Signing in, staying signed in, and signing out.
//!
//! Tables: `auth_tokens`, `auth_tickets`, `signing_keys`, `sign_in_tickets`, and of `user_sessions` and `users` what a sign-in
//! changes.
//! Acts: `auth.login`, `auth.login_failed`, `auth.proof_failed`, `auth.logout`, `auth.refresh_reused`, `auth.factor`, `auth.factor_demanded`,
//! `me.prove`, `me.change_password`, `signing_keys.rotate`.
//!
//! Invariant: a failed sign-in says the same, after the same time, whether or not there is such an account.
//! Invariant: tokens are kept as hashes, keys sealed; a token proves a session, never a permission.

mod account;
mod bootstrap;
mod forget;
mod keys;
mod login;
mod oneself;
mod opening;
mod owing;
mod password;
pub mod prove;
mod refresh;
mod rotation;
pub mod sign_in;
mod tickets;
mod token;
mod verified;

pub use bootstrap::{Bootstrapped, bootstrap, create_owner, organization};
pub use forget::forget_tokens;
pub use keys::{AHEAD, Algorithm, Keys};
pub use login::{Client, SignedIn, login, logout};
pub use oneself::{Myself, Oneself, OrganizationName, oneself};
pub use password::change_password;
pub use refresh::refresh;
pub use rotation::{SigningKey, SigningKeyState, signing_keys};
pub use tickets::{LIFE as TICKET_LIFE, Purpose};
pub use token::{Act, Claims, Holder, Use};

use crate::Store;
use crate::kernel::ctx::Credential;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::seal::Sealer;
use crate::sessions::standing::Standing;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

/// Lives of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// Of an access token.
    pub access: Duration,
    /// Of a refresh token, from its last use.
    pub refresh: Duration,
}

/// Issues and checks tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth {
    store: Store,
    keys: Arc<Keys>,
    lives: Lives,
    verified: Arc<verified::Verified>,
    algorithm: Algorithm,
}

impl Auth {
    /// With the installation's signing keys, made at the first start.
    pub async fn start(store: &Store, lives: Lives) -> Result<Self> {
        Self::start_with(store, lives, Algorithm::default()).await
    }

    /// The same; keys that are made from then on, the first one too, are for `algorithm`.
    pub async fn start_with(store: &Store, lives: Lives, algorithm: Algorithm) -> Result<Self> {
        Ok(Self {
            keys: Arc::new(Keys::load(store, algorithm).await?),
            store: store.clone(),
            lives,
            verified: Arc::default(),
            algorithm,
        })
    }

    /// The public keys by which others may check our tokens, as a JWKS (RFC 7517 §5).
    pub async fn public_keys(&self) -> Result<serde_json::Value> {
        self.keys.keep_fresh(&self.store).await;
        Ok(serde_json::to_value(self.keys.public(self.store.clock.now()))?)
    }

    /// The claims of a good access token; `auth.unauthenticated` otherwise.
    pub async fn verify(&self, token: &str) -> Result<Claims> {
        self.verified(token, &[Use::Access, Use::Acting]).await
    }

    /// The claims of a token that may open a live connection: an access token, or one made for that.
    pub async fn verify_live(&self, token: &str) -> Result<Claims> {
        self.verified(token, &[Use::Access, Use::Live, Use::Acting, Use::ActingLive])
            .await
    }

    /// A token that opens live connections of a session or API key and nothing else, and its life in seconds. It
    /// stands in a page's memory, so it is short-lived. `generation` is that of the key's secret that was shown.
    pub fn live_token(&self, standing: &Standing, generation: Option<i32>) -> Result<(String, i64)> {
        if matches!(standing.credential, Credential::External(_)) {
            return Err(Error::new(
                Kind::Forbidden,
                "auth.session_required",
                "A token of another issuer opens a live connection itself, for as long as it is good.",
            ));
        }
        let (life, now) = (LIVE_TOKEN.min(self.lives.access), self.store.clock.now());
        let acting = standing.impersonation.as_ref();
        let r#use = acting.map_or(Use::Live, |_| Use::ActingLive);
        let mut claims = Claims::new(r#use, &Holder::of(standing, generation, now), now, life);
        claims.act = acting.map(|terms| Act { sub: terms.by.0 });
        Ok((self.keys.sign(&claims, r#use, now)?, claims.exp - claims.iat))
    }

    /// A token of `session`, in which `by` acts as `user`, good from the first to the second of `life`.
    pub fn acting_token(
        &self,
        session: SessionId,
        user: UserId,
        organization: OrganizationId,
        by: UserId,
        life: (OffsetDateTime, OffsetDateTime),
    ) -> Result<(String, i64)> {
        let holder = Holder {
            credential: Credential::Session(session),
            generation: None,
            user,
            organization,
            expires_at: life.1,
        };
        let mut claims = Claims::new(Use::Acting, &holder, life.0, life.1 - life.0);
        claims.act = Some(Act { sub: by.0 });
        Ok((
            self.keys.sign(&claims, Use::Acting, life.0)?,
            claims.exp - claims.iat,
        ))
    }

    /// What it works on.
    pub fn store(&self) -> &Store {
        &self.store
    }

    async fn verified(&self, token: &str, uses: &[Use]) -> Result<Claims> {
        self.keys.keep_fresh(&self.store).await;
        let now = self.store.clock.now();
        let seconds = now.unix_timestamp();
        if let Some(claims) = self
            .verified
            .get(token, uses, seconds, |kid| self.keys.knows(kid, now))
        {
            return Ok(claims);
        }
        let claims = match self.keys.verify(token, uses, now) {
            Err(token::Refused::UnknownKey) if self.keys.renew(&self.store).await? => {
                self.keys.verify(token, uses, now)
            }
            other => other,
        }?;
        self.verified.keep(token, &claims, seconds);
        Ok(claims)
    }
}

const LIVE_TOKEN: Duration = Duration::minutes(10);

/// Nobody is signed in.
pub fn unauthenticated() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.unauthenticated",
        "Sign in first: send the access token of POST /api/v1/auth/login as Authorization: Bearer.",
    )
}

/// What a page of the console repeats to prove that it is one.
pub fn csrf_token(sealer: &Sealer, session: SessionId) -> String {
    hex::encode(sealer.mac("csrf", session.0.as_bytes()))
}

/// Whether `sent` is the session's CSRF token, in constant time.
pub fn csrf_matches(sealer: &Sealer, session: SessionId, sent: &[u8]) -> bool {
    csrf_token(sealer, session).as_bytes().ct_eq(sent).into()
}

#[cfg(test)]
mod confusion_tests;
#[cfg(test)]
mod tests;
