//! SessionKeeper: the live sessions and API keys of this node, and what hangs on them.
//!
//! A request is let in because its session or key is *known good*: session or key, person and access version were read from the
//! primary and have been kept true by revocations since. An empty cache knows nothing and allows nothing.
//!
//! Three ways lead a revocation here, each sufficient alone: this node's own commits (in the committing task), the
//! control channel, and reading the table every 100 ms. Only the last needs the actor; the other two act on the
//! ledger directly, so a frozen actor delays nothing. What the actor cannot do in time closes the fast path: knowledge
//! is trusted for [`Options::trust`] after the last complete read of `revocations`, then each request asks the primary.
//!
//! An open connection is no use of its session: who only listens is signed out when the session has rested for as long as it
//! may, and everybody at its absolute end. Another node may know of a later use, so the primary is asked before.
//!
//! Addresses are asked of it too: a key's own list and the organization's IP rules are kept and kept true in the same way.
//!
//! Invariant: a session or key revoked before this node heard of it is never served from memory after it heard.
//! Invariant: a connection is attached only to a session or key that is good at that moment, under the same lock that a
//! revocation takes; so none slips in between.
//! Invariant: memory is bounded by [`Options::sessions`] plus the open connections.

mod connection;
mod keeper;
mod ledger;
mod loading;
mod rules;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use signalbox_core::Store;
use signalbox_core::api_keys::secret::Hash;
use signalbox_core::bus::control::Control;
use signalbox_core::bus::questions::SocketRow;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::page::micros;
use signalbox_core::sessions::standing::{Refused, Standing};

use crate::backplane::ControlListener;
use crate::supervision::{Handle, Spec, StartError, Tree};
pub use connection::{ACCESS_ENDED, Attachment, Connection, SIGNED_OUT};
use keeper::{Flush, Keeper};
use ledger::Ledger;

/// Limits of the keeper.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sessions and keys kept in memory beside those with open connections.
    pub sessions: usize,
    /// A session unused for this long ends.
    pub idle: time::Duration,
    /// A kept session is read again after this long, whatever was heard.
    pub refresh: Duration,
    /// How often `revocations` is read.
    pub poll: Duration,
    /// How long what is kept is believed after the last complete read.
    pub trust: Duration,
    /// How long reading a session may take before the caller is told to try again.
    pub load_within: Duration,
    /// Last-seen times are written this often at most per session.
    pub write_behind: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions: 50_000,
            idle: time::Duration::days(7),
            refresh: Duration::from_mins(1),
            poll: Duration::from_millis(100),
            trust: Duration::from_secs(2),
            load_within: Duration::from_secs(5),
            write_behind: Duration::from_secs(30),
        }
    }
}

/// A session or key that is good now. Its `version` is at least as new as anything heard: what
/// [`crate::permission_cache`] must not be behind.
pub type Known = Standing;

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The session or key is not good: sign in again.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be told at the moment: try again.
    #[error("credentials cannot be checked at the moment; try again in a few seconds")]
    Unavailable,
}

/// Asks for sessions, and hangs connections on them. Cheap to clone.
#[derive(Clone)]
pub struct SessionKeeper {
    ledger: Arc<Ledger>,
    handle: Handle<Keeper>,
}

impl std::fmt::Debug for SessionKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeeper")
    }
}

impl SessionKeeper {
    /// Adds the keeper to the tree and has it hear this node's own commits.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, store: &Store, options: Options) -> Result<Self, StartError> {
        let ledger = Arc::new(Ledger::of(store.clone(), options));
        let kept = Arc::clone(&ledger);
        let handle = tree.child(Spec::named("session_keeper").order(30), move || {
            Keeper::new(Arc::clone(&kept))
        })?;
        let heard = Arc::clone(&ledger);
        store.signals.on_revoked(move |revocation| heard.hear(revocation));
        Ok(Self { ledger, handle })
    }

    /// The session or key, if it is good and `user`'s. A look into memory; a read of the primary when that is not enough.
    /// Where it comes from is another question: [`Self::allowed`].
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        credential: impl Into<Credential>,
        user: UserId,
    ) -> Result<Known, Denied> {
        let known = self.known(credential).await?;
        if known.user == user {
            Ok(known)
        } else {
            Err(Refused::Unknown.into())
        }
    }

    /// The same for somebody who looks and does not use it: what listens is judged again, and does not keep its session alive.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn look(&self, credential: Credential, user: UserId) -> Result<Known, Denied> {
        let known = self.ledger.look(credential).await?;
        if known.user == user {
            Ok(known)
        } else {
            Err(Refused::Unknown.into())
        }
    }

    /// How many connections hang on each session of `organizations` on this node, on 5,000 sessions at most.
    pub fn sockets(&self, organizations: &[OrganizationId]) -> Vec<SocketRow> {
        self.ledger.sockets(organizations)
    }

    /// The session or key, if it is good, whosever it is.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn known(&self, credential: impl Into<Credential>) -> Result<Known, Denied> {
        self.ledger.known(credential.into()).await
    }

    /// The API key whose secret has this hash, if both are good and it may be used from `from`; and which of its secrets
    /// that is.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn key(&self, hash: &Hash, from: Option<IpAddr>) -> Result<(Known, i32), Denied> {
        self.ledger.key(hash, from).await
    }

    /// Whether somebody known may come in from `from`.
    ///
    /// # Errors
    /// [`Refused::Address`], or that it cannot be told.
    pub async fn allowed(&self, known: &Known, from: Option<IpAddr>) -> Result<(), Denied> {
        self.ledger.allowed(known, from).await
    }

    /// Hangs `connection` on a good session or key: when that ends, the connection is closed. The end of the
    /// [`Attachment`] takes it off again.
    ///
    /// # Errors
    /// [`Denied`]; the connection was not attached and not closed.
    pub async fn attach(
        &self,
        credential: impl Into<Credential>,
        connection: Arc<dyn Connection>,
    ) -> Result<(Known, Attachment), Denied> {
        self.ledger.attach(credential.into(), connection).await
    }

    /// Whether this node has lately read to their end what other nodes have committed: what it keeps is true then.
    pub fn is_current(&self) -> bool {
        self.ledger.is_current()
    }

    /// Connections open on this node.
    pub fn connections(&self) -> usize {
        self.ledger.connections()
    }

    /// Sessions and keys kept in memory.
    pub fn sessions(&self) -> usize {
        self.ledger.sessions()
    }

    /// Writes what is still to be written of last-seen times. Called once before the tree stops.
    pub async fn flush(&self) {
        // What is not written is a few seconds of "last seen"; no reason to hold a shutdown up.
        let _ = self.handle.ask(Flush).await;
    }
}

/// The control channel's and the backplane's way in.
impl ControlListener for SessionKeeper {
    fn heard(&self, message: Control) {
        match message {
            Control::Revoked {
                revocation,
                committed,
            } => {
                self.ledger.spread(&revocation);
                // whatever of theirs was open on this node is closed now, and what waited to be written is dropped
                let took = micros(self.ledger.store.clock.now()) - committed;
                metrics::histogram!("signalbox_revocation_cutoff_seconds")
                    .record(Duration::from_micros(u64::try_from(took).unwrap_or_default()));
            }
            Control::Touched { touched } => self.ledger.store.signals.touched(&touched),
            Control::OutboxHint => self.ledger.store.signals.outbox.notify_one(),
            Control::JobsHint => self.ledger.store.signals.jobs.notify_one(),
            // of others
            _ => {}
        }
    }

    fn settle(&self) -> BoxFuture<'static, Result<()>> {
        let ledger = Arc::clone(&self.ledger);
        Box::pin(async move { ledger.read_revocations().await })
    }
}
