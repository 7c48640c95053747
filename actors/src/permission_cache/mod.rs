//! PermissionCache: what people may do, without asking the database for each request.
//!
//! Three levels: this node's shelf (about two minutes, read without a message), Redis (ten minutes, shared by the nodes), the
//! primary. Each set carries the version it was read at, and every caller says how new it must be at least
//! ([`Known::version`](crate::session_keeper::Known), which revocations keep true). So times to live bound memory, and
//! versions decide staleness: a set that is too old is a miss, on every level.
//!
//! Those who used a session of late are read at the start, and whoever is given tokens at that moment: so a first request
//! finds its set on the shelf.
//!
//! Invariant: nobody is answered with a set older than they asked for.
//! Invariant: one read per person is under way, however many ask.
//! Invariant: without the actor the answers stay right; each caller then reads the primary for themselves.

mod figures;
mod keeper;
mod shelf;

use std::sync::Arc;
use std::time::{Duration, Instant};

use signalbox_core::Store;
use signalbox_core::bus::control::{Revocation, RevocationKind};
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::permission::{Rights, RightsVersion};
use signalbox_core::sessions::standing::read_rights;

use crate::supervision::{Handle, Spec, StartError, Tree};
use figures::FIGURES;
use keeper::{Keeper, Load, Warm};
use shelf::Shelf;

/// People whose sets are kept on this node.
const PEOPLE: usize = 50_000;
/// How long reading a set from the primary may take.
const LOAD_WITHIN: Duration = Duration::from_secs(5);

/// A miss waits this long for the actor; then it goes by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Rights cannot be told at the moment; nobody is let through meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permissions cannot be checked at the moment; try again in a few seconds")]
pub struct Unavailable;

/// Whose rights, and how new they must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// In which organization.
    pub organization: OrganizationId,
    /// Whose.
    pub user: UserId,
    /// The least version that will do.
    pub at_least: RightsVersion,
}

/// Asks for rights. Cheap to clone.
#[derive(Clone)]
pub struct PermissionCache {
    shelf: Shelf,
    store: Store,
    handle: Handle<Keeper>,
}

impl std::fmt::Debug for PermissionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PermissionCache")
    }
}

impl PermissionCache {
    /// Adds the cache to the tree and has it hear this node's own commits.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, store: &Store) -> Result<Self, StartError> {
        let shelf = Shelf::new(PEOPLE);
        let kept = (shelf.clone(), store.clone());
        let spec = Spec::named("permission_cache")
            .order(20)
            .answer_within(ANSWER_WITHIN);
        let handle = tree.child(spec, move || Keeper::new(kept.0.clone(), kept.1.clone()))?;
        let cache = Self {
            shelf,
            store: store.clone(),
            handle,
        };
        let heard = cache.clone();
        store.signals.on_revoked(move |revocation| heard.hear(revocation));
        let greeting = cache.clone();
        store
            .signals
            .on_came_in(move |organization, user| greeting.expect(organization, user));
        Ok(cache)
    }

    /// What they may do, at least as new as asked for.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be read now.
    pub async fn rights(&self, question: Question) -> Result<Arc<Rights>, Unavailable> {
        if let Some(rights) = self.shelf.get(question.user) {
            if rights.version.covers(question.at_least) {
                FIGURES.shelf();
                return Ok(rights);
            }
            FIGURES.too_old_on_shelf();
        }
        if let Ok(Ok(rights)) = self.handle.ask(Load(question)).await
            && rights.version.covers(question.at_least)
        {
            return Ok(rights);
        }
        // The actor is busy, down, or gave up. The truth can be read without it.
        primary(&self.store, question).await
    }

    /// Whether there is a set of theirs on this node's shelf, however old.
    pub fn keeps(&self, user: UserId) -> bool {
        self.shelf.get(user).is_some()
    }

    /// Has a set read of somebody who will soon ask for it, unless there is one already.
    fn expect(&self, organization: OrganizationId, user: UserId) {
        if self.shelf.get(user).is_some() {
            return;
        }
        let question = Question {
            organization,
            user,
            at_least: RightsVersion::default(),
        };
        // only a head start
        let _ = self.handle.try_send(Warm {
            question,
            heard: None,
        });
    }

    /// Applies a revocation to what is kept here, and has a set that was in use read again before it is asked for.
    fn hear(&self, revocation: &Revocation) {
        let user = UserId(revocation.subject);
        match revocation.kind {
            RevocationKind::User => drop(self.shelf.remove(user)),
            RevocationKind::Access => {
                let Some(kept) = self.shelf.remove(user) else {
                    return;
                };
                let access = revocation.access_version.unwrap_or(kept.version.access);
                let at_least = RightsVersion {
                    access,
                    ..kept.version
                };
                let question = Question {
                    organization: revocation.organization,
                    user,
                    at_least,
                };
                // Only a head start: who asks later would have it read anyway.
                let _ = self.handle.try_send(Warm {
                    question,
                    heard: Some(Instant::now()),
                });
            }
            // Sessions carry the new epoch from now on, for which every kept set of the organization is too old.
            RevocationKind::Organization
            | RevocationKind::Session
            | RevocationKind::Sessions
            | RevocationKind::Key
            | RevocationKind::IpRule
            | RevocationKind::Settings => {}
        }
    }
}

/// Reads the truth.
async fn primary(store: &Store, question: Question) -> Result<Arc<Rights>, Unavailable> {
    FIGURES.primary();
    let read = read_rights(&store.db, question.organization, question.user);
    match tokio::time::timeout(LOAD_WITHIN, read).await {
        Ok(Ok(rights)) if rights.version.covers(question.at_least) => Ok(Arc::new(rights)),
        Ok(Ok(rights)) => {
            // The primary is behind what it has said before: a failover that lost commits. Nobody is let through.
            tracing::error!(has = ?rights.version, wanted = ?question.at_least, "the database lost changes of rights");
            Err(Unavailable)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "permissions cannot be read");
            Err(Unavailable)
        }
        Err(_) => Err(Unavailable),
    }
}
