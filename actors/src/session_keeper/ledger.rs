//! What is known of sessions and API keys, and what hangs on them. Shared by everybody, written under short locks that nothing waits
//! under; it outlives the actor, because connections must stay closable while the actor restarts.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use signalbox_core::api_keys::{self, Use, secret::Hash};
use signalbox_core::bus::control::{Revocation, RevocationKind};
use signalbox_core::bus::questions::{MOST_SOCKETS, SocketRow};
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{ApiKeyId, OrganizationId, SessionId};
use signalbox_core::providers;
use signalbox_core::sessions::revocations::Reader;
use signalbox_core::sessions::standing::{self, Refused, Standing};
use signalbox_core::{Store, ip_rules::Rules};
use time::OffsetDateTime;
use uuid::Uuid;

use super::connection::{ACCESS_ENDED, Attachment, Connection, SIGNED_OUT, SUCCEEDED, close_all, tell_all};
use super::loading::{Loading, Reading, Turn};
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

    /// How a session or key stands, for whoever uses it now.
    pub(super) async fn known(self: &Arc<Self>, credential: Credential) -> Result<Known, Denied> {
        if let Some(answer) = self.remembered(credential, true) {
            return answer;
        }
        let known = self.read_once(credential).await?;
        if let Some(entry) = self.shard(credential).read().get(&credential) {
            entry.seen.fetch_max(micros(self.store.clock.now()), Relaxed);
        }
        Ok(known)
    }

    /// How a session or key stands. To look is not to use: what only listens does not keep its session alive.
    pub(super) async fn look(self: &Arc<Self>, credential: Credential) -> Result<Known, Denied> {
        match self.remembered(credential, false) {
            Some(answer) => answer,
            None => self.read_once(credential).await,
        }
    }

    /// Reads it from the primary, or waits for whoever does.
    async fn read_once(self: &Arc<Self>, credential: Credential) -> Result<Known, Denied> {
        loop {
            match self.loading.turn(credential) {
                Turn::Read(reading) => {
                    let outcome = self.load(credential, &reading).await;
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

    /// The key whose secret has this hash, if both are good, and which of its secrets it is.
    pub(super) async fn key(
        self: &Arc<Self>,
        hash: &Hash,
        from: Option<IpAddr>,
    ) -> Result<(Known, i32), Denied> {
        let key = self.key_of(hash).await?;
        for _ in 0..2 {
            let known = self.known(key).await?;
            let terms = known.key.as_ref().ok_or(Refused::Unknown)?;
            if let Some(generation) = terms.generation_of(hash, self.store.clock.now()) {
                self.allowed(&known, from).await?;
                if let Some(entry) = self.shard(key).read().get(&key) {
                    *entry.used_from.lock() = from;
                }
                return Ok((known, generation));
            }
            // perhaps it was replaced, and this node has not heard of that yet
            self.doubt(key);
        }
        Err(Refused::Replaced.into())
    }

    /// Which key a secret belongs to, good or not.
    async fn key_of(&self, hash: &Hash) -> Result<Credential, Denied> {
        if let Some(key) = self.secrets.lock().get(hash) {
            return Ok(Credential::ApiKey(*key));
        }
        let read = api_keys::find_by_hash(&self.store.db, hash);
        let Ok(Ok(found)) = tokio::time::timeout(self.options.load_within, read).await else {
            return Err(Denied::Unavailable);
        };
        let key = found.ok_or(Refused::Unknown)?;
        let mut secrets = self.secrets.lock();
        if secrets.len() >= SECRETS {
            secrets.clear();
        }
        secrets.insert(*hash, key);
        Ok(Credential::ApiKey(key))
    }

    /// Whether somebody known may come in from `from`, by the key's own list and by what the organization lets in.
    pub(super) async fn allowed(&self, known: &Known, from: Option<IpAddr>) -> Result<(), Denied> {
        known.check_address(from)?;
        if self.rules(known.organization).await?.admit(&known.roles, from) {
            Ok(())
        } else {
            Err(Refused::Address.into())
        }
    }

    /// Whether everything that was committed more than [`Options::trust`] ago is known here.
    pub(super) fn is_current(&self) -> bool {
        self.trusted_until
            .lock()
            .is_some_and(|until| Instant::now() < until)
    }

    /// What an organization lets in: from memory where that may answer, else from the primary.
    async fn rules(&self, organization: OrganizationId) -> Result<Arc<Rules>, Denied> {
        if self.is_current()
            && let Some(rules) = self.books.fresh(organization, self.options.refresh)
        {
            return Ok(rules);
        }
        let read = self.books.read(&self.store.db, organization);
        match tokio::time::timeout(self.options.load_within, read).await {
            Ok(Ok(rules)) => Ok(rules),
            _ => Err(Denied::Unavailable),
        }
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

    /// Applies a revocation to what is known here. Repeats change nothing.
    pub(super) fn hear(&self, revocation: &Revocation) {
        self.loading.hear(revocation.subject);
        match revocation.kind {
            RevocationKind::Session => {
                let session = Credential::Session(SessionId(revocation.subject));
                let code = match revocation.access_version {
                    None => SIGNED_OUT,
                    Some(_) => SUCCEEDED,
                };
                close_all(self.forget(session), code, &revocation.reason);
                for acting in self.credentials_of(revocation.subject) {
                    close_all(self.forget(acting), SIGNED_OUT, &revocation.reason);
                }
            }
            RevocationKind::Sessions => {
                for session in self.begun_before(revocation) {
                    close_all(self.forget(session), SIGNED_OUT, &revocation.reason);
                }
            }
            RevocationKind::Key => {
                let key = Credential::ApiKey(ApiKeyId(revocation.subject));
                match revocation.access_version {
                    None => close_all(self.forget(key), SIGNED_OUT, &revocation.reason),
                    Some(_) => tell_all(self.doubt(key)),
                }
            }
            RevocationKind::User => {
                for credential in self.credentials_of(revocation.subject) {
                    close_all(self.forget(credential), ACCESS_ENDED, &revocation.reason);
                }
            }
            RevocationKind::Access => {
                for credential in self.credentials_of(revocation.subject) {
                    tell_all(self.doubt(credential));
                }
            }
            RevocationKind::Organization => self.hear_of_organization(revocation),
            RevocationKind::IpRule => {
                self.books.hear(revocation.organization);
                self.tell_organization(revocation.organization, false);
            }
            // nobody's access hangs on it; the store has forgotten what it kept
            RevocationKind::Settings => {}
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
        self.store.signals.touched(&news.touched);
        if !self.hears() {
            // The first read only set the place. What was read of sessions before it may have been revoked before it.
            self.loading.hear(EVERYBODY);
        }
        let mut trusted = self.trusted_until.lock();
        *trusted = (*trusted).max(Some(began + self.options.trust));
        Ok(())
    }

    /// Ends what time has ended, and makes room. Keys with open connections are in use; sessions are not by that alone. Answers
    /// which sessions seem to have rested for too long: another node may know of a use that this one does not, so they are
    /// to be looked at before they end.
    pub(super) fn sweep(&self) -> Vec<Credential> {
        let now = self.store.clock.now();
        let mut over = Vec::new();
        let mut resting = Vec::new();
        let mut replaced = Vec::new();
        let swept = self.swept.swap(micros(now), Relaxed);
        for shard in &self.shards {
            for (credential, entry) in shard.read().iter() {
                if !entry.connections.is_empty() {
                    if entry.standing.key.is_some() {
                        entry.seen.fetch_max(micros(now), Relaxed);
                    }
                    let previous = entry.standing.key.as_ref().and_then(|key| key.previous);
                    let lapsed = |until| micros(until) > swept && now >= until;
                    if now >= entry.standing.expires_at {
                        over.push(*credential);
                    } else if previous.is_some_and(|(_, until)| lapsed(until)) {
                        replaced.push(*credential);
                    } else if entry.used().check_time(now, self.options.idle).is_err() {
                        resting.push(*credential);
                    }
                }
            }
        }
        for credential in over {
            close_all(self.forget(credential), SIGNED_OUT, &Refused::Expired.to_string());
        }
        // what was opened with the secret before ends now, and what was opened with the present one stays
        for credential in replaced {
            tell_all(self.doubt(credential));
        }
        self.make_room();
        resting
    }

    /// Reads again how a session stands that seems to have rested for too long. If it has, it ends, with what is open on it.
    pub(super) async fn look_again(self: &Arc<Self>, credential: Credential) {
        self.doubt(credential);
        // what cannot be told now is asked again at the next sweep
        let _ = self.look(credential).await;
    }

    /// How many connections hang on each session of `organizations`.
    pub(super) fn sockets(&self, organizations: &[OrganizationId]) -> Vec<SocketRow> {
        let mut rows = Vec::new();
        for shard in &self.shards {
            for (credential, entry) in shard.read().iter() {
                let Credential::Session(session) = *credential else {
                    continue;
                };
                let organization = entry.standing.organization;
                if !entry.connections.is_empty() && organizations.contains(&organization) {
                    rows.push(SocketRow {
                        organization,
                        user: entry.standing.user,
                        session,
                        sockets: u32::try_from(entry.connections.len()).unwrap_or(u32::MAX),
                    });
                }
            }
            if rows.len() >= MOST_SOCKETS {
                rows.truncate(MOST_SOCKETS);
                break;
            }
        }
        rows
    }

    /// Last-seen times that are due to be written; taken as written.
    pub(super) fn due_seen(&self, all: bool) -> Due {
        let least = if all {
            1
        } else {
            self.options.write_behind.as_micros() as i64
        };
        let mut due = Due::default();
        for shard in &self.shards {
            for (credential, entry) in shard.read().iter() {
                let seen = entry.seen.load(Relaxed);
                if seen - entry.written.load(Relaxed) >= least {
                    entry.written.store(seen, Relaxed);
                    let at = from_micros(seen);
                    match *credential {
                        Credential::Session(session) => due.sessions.push((session, at)),
                        Credential::ApiKey(key) => {
                            let from = *entry.used_from.lock();
                            due.keys.push(Use { key, at, from });
                        }
                        Credential::External(_) | Credential::Internal => {}
                    }
                }
            }
        }
        due
    }

    /// Whether revocations have been read at all. Before that nothing is kept, for nothing would keep it true.
    fn hears(&self) -> bool {
        self.trusted_until.lock().is_some()
    }

    /// The answer from memory, if memory may answer; to somebody who uses it, or only looks.
    fn remembered(&self, credential: Credential, uses: bool) -> Option<Result<Known, Denied>> {
        let at = Instant::now();
        if !self.trusted_until.lock().is_some_and(|until| at < until) {
            return None;
        }
        let now = self.store.clock.now();
        let shard = self.shard(credential).read();
        let entry = shard.get(&credential)?;
        if entry.stale || at.duration_since(entry.read_at) >= self.options.refresh {
            return None;
        }
        let standing = entry.used();
        match standing.check_time(now, self.options.idle) {
            Ok(()) => {
                if uses {
                    entry.seen.fetch_max(micros(now), Relaxed);
                }
                Some(Ok(self.as_heard(&standing)))
            }
            // another node may know of a use that this one does not
            Err(Refused::Idle) => None,
            Err(refused) => Some(Err(refused.into())),
        }
    }

    /// Reads the session from the primary, again while revocations overtake the reading.
    async fn load(&self, credential: Credential, reading: &Reading) -> Result<Known, Denied> {
        for _ in 0..ATTEMPTS {
            reading.begin();
            let read = tokio::time::timeout(self.options.load_within, self.read(credential)).await;
            let standing = match read {
                Ok(Ok(Ok(standing))) => standing,
                Ok(Ok(Err(refused))) => {
                    // It may still have connections here, if its revocation was never heard. It ends now.
                    close_all(self.forget(credential), SIGNED_OUT, &refused.to_string());
                    return Err(refused.into());
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a session cannot be checked");
                    return Err(Denied::Unavailable);
                }
                Err(_) => return Err(Denied::Unavailable),
            };
            let itself = credential.id().unwrap_or(EVERYBODY);
            let mut subjects = vec![itself, standing.organization.0, EVERYBODY];
            subjects.extend(standing.hangs_on());
            let mut answer = Err(Denied::Unavailable);
            if reading.unless_heard(&subjects, || answer = self.keep(standing)) {
                if let Err(Denied::Refused(refused)) = &answer {
                    close_all(self.forget(credential), SIGNED_OUT, &refused.to_string());
                }
                return answer;
            }
        }
        Err(Denied::Unavailable)
    }

    /// Reads how a session or key stands.
    async fn read(&self, credential: Credential) -> Result<Result<Standing, Refused>> {
        match credential {
            Credential::Session(session) => standing::find(&self.store.db, session).await,
            Credential::ApiKey(key) => api_keys::find(&self.store.db, key).await,
            Credential::External(account) => providers::standing(&self.store.db, account).await,
            Credential::Internal => Ok(Err(Refused::Unknown)),
        }
    }

    /// Keeps a standing just read, if there is room, and answers with it.
    fn keep(&self, standing: Standing) -> Result<Known, Denied> {
        let now = self.store.clock.now();
        let credential = standing.credential;
        let mut standing = standing;
        if let Some(entry) = self.shard(credential).read().get(&credential) {
            // what this node knows of its use may not be written yet
            standing.last_seen_at = standing.last_seen_at.max(from_micros(entry.seen.load(Relaxed)));
        }
        standing.check_time(now, self.options.idle)?;
        let known = self.as_heard(&standing);
        let seen = micros(standing.last_seen_at);
        let subjects: Vec<Uuid> = standing.hangs_on().collect();
        let mut people = self.people.lock();
        let mut shard = self.shard(credential).write();
        if let Some(entry) = shard.get_mut(&credential) {
            entry.standing = standing;
            entry.read_at = Instant::now();
            entry.stale = false;
            entry.seen.fetch_max(seen, Relaxed);
        } else if self.hears() && self.entries.load(Relaxed) < self.options.sessions {
            // the first use of a key is written at once: whoever has just put one to use looks for it
            let written = standing
                .key
                .as_ref()
                .map_or_else(|| micros(standing.last_seen_at), |_| 0);
            let entry = Entry {
                standing,
                read_at: Instant::now(),
                stale: false,
                seen: AtomicI64::new(seen),
                written: AtomicI64::new(written),
                used_from: Mutex::new(None),
                connections: Vec::new(),
            };
            shard.insert(credential, entry);
            for subject in subjects {
                people.entry(subject).or_default().insert(credential);
            }
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

    fn hear_of_organization(&self, revocation: &Revocation) {
        let organization = revocation.organization;
        // Without an epoch nothing can be compared, so every session of the organization is read again.
        let doubtful = revocation.access_version.is_none();
        if let Some(epoch) = revocation.access_version {
            let mut epochs = self.epochs.write();
            let known = epochs.entry(organization).or_default();
            *known = (*known).max(epoch);
        }
        // what roles somebody holds may have changed, and addresses may be let in by role
        let by_role = self.books.kept(organization).is_none_or(|rules| rules.by_role());
        self.tell_organization(organization, doubtful || by_role);
    }

    /// Has all connections of an organization looked at again, and what is known of it read again where that is in doubt.
    fn tell_organization(&self, organization: OrganizationId, doubtful: bool) {
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
        let mut idle: Vec<(i64, Credential)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let unused = shard.iter().filter(|(_, entry)| entry.connections.is_empty());
            idle.extend(unused.map(|(credential, entry)| (entry.seen.load(Relaxed), *credential)));
        }
        idle.sort_unstable_by_key(|(seen, _)| *seen);
        for (_, credential) in idle.into_iter().take(room.max(1)) {
            // One may have been attached since.
            self.remove(credential, |entry| entry.connections.is_empty());
        }
    }

    /// Sessions of the person or organization that a revocation is about, which began before its instant.
    fn begun_before(&self, revocation: &Revocation) -> Vec<Credential> {
        let before = revocation.access_version.map(from_micros);
        let all = revocation.subject == revocation.organization.0;
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let theirs = shard.iter().filter(|(credential, entry)| {
                matches!(credential, Credential::Session(_))
                    && if all {
                        entry.standing.organization == revocation.organization
                    } else {
                        entry.standing.hangs_on().any(|id| id == revocation.subject)
                    }
                    && before.is_none_or(|before| entry.standing.created_at < before)
            });
            found.extend(theirs.map(|(credential, _)| *credential));
        }
        found
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
