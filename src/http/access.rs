//! Who may get in, as the transport asks it.
//!
//! Invariant: an empty cache knows nothing and allows nothing. A request is let in because its session is known good, and
//! permissions are never read from the token.

use futures::future::BoxFuture;
use signalbox_actors::permission_cache::{PermissionCache, Question};
use signalbox_actors::session_keeper::{Denied, SessionKeeper};
use signalbox_core::Store;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::kernel::id::{SessionId, UserId};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::sessions::{self, standing, standing::Standing};
use std::sync::Arc;

/// A good session and what its person may do now.
#[derive(Clone, Debug)]
pub struct Known {
    /// The session.
    pub standing: Arc<Standing>,
    /// What the person may do.
    pub permissions: PermissionSet,
}

/// Answers for sessions.
pub trait Access: Send + Sync {
    /// How `session` of `user` stands now; `auth.session_ended` or `auth.session_expired` when it is not good any more.
    fn known(&self, session: SessionId, user: UserId) -> BoxFuture<'_, Result<Known>>;
}

/// Asks PostgreSQL every time.
#[derive(Debug)]
pub struct FromPrimary {
    /// Where to ask.
    pub store: Store,
    /// How long a session may go unused.
    pub idle: time::Duration,
}

impl Access for FromPrimary {
    fn known(&self, session: SessionId, user: UserId) -> BoxFuture<'_, Result<Known>> {
        Box::pin(async move {
            let db = &self.store.db;
            let standing = standing::read(db, session, user)
                .await?
                .map_err(|why| sessions::ended(&why))?;
            let now = self.store.clock.now();
            standing
                .check_time(now, self.idle)
                .map_err(|why| sessions::ended(&why))?;
            let rights = standing::read_rights(db, standing.organization, user).await?;
            Ok(Known {
                standing: Arc::new(standing),
                permissions: rights.permissions,
            })
        })
    }
}

/// Asks the actors of this node, who remember what they have checked and hear of every revocation.
#[derive(Debug)]
pub struct FromMemory {
    /// Which sessions are good.
    pub sessions: SessionKeeper,
    /// What their people may do.
    pub permissions: PermissionCache,
}

impl Access for FromMemory {
    fn known(&self, session: SessionId, user: UserId) -> BoxFuture<'_, Result<Known>> {
        Box::pin(async move {
            let standing =
                self.sessions
                    .authenticate(session, user)
                    .await
                    .map_err(|denied| match denied {
                        Denied::Refused(why) => sessions::ended(&why),
                        Denied::Unavailable => Error::unavailable("database", denied),
                    })?;
            let question = Question {
                organization: standing.organization,
                user,
                at_least: standing.version,
            };
            let rights = self.permissions.rights(question).await;
            let rights = rights.map_err(|unavailable| Error::unavailable("database", unavailable))?;
            Ok(Known {
                standing: Arc::new(standing),
                permissions: rights.permissions.clone(),
            })
        })
    }
}
