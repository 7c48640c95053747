//! How a session or key stands: from memory where that may answer, else from the primary.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use signalbox_core::api_keys::{self, secret::Hash};
use signalbox_core::ip_rules::Rules;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::providers;
use signalbox_core::sessions::standing::{self, Refused, Standing};
use uuid::Uuid;

use super::super::connection::{SIGNED_OUT, close_all};
use super::super::loading::{Reading, Turn};
use super::super::{Denied, Known};
use super::{ATTEMPTS, EVERYBODY, Entry, Ledger, SECRETS, from_micros, micros};

impl Ledger {
    /// How a session or key stands, for whoever uses it now.
    pub(in crate::session_keeper) async fn known(
        self: &Arc<Self>,
        credential: Credential,
    ) -> Result<Known, Denied> {
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
    pub(in crate::session_keeper) async fn look(
        self: &Arc<Self>,
        credential: Credential,
    ) -> Result<Known, Denied> {
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
    pub(in crate::session_keeper) async fn key(
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
    pub(in crate::session_keeper) async fn allowed(
        &self,
        known: &Known,
        from: Option<IpAddr>,
    ) -> Result<(), Denied> {
        known.check_address(from)?;
        if self.rules(known.organization).await?.admit(&known.roles, from) {
            Ok(())
        } else {
            Err(Refused::Address.into())
        }
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
    pub(super) async fn load(&self, credential: Credential, reading: &Reading) -> Result<Known, Denied> {
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
    pub(super) async fn read(&self, credential: Credential) -> Result<Result<Standing, Refused>> {
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
}
