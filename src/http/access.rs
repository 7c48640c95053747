//! Who may get in, as the transport asks it.
//!
//! Invariant: an empty cache knows nothing and allows nothing. A request is let in because its session or API key is known
//! good and its address is let in, and permissions are never read from the token.

use futures::future::BoxFuture;
use signalbox_actors::permission_cache::{PermissionCache, Question};
use signalbox_actors::session_keeper::{Denied, SessionKeeper};
use signalbox_core::api_keys::{self, secret::Hash};
use signalbox_core::auth::Claims;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::providers::Verified;
use signalbox_core::sessions::{
    self,
    standing::{self, Evidence, Refused, Standing},
};
use signalbox_core::{Store, ip_rules, providers};
use std::net::IpAddr;
use std::sync::Arc;

/// A good session or API key, and what may be done through it now.
#[derive(Clone, Debug)]
pub struct Known {
    /// The session or key.
    pub standing: Arc<Standing>,
    /// By what it was shown.
    pub evidence: Evidence,
    /// What may be done.
    pub permissions: PermissionSet,
}

/// What somebody shows.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// A token of ours, whose claims are these, or one of an external issuer that was found good.
    Token {
        /// Of which session or key.
        credential: Credential,
        /// Whose.
        user: UserId,
        /// By what it was shown.
        evidence: Evidence,
    },
    /// The secret of an API key, by its hash.
    Key(Hash),
}

impl From<&Verified> for Shown {
    fn from(verified: &Verified) -> Self {
        Self::Token {
            credential: Credential::External(verified.account),
            user: verified.user,
            evidence: verified.evidence(),
        }
    }
}

impl From<&Claims> for Shown {
    fn from(claims: &Claims) -> Self {
        Self::Token {
            credential: claims.credential(),
            user: claims.user(),
            evidence: Evidence::of_claims(claims.key),
        }
    }
}

/// Answers for sessions and API keys.
pub trait Access: Send + Sync {
    /// How what is shown stands now, by somebody who comes from `from`.
    ///
    /// # Errors
    /// `auth.session_ended`, `auth.session_expired`, `auth.address_refused`, or what [`api_keys::refused`] says of a key.
    fn known(&self, shown: Shown, from: Option<IpAddr>) -> BoxFuture<'_, Result<Known>>;
}

/// What somebody is told who is not let in.
pub fn refusal(why: &Refused, is_key: bool, from: Option<IpAddr>) -> Error {
    match (why, is_key) {
        (Refused::Address, _) => ip_rules::refused(from),
        (_, true) => api_keys::refused(why),
        (_, false) => sessions::ended(why),
    }
}

impl Shown {
    fn is_key(&self) -> bool {
        match self {
            Self::Token { credential, .. } => matches!(credential, Credential::ApiKey(_)),
            Self::Key(_) => true,
        }
    }
}

/// Asks PostgreSQL every time.
#[derive(Debug)]
pub struct FromPrimary {
    /// Where to ask.
    pub store: Store,
    /// How long a session may go unused.
    pub idle: time::Duration,
}

impl FromPrimary {
    async fn standing(&self, credential: Credential) -> Result<Result<Standing, Refused>> {
        match credential {
            Credential::Session(session) => standing::find(&self.store.db, session).await,
            Credential::ApiKey(key) => api_keys::find(&self.store.db, key).await,
            Credential::External(account) => providers::standing(&self.store.db, account).await,
            Credential::Internal => Ok(Err(Refused::Unknown)),
        }
    }

    /// How what is shown stands, wherever it comes from.
    async fn shown(&self, shown: Shown) -> Result<Result<(Standing, Evidence), Refused>> {
        let now = self.store.clock.now();
        let (credential, hash) = match shown {
            Shown::Token { credential, .. } => (credential, None),
            Shown::Key(hash) => match api_keys::find_by_hash(&self.store.db, &hash).await? {
                Some(key) => (Credential::ApiKey(key), Some(hash)),
                None => return Ok(Err(Refused::Unknown)),
            },
        };
        let standing = match self.standing(credential).await? {
            Ok(standing) => standing,
            Err(refused) => return Ok(Err(refused)),
        };
        let evidence = match shown {
            Shown::Token { user, .. } if user != standing.user => return Ok(Err(Refused::Unknown)),
            Shown::Token { evidence, .. } => evidence,
            Shown::Key(_) => {
                let terms = standing.key.as_ref().zip(hash);
                Evidence::of_claims(terms.and_then(|(terms, hash)| terms.generation_of(&hash, now)))
            }
        };
        let checked = standing
            .check_evidence(evidence, now)
            .and_then(|()| standing.check_time(now, self.idle));
        Ok(checked.map(|()| (standing, evidence)))
    }
}

impl Access for FromPrimary {
    fn known(&self, shown: Shown, from: Option<IpAddr>) -> BoxFuture<'_, Result<Known>> {
        Box::pin(async move {
            let db = &self.store.db;
            let refused = |why: &Refused| refusal(why, shown.is_key(), from);
            let (standing, evidence) = self.shown(shown).await?.map_err(|why| refused(&why))?;
            standing.check_address(from).map_err(|why| refused(&why))?;
            let rules = ip_rules::read(db, standing.organization).await?;
            if !rules.admit(&standing.roles, from) {
                return Err(ip_rules::refused(from));
            }
            let rights = standing::read_rights(db, standing.organization, standing.user).await?;
            Ok(Known {
                permissions: standing.permissions(&rights),
                evidence,
                standing: Arc::new(standing),
            })
        })
    }
}

/// Asks the actors of this node, who remember what they have checked and hear of every revocation.
#[derive(Debug)]
pub struct FromMemory {
    /// Which sessions and keys are good.
    pub sessions: SessionKeeper,
    /// What their people may do.
    pub permissions: PermissionCache,
    /// Tells the time.
    pub clock: signalbox_core::kernel::clock::Clock,
}

impl FromMemory {
    async fn shown(&self, shown: Shown, from: Option<IpAddr>) -> Result<(Standing, Evidence), Denied> {
        match shown {
            Shown::Key(hash) => {
                let (standing, generation) = self.sessions.key(&hash, from).await?;
                Ok((standing, Evidence::Secret(generation)))
            }
            Shown::Token {
                credential,
                user,
                evidence,
            } => {
                let standing = self.sessions.authenticate(credential, user).await?;
                standing.check_evidence(evidence, self.clock.now())?;
                self.sessions.allowed(&standing, from).await?;
                Ok((standing, evidence))
            }
        }
    }
}

impl Access for FromMemory {
    fn known(&self, shown: Shown, from: Option<IpAddr>) -> BoxFuture<'_, Result<Known>> {
        Box::pin(async move {
            let (standing, evidence) = self.shown(shown, from).await.map_err(|denied| match denied {
                Denied::Refused(why) => refusal(&why, shown.is_key(), from),
                Denied::Unavailable => Error::unavailable("database", denied),
            })?;
            let question = Question {
                organization: standing.organization,
                user: standing.user,
                at_least: standing.version,
            };
            let rights = self.permissions.rights(question).await;
            let rights = rights.map_err(|unavailable| Error::unavailable("database", unavailable))?;
            Ok(Known {
                permissions: standing.permissions(&rights),
                evidence,
                standing: Arc::new(standing),
            })
        })
    }
}
