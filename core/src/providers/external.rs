//! Tokens of external issuers, taken as they are: for hosted identity such as Stack Auth.
//!
//! A token is checked once and then known by its hash until it ends; whether its person may come in is asked of their standing
//! each time, as it is of sessions and keys.

use super::admit;
use super::claims::{Claims, Told};
use super::directory::Directory;
use super::id_token;
use super::jwt::{self, Wrong};
use super::model::Provider;
use super::store::{self, Which};
use crate::auth::{Client, unauthenticated};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{LinkedAccountId, UserId};
use crate::sessions::standing::Evidence;
use sha2::{Digest, Sha256};

/// Issuers of one name that are tried at most: each organization may have its own.
const MOST_TRIED: i64 = 8;

/// A token that was found good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whose account at the issuer it is of.
    pub account: LinkedAccountId,
    /// Whom that goes with here.
    pub user: UserId,
    /// Its end, seconds since 1970.
    pub expires_at: i64,
    /// When it was issued, seconds since 1970, if it says so.
    pub issued_at: Option<i64>,
    /// Whether it says that two factors were shown, and its issuer is believed.
    pub two_factors: bool,
}

impl Verified {
    /// What it shows of itself, for its person's standing.
    pub fn evidence(&self) -> Evidence {
        Evidence::Issued {
            at: self.issued_at,
            two_factors: self.two_factors,
        }
    }
}

impl Directory {
    /// Whom a token of an external issuer is of; `None` where it says of no issuer that is set up here that it is by that.
    ///
    /// # Errors
    /// `auth.token_expired`, `auth.unauthenticated`; that nobody goes with it, as at a sign-in; that its keys cannot be had.
    pub async fn external(&self, token: &str, client: &Client) -> Result<Option<Verified>> {
        let now = self.store.clock.now().unix_timestamp();
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(verified) = self.checked(&hash) {
            return if now < verified.expires_at {
                Ok(Some(verified))
            } else {
                Err(expired())
            };
        }
        let Some(issuer) = jwt::claimed_issuer(token) else {
            return Ok(None);
        };
        let heard = self.heard();
        let providers = self.issuers(&issuer).await?;
        let mut worst = None;
        for provider in &providers {
            match self.claims(provider, token, now).await {
                Ok(claims) => {
                    let verified = self.admit(provider, &claims, client).await?;
                    self.keep(hash, &verified, heard);
                    return Ok(Some(verified));
                }
                Err(wrong) => worst = worst.or(Some(told(provider, wrong))),
            }
        }
        worst.map_or(Ok(None), Err)
    }

    async fn issuers(&self, issuer: &str) -> Result<Vec<Provider>> {
        let mut tx = self.store.db.snapshot().await?;
        let which = Which {
            issuer: Some(issuer),
            most: MOST_TRIED,
            ..Which::default()
        };
        store::select(&mut tx, which).await
    }

    async fn claims(&self, provider: &Provider, token: &str, now: i64) -> Result<Claims, Wrong> {
        let keys = self.keys(provider.jwks_url.as_deref().unwrap_or_default());
        let signed = jwt::read(token, &keys, &provider.algorithms, &["jwt", "at+jwt"]).await?;
        jwt::require_in_time(&signed.claims, &provider.issuer, now)?;
        let audience = provider.audience.as_deref().unwrap_or_default();
        if !jwt::audience(&signed.claims).contains(&audience) {
            return Err(Wrong::Invalid("its audience is another"));
        }
        Ok(signed.claims)
    }

    async fn admit(&self, provider: &Provider, claims: &Claims, client: &Client) -> Result<Verified> {
        let told = Told::read(provider, claims).ok_or_else(unauthenticated)?;
        let link = admit::person(&self.store, provider, &told, client).await?;
        Ok(Verified {
            account: link.id,
            user: link.user,
            expires_at: jwt::seconds(claims, "exp").unwrap_or_default() as i64,
            issued_at: jwt::seconds(claims, "iat").map(|at| at as i64),
            two_factors: provider.second_factor && id_token::tells_two_factors(claims),
        })
    }
}

fn told(provider: &Provider, wrong: Wrong) -> Error {
    match wrong {
        Wrong::Unavailable => super::directory::unreachable_now(),
        Wrong::Expired => expired(),
        Wrong::Invalid(why) => {
            tracing::debug!(provider = %provider.id, why, "a token of an external issuer is refused");
            unauthenticated()
        }
    }
}

fn expired() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.token_expired",
        "The token has expired. Get another from whoever issued it.",
    )
}
