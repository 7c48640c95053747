//! What time does: ends, uses that are to be written, and making room.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use signalbox_core::api_keys::Use;
use signalbox_core::bus::questions::{MOST_SOCKETS, SocketRow};
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::sessions::standing::Refused;

use super::super::connection::{SIGNED_OUT, close_all, tell_all};
use super::{Due, Ledger, from_micros, micros};

impl Ledger {
    /// Ends what time has ended, and makes room. Keys with open connections are in use; sessions are not by that alone. Answers
    /// which sessions seem to have rested for too long: another node may know of a use that this one does not, so they are
    /// to be looked at before they end.
    pub(in crate::session_keeper) fn sweep(&self) -> Vec<Credential> {
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
    pub(in crate::session_keeper) async fn look_again(self: &Arc<Self>, credential: Credential) {
        self.doubt(credential);
        // what cannot be told now is asked again at the next sweep
        let _ = self.look(credential).await;
    }

    /// How many connections hang on each session of `organizations`.
    pub(in crate::session_keeper) fn sockets(&self, organizations: &[OrganizationId]) -> Vec<SocketRow> {
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
    pub(in crate::session_keeper) fn due_seen(&self, all: bool) -> Due {
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

    /// When memory is full: sessions without connections go, those longest unused first, until a tenth is free.
    pub(super) fn make_room(&self) {
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
}
