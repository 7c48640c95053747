//! What is known of sessions, and what hangs on them. Shared by everybody, written under short locks that nothing waits
//! under; it outlives the actor, because connections must stay closable while the actor restarts.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use signalbox_core::Store;
use signalbox_core::bus::control::{Revocation, RevocationKind};
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{OrganizationId, SessionId, UserId};
use signalbox_core::sessions::revocations::Reader;
use signalbox_core::sessions::standing::{self, Refused, Standing};
use time::OffsetDateTime;
use uuid::Uuid;

use super::connection::{ACCESS_ENDED, Attachment, Connection, SIGNED_OUT, close_all, tell_all};
use super::loading::{Loading, Reading, Turn};
use super::{Denied, Known, Options};

/// Sessions are spread over this many locks.
const SHARDS: usize = 16;
/// Reads of one session that were overtaken by revocations before the caller is told to try again.
const ATTEMPTS: usize = 5;

/// Heard by every read under way, whomever it is about.
const EVERYBODY: Uuid = Uuid::nil();

/// One session that was good when it was read.
struct Entry {
    standing: Standing,
    read_at: Instant,
    /// Something was heard of it that a new read must answer. Its connections stay.
    stale: bool,
    /// Microseconds since 1970, as last used and as last written.
    seen: AtomicI64,
    written: AtomicI64,
    connections: Vec<(u64, Arc<dyn Connection>)>,
}

/// See the module.
pub(super) struct Ledger {
    pub(super) store: Store,
    pub(super) options: Options,
    shards: [RwLock<HashMap<SessionId, Entry>>; SHARDS],
    /// Sessions in memory by person. Taken before a shard's lock where both are held.
    people: Mutex<HashMap<UserId, HashSet<SessionId>>>,
    /// Highest epoch heard of each organization.
    epochs: RwLock<HashMap<OrganizationId, i64>>,
    loading: Arc<Loading>,
    entries: AtomicUsize,
    connections: AtomicUsize,
    next_number: AtomicU64,
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
            epochs: RwLock::default(),
            loading: Arc::default(),
            entries: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            next_number: AtomicU64::new(1),
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

    pub(super) async fn known(self: &Arc<Self>, session: SessionId) -> Result<Known, Denied> {
        if let Some(answer) = self.remembered(session) {
            return answer;
        }
        loop {
            match self.loading.turn(session) {
                Turn::Read(reading) => {
                    let outcome = self.load(session, &reading).await;
                    reading.done(&outcome);
                    return outcome;
                }
                Turn::Wait(mut outcome) => {
                    // An error means that the reader went away undone: then it is somebody else's turn.
                    if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                        && let Some(outcome) = outcome.clone()
                    {
                        return outcome;
                    }
                }
            }
        }
    }

    pub(super) async fn attach(
        self: &Arc<Self>,
        session: SessionId,
        connection: Arc<dyn Connection>,
    ) -> Result<(Known, Attachment), Denied> {
        if !self.hears() {
            self.read_revocations().await.map_err(|_| Denied::Unavailable)?;
        }
        for _ in 0..ATTEMPTS {
            let known = self.known(session).await?;
            let number = self.next_number.fetch_add(1, Relaxed);
            if let Some(entry) = self.shard(session).write().get_mut(&session)
                && !entry.stale
            {
                entry.connections.push((number, Arc::clone(&connection)));
                self.connections.fetch_add(1, Relaxed);
                return Ok((
                    known,
                    Attachment {
                        ledger: Arc::clone(self),
                        session,
                        number,
                    },
                ));
            }
            // Revoked or crowded out since: only a session in memory can be closed later.
            self.make_room();
        }
        Err(Denied::Unavailable)
    }

    pub(super) fn detach(&self, session: SessionId, number: u64) {
        if let Some(entry) = self.shard(session).write().get_mut(&session) {
            let before = entry.connections.len();
            entry.connections.retain(|(other, _)| *other != number);
            self.connections
                .fetch_sub(before - entry.connections.len(), Relaxed);
        }
    }

    /// Applies a revocation to what is known here. Repeats change nothing.
    pub(super) fn hear(&self, revocation: &Revocation) {
        self.loading.hear(revocation.subject);
        match revocation.kind {
            RevocationKind::Session => {
                let session = SessionId(revocation.subject);
                close_all(self.forget(session), SIGNED_OUT, &revocation.reason);
            }
            RevocationKind::User => {
                for session in self.sessions_of(UserId(revocation.subject)) {
                    close_all(self.forget(session), ACCESS_ENDED, &revocation.reason);
                }
            }
            RevocationKind::Access => {
                for session in self.sessions_of(UserId(revocation.subject)) {
                    tell_all(self.doubt(session));
                }
            }
            RevocationKind::Organization => self.hear_of_organization(revocation),
        }
    }

    /// Tells everybody of this node who listens, this ledger among them.
    pub(super) fn spread(&self, revocation: &Revocation) {
        // A listener that panics must not keep the next revocation from being heard.
        if catch_unwind(AssertUnwindSafe(|| self.store.signals.revoked(revocation))).is_err() {
            tracing::error!("a listener for revocations panicked");
        }
    }

    /// Reads `revocations` to its end and applies what is new. What is kept is trusted from then on for a while.
    pub(super) async fn read_revocations(&self) -> Result<()> {
        let mut reader = self.reader.lock().await;
        let began = Instant::now();
        // No await between the read's end and the last `spread`: a caller that goes away cannot lose half of it.
        let news = reader.read(&self.store.db).await?;
        for revocation in &news.revocations {
            self.spread(revocation);
        }
        if !self.hears() {
            // The first read only set the place. What was read of sessions before it may have been revoked before it.
            self.loading.hear(EVERYBODY);
        }
        let mut trusted = self.trusted_until.lock();
        *trusted = (*trusted).max(Some(began + self.options.trust));
        Ok(())
    }

    /// Ends what time has ended, and makes room. Open connections count as use.
    pub(super) fn sweep(&self) {
        let now = self.store.clock.now();
        let mut over = Vec::new();
        for shard in &self.shards {
            for (session, entry) in shard.read().iter() {
                if !entry.connections.is_empty() {
                    entry.seen.fetch_max(micros(now), Relaxed);
                    if now >= entry.standing.expires_at {
                        over.push(*session);
                    }
                }
            }
        }
        for session in over {
            close_all(self.forget(session), SIGNED_OUT, &Refused::Expired.to_string());
        }
        self.make_room();
    }

    /// Last-seen times that are due to be written; taken as written.
    pub(super) fn due_seen(&self, all: bool) -> Vec<(SessionId, OffsetDateTime)> {
        let least = if all {
            1
        } else {
            self.options.write_behind.as_micros() as i64
        };
        let mut due = Vec::new();
        for shard in &self.shards {
            for (session, entry) in shard.read().iter() {
                let seen = entry.seen.load(Relaxed);
                if seen - entry.written.load(Relaxed) >= least {
                    entry.written.store(seen, Relaxed);
                    due.push((*session, from_micros(seen)));
                }
            }
        }
        due
    }

    /// Whether revocations have been read at all. Before that nothing is kept, for nothing would keep it true.
    fn hears(&self) -> bool {
        self.trusted_until.lock().is_some()
    }

    /// The answer from memory, if memory may answer.
    fn remembered(&self, session: SessionId) -> Option<Result<Known, Denied>> {
        let at = Instant::now();
        if !self.trusted_until.lock().is_some_and(|until| at < until) {
            return None;
        }
        let now = self.store.clock.now();
        let shard = self.shard(session).read();
        let entry = shard.get(&session)?;
        if entry.stale || at.duration_since(entry.read_at) >= self.options.refresh {
            return None;
        }
        let seen = from_micros(entry.seen.load(Relaxed));
        let standing = Standing {
            last_seen_at: seen,
            ..entry.standing.clone()
        };
        if let Err(refused) = standing.check_time(now, self.options.idle) {
            return Some(Err(refused.into()));
        }
        entry.seen.fetch_max(micros(now), Relaxed);
        Some(Ok(self.as_heard(&standing)))
    }

    /// Reads the session from the primary, again while revocations overtake the reading.
    async fn load(&self, session: SessionId, reading: &Reading) -> Result<Known, Denied> {
        for _ in 0..ATTEMPTS {
            reading.begin();
            let read =
                tokio::time::timeout(self.options.load_within, standing::find(&self.store.db, session)).await;
            let standing = match read {
                Ok(Ok(Ok(standing))) => standing,
                Ok(Ok(Err(refused))) => {
                    // It may still have connections here, if its revocation was never heard. It ends now.
                    close_all(self.forget(session), SIGNED_OUT, &refused.to_string());
                    return Err(refused.into());
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a session cannot be checked");
                    return Err(Denied::Unavailable);
                }
                Err(_) => return Err(Denied::Unavailable),
            };
            let subjects = [session.0, standing.user.0, standing.organization.0, EVERYBODY];
            let mut answer = Err(Denied::Unavailable);
            if reading.unless_heard(&subjects, || answer = self.keep(standing)) {
                return answer;
            }
        }
        Err(Denied::Unavailable)
    }

    /// Keeps a standing just read, if there is room, and answers with it.
    fn keep(&self, standing: Standing) -> Result<Known, Denied> {
        let now = self.store.clock.now();
        standing.check_time(now, self.options.idle)?;
        let known = self.as_heard(&standing);
        let (session, user) = (standing.session, standing.user);
        let mut people = self.people.lock();
        let mut shard = self.shard(session).write();
        if let Some(entry) = shard.get_mut(&session) {
            entry.standing = standing;
            entry.read_at = Instant::now();
            entry.stale = false;
            entry.seen.fetch_max(micros(now), Relaxed);
        } else if self.hears() && self.entries.load(Relaxed) < self.options.sessions {
            let written = micros(standing.last_seen_at);
            let entry = Entry {
                standing,
                read_at: Instant::now(),
                stale: false,
                seen: AtomicI64::new(micros(now)),
                written: AtomicI64::new(written),
                connections: Vec::new(),
            };
            shard.insert(session, entry);
            people.entry(user).or_default().insert(session);
            self.entries.fetch_add(1, Relaxed);
        }
        Ok(known)
    }

    fn as_heard(&self, standing: &Standing) -> Known {
        let mut version = standing.version;
        if let Some(epoch) = self.epochs.read().get(&standing.organization) {
            version.epoch = version.epoch.max(*epoch);
        }
        Standing {
            version,
            ..standing.clone()
        }
    }

    /// Drops a session from memory; its connections are the caller's to close.
    fn forget(&self, session: SessionId) -> Vec<Arc<dyn Connection>> {
        self.remove(session, |_| true)
    }

    fn remove(&self, session: SessionId, condition: impl FnOnce(&Entry) -> bool) -> Vec<Arc<dyn Connection>> {
        let mut people = self.people.lock();
        let mut shard = self.shard(session).write();
        if !shard.get(&session).is_some_and(condition) {
            return Vec::new();
        }
        let Some(entry) = shard.remove(&session) else {
            return Vec::new();
        };
        drop(shard);
        if let Some(sessions) = people.get_mut(&entry.standing.user) {
            sessions.remove(&session);
            if sessions.is_empty() {
                people.remove(&entry.standing.user);
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
    fn doubt(&self, session: SessionId) -> Vec<Arc<dyn Connection>> {
        let mut shard = self.shard(session).write();
        let Some(entry) = shard.get_mut(&session) else {
            return Vec::new();
        };
        entry.stale = true;
        entry
            .connections
            .iter()
            .map(|(_, connection)| Arc::clone(connection))
            .collect()
    }

    fn hear_of_organization(&self, revocation: &Revocation) {
        let organization = revocation.organization;
        // Without an epoch nothing can be compared, so every session of the organization is read again.
        let doubtful = revocation.access_version.is_none();
        if let Some(epoch) = revocation.access_version {
            let mut epochs = self.epochs.write();
            let known = epochs.entry(organization).or_default();
            *known = (*known).max(epoch);
        }
        for shard in &self.shards {
            let mut connections = Vec::new();
            for entry in shard
                .write()
                .values_mut()
                .filter(|entry| entry.standing.organization == organization)
            {
                entry.stale |= doubtful;
                connections.extend(
                    entry
                        .connections
                        .iter()
                        .map(|(_, connection)| Arc::clone(connection)),
                );
            }
            tell_all(connections);
        }
    }

    /// When memory is full: sessions without connections go, those longest unused first, until a tenth is free.
    fn make_room(&self) {
        let room = self.options.sessions / 10;
        let entries = self.entries.load(Relaxed);
        if entries < self.options.sessions {
            return;
        }
        let mut idle: Vec<(i64, SessionId)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let unused = shard.iter().filter(|(_, entry)| entry.connections.is_empty());
            idle.extend(unused.map(|(session, entry)| (entry.seen.load(Relaxed), *session)));
        }
        idle.sort_unstable();
        for (_, session) in idle.into_iter().take(room.max(1)) {
            // One may have been attached since.
            self.remove(session, |entry| entry.connections.is_empty());
        }
    }

    fn sessions_of(&self, user: UserId) -> Vec<SessionId> {
        self.people
            .lock()
            .get(&user)
            .map(|sessions| sessions.iter().copied().collect())
            .unwrap_or_default()
    }

    fn shard(&self, session: SessionId) -> &RwLock<HashMap<SessionId, Entry>> {
        // The last bytes of a UUIDv7 are random.
        &self.shards[usize::from(session.0.as_bytes()[15]) % SHARDS]
    }
}

fn micros(at: OffsetDateTime) -> i64 {
    (at.unix_timestamp_nanos() / 1_000) as i64
}

fn from_micros(at: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
