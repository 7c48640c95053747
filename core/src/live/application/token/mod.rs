//! Tokens (JWT) that the operator's application gives its users: for a connection, and for one channel.
//!
//! Invariant: a token is believed by a key of its algorithm's own family, never one the token brings along; `none` is no
//! algorithm. A token of one kind is not taken for the other.
//! Invariant: nothing of a token is logged but why it was refused.

mod claims;
pub(crate) mod jwks;
mod keys;
#[cfg(test)]
mod tests;

pub use super::subscription::{Overrides, ServerSubscription};
pub use claims::{ConnectionClaims, SubscriptionClaims};
pub(super) use keys::hmac_is;
pub use keys::{Keys, Sources};

use std::sync::Arc;

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was good once, or is not yet; another one will do (error 109).
    #[error("the token has expired or is not yet valid")]
    Expired,
    /// It never was.
    #[error("the token is not valid")]
    Invalid,
    /// It cannot be told: the key set cannot be fetched. Try again.
    #[error("the key set cannot be fetched")]
    Unavailable,
}

/// Checks both kinds of token.
#[derive(Debug)]
pub struct Tokens {
    connection: Arc<Keys>,
    subscription: Arc<Keys>,
}

impl Tokens {
    /// With keys of their own for subscription tokens, or `None`: with the same.
    pub fn new(connection: Keys, subscription: Option<Keys>) -> Self {
        let connection = Arc::new(connection);
        Self {
            subscription: subscription.map_or_else(|| Arc::clone(&connection), Arc::new),
            connection,
        }
    }

    /// What a connection token says, if it is good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn connection(&self, token: &str, now: i64) -> Result<ConnectionClaims, Refused> {
        let claims = self.connection.verify::<claims::Connection>(token).await?;
        told(claims.read(now))
    }

    /// What a subscription token says, if it is good at `now` (seconds since 1970). Whether it is for this user, client and
    /// channel is the caller's to see.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn subscription(&self, token: &str, now: i64) -> Result<SubscriptionClaims, Refused> {
        let claims = self.subscription.verify::<claims::Subscription>(token).await?;
        told(claims.read(now))
    }
}

/// Why not, for whoever looks for it in the log: whoever sent the token is told no more than that it is not good.
fn told<T>(read: Result<T, (Refused, &'static str)>) -> Result<T, Refused> {
    read.map_err(|(refused, reason)| {
        tracing::debug!(reason, "a token of the application is refused");
        refused
    })
}
