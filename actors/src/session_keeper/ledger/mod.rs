//! What is known of sessions and API keys, and what hangs on them. Shared by everybody, written under short locks that nothing waits
//! under; it outlives the actor, because connections must stay closable while the actor restarts.

mod hearing;
mod reading;
mod sweeping;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use signalbox_core::Store;
use signalbox_core::api_keys::{Use, secret::Hash};
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::id::{ApiKeyId, OrganizationId, SessionId};
use signalbox_core::sessions::revocations::Reader;
use signalbox_core::sessions::standing::Standing;
use time::OffsetDateTime;
use uuid::Uuid;

use super::connection::{Attachment, Connection};
use super::loading::Loading;
use super::rules::Books;
use super::{Denied, Known, Options};

/// Sessions are spread over this many locks.
const SHARDS: usize = 16;
/// Reads of one session or key that were overtaken by revocations before the caller is told to try again.
const ATTEMPTS: usize = 5;

/// Heard by every read under way, whomever it is about.
const EVERYBODY: Uuid = Uuid::nil();

/// Secrets of API keys that are known by their hash, at most.
const SECRETS: usize = 20_000;

/// One session or key that was good when it was read.
struct Entry {
    standing: Standing,
    read_at: Instant,
    /// Something was heard of it that a new read must answer. Its connections stay.
    stale: bool,
    /// Microseconds since 1970, as last used and as last written.
    seen: AtomicI64,
    written: AtomicI64,
    /// From where a key was last used.
    used_from: Mutex<Option<IpAddr>>,
    connections: Vec<(u64, Arc<dyn Connection>)>,
}

impl Entry {
    /// The standing, with the last use that this node knows of.
    fn used(&self) -> Standing {
        Standing {
            last_seen_at: from_micros(self.seen.load(Relaxed)),
            ..self.standing.clone()
        }
    }
}

/// What is to be written of when credentials were last used.
#[derive(Default)]
pub(super) struct Due {
    pub(super) sessions: Vec<(SessionId, OffsetDateTime)>,
    pub(super) keys: Vec<Use>,
}

/// See the module.
pub(super) struct Ledger {
    pub(super) store: Store,
    pub(super) options: Options,
    shards: [RwLock<HashMap<Credential, Entry>>; SHARDS],
    /// Sessions and keys in memory by whose end is theirs ([`Standing::hangs_on`]). Taken before a shard's lock where both are held.
    people: Mutex<HashMap<Uuid, HashSet<Credential>>>,
    /// Which key a secret belongs to, by its hash. Only where to look: what the key's terms say decides.
    secrets: Mutex<HashMap<Hash, ApiKeyId>>,
    /// Which addresses each organization lets in.
    books: Books,
    /// Highest epoch heard of each organization.
    epochs: RwLock<HashMap<OrganizationId, i64>>,
    loading: Arc<Loading>,
    entries: AtomicUsize,
    connections: AtomicUsize,
    next_number: AtomicU64,
    /// When time was last looked at, in microseconds since 1970.
    swept: AtomicI64,
    reader: tokio::sync::Mutex<Reader>,
    /// Until when what is kept is believed.
    trusted_until: Mutex<Option<Instant>>,
}

impl Ledger {
    pub(super) fn of(store: Store, options: Options) -> Self {
        Self {
            store,
            options,
            shards: std::array::from_fn(|_| RwLock::default()),
            people: Mutex::default(),
            secrets: Mutex::default(),
            books: Books::default(),
            epochs: RwLock::default(),
            loading: Arc::default(),
            entries: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            next_number: AtomicU64::new(1),
            swept: AtomicI64::new(0),
            reader: tokio::sync::Mutex::default(),
            trusted_until: Mutex::new(None),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    pub(super) fn sessions(&self) -> usize {
        self.entries.load(Relaxed)
    }

    /// Whether everything that was committed more than [`Options::trust`] ago is known here.
    pub(super) fn is_current(&self) -> bool {
        self.trusted_until
            .lock()
            .is_some_and(|until| Instant::now() < until)
    }

    pub(super) async fn attach(
        self: &Arc<Self>,
        credential: Credential,
        connection: Arc<dyn Connection>,
    ) -> Result<(Known, Attachment), Denied> {
        if !self.hears() {
            self.read_revocations().await.map_err(|_| Denied::Unavailable)?;
        }
        for _ in 0..ATTEMPTS {
            let known = self.known(credential).await?;
            let number = self.next_number.fetch_add(1, Relaxed);
            if let Some(entry) = self.shard(credential).write().get_mut(&credential)
                && !entry.stale
            {
                entry.connections.push((number, Arc::clone(&connection)));
                self.connections.fetch_add(1, Relaxed);
                return Ok((
                    known,
                    Attachment {
                        ledger: Arc::clone(self),
                        credential,
                        number,
                    },
                ));
            }
            // Revoked or crowded out since: only a session in memory can be closed later.
            self.make_room();
        }
        Err(Denied::Unavailable)
    }

    pub(super) fn detach(&self, credential: Credential, number: u64) {
        if let Some(entry) = self.shard(credential).write().get_mut(&credential) {
            let before = entry.connections.len();
            entry.connections.retain(|(other, _)| *other != number);
            self.connections
                .fetch_sub(before - entry.connections.len(), Relaxed);
        }
    }

    /// Whether revocations have been read at all. Before that nothing is kept, for nothing would keep it true.
    fn hears(&self) -> bool {
        self.trusted_until.lock().is_some()
    }

    /// Drops a session from memory; its connections are the caller's to close.
    fn forget(&self, credential: Credential) -> Vec<Arc<dyn Connection>> {
        self.remove(credential, |_| true)
    }

    fn remove(
        &self,
        credential: Credential,
        condition: impl FnOnce(&Entry) -> bool,
    ) -> Vec<Arc<dyn Connection>> {
        let mut people = self.people.lock();
        let mut shard = self.shard(credential).write();
        if !shard.get(&credential).is_some_and(condition) {
            return Vec::new();
        }
        let Some(entry) = shard.remove(&credential) else {
            return Vec::new();
        };
        drop(shard);
        for subject in entry.standing.hangs_on() {
            if let Some(theirs) = people.get_mut(&subject) {
                theirs.remove(&credential);
                if theirs.is_empty() {
                    people.remove(&subject);
                }
            }
        }
        self.entries.fetch_sub(1, Relaxed);
        self.connections.fetch_sub(entry.connections.len(), Relaxed);
        entry
            .connections
            .into_iter()
            .map(|(_, connection)| connection)
            .collect()
    }

    /// Has the session read again before memory answers for it; returns its connections.
    fn doubt(&self, credential: Credential) -> Vec<Arc<dyn Connection>> {
        let mut shard = self.shard(credential).write();
        let Some(entry) = shard.get_mut(&credential) else {
            return Vec::new();
        };
        entry.stale = true;
        entry
            .connections
            .iter()
            .map(|(_, connection)| Arc::clone(connection))
            .collect()
    }

    fn credentials_of(&self, subject: Uuid) -> Vec<Credential> {
        self.people
            .lock()
            .get(&subject)
            .map(|theirs| theirs.iter().copied().collect())
            .unwrap_or_default()
    }

    fn shard(&self, credential: Credential) -> &RwLock<HashMap<Credential, Entry>> {
        // The last bytes of a UUIDv7 are random.
        let id = credential.id().unwrap_or_default();
        &self.shards[usize::from(id.as_bytes()[15]) % SHARDS]
    }
}

fn micros(at: OffsetDateTime) -> i64 {
    (at.unix_timestamp_nanos() / 1_000) as i64
}

fn from_micros(at: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
