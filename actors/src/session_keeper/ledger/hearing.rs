//! What is heard: revocations, as they come and as they are read, and whom they reach here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use signalbox_core::bus::control::{Revocation, RevocationKind};
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::{ApiKeyId, OrganizationId, SessionId};
use signalbox_core::sessions::standing::Standing;

use super::super::connection::{ACCESS_ENDED, SIGNED_OUT, close_all, tell_all};
use super::{EVERYBODY, Entry, Ledger, from_micros};

impl Ledger {
    /// Applies a revocation to what is known here. Repeats change nothing.
    pub(in crate::session_keeper) fn hear(&self, revocation: &Revocation) {
        self.loading.hear(revocation.subject);
        match revocation.kind {
            RevocationKind::Session => {
                let session = Credential::Session(SessionId(revocation.subject));
                close_all(self.forget(session), SIGNED_OUT, &revocation.reason);
                for acting in self.credentials_of(revocation.subject) {
                    close_all(self.forget(acting), SIGNED_OUT, &revocation.reason);
                }
            }
            RevocationKind::Sessions => {
                for session in self.begun_before(revocation) {
                    close_all(self.forget(session), SIGNED_OUT, &revocation.reason);
                }
                for credential in self.perhaps_over(revocation) {
                    tell_all(self.doubt(credential));
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
                    if matches!(credential, Credential::ApiKey(_)) {
                        // a key ends with its owner's place here, and not with their password
                        tell_all(self.doubt(credential));
                    } else if !self.is_newer(credential, revocation) {
                        close_all(self.forget(credential), ACCESS_ENDED, &revocation.reason);
                    }
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
                // with the first rule by role it matters which roles they hold, which was of no interest before
                self.tell_organization(revocation.organization, true);
            }
            // nobody's access hangs on it; the store has forgotten what it kept
            RevocationKind::Settings => {}
        }
    }

    /// Tells everybody of this node who listens, this ledger among them.
    pub(in crate::session_keeper) fn spread(&self, revocation: &Revocation) {
        // A listener that panics must not keep the next revocation from being heard.
        if catch_unwind(AssertUnwindSafe(|| self.store.signals.revoked(revocation))).is_err() {
            tracing::error!("a listener for revocations panicked");
        }
    }

    /// Reads `revocations` to its end and applies what is new. What is kept is trusted from then on for a while.
    pub(in crate::session_keeper) async fn read_revocations(&self) -> Result<()> {
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
                // what a role demands of a token of an external issuer may be another, and whoever acts as somebody may be
                // over them no more
                let external = matches!(entry.standing.credential, Credential::External(_));
                entry.stale |= doubtful || external || entry.standing.impersonation.is_some();
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

    /// Whether what is known of a person's own session or key was read after this was done to them: each revocation is heard more
    /// than once, and the last time must not end what they have opened since they were let in again.
    fn is_newer(&self, credential: Credential, revocation: &Revocation) -> bool {
        let shard = self.shard(credential).read();
        let standing = shard.get(&credential).map(|entry| &entry.standing);
        standing
            .zip(revocation.access_version)
            .is_some_and(|(standing, version)| {
                standing.user.0 == revocation.subject && standing.version.access >= version
            })
    }

    /// Sessions of the person or organization that a revocation is about, which began before its instant.
    fn begun_before(&self, revocation: &Revocation) -> Vec<Credential> {
        let before = revocation.access_version.map(from_micros);
        self.theirs(revocation, |standing| {
            matches!(standing.credential, Credential::Session(_))
                && before.is_none_or(|before| standing.created_at < before)
        })
    }

    /// What began after the instant of a revocation, and yet may be over by it: when a token of an external issuer was issued,
    /// whoever shows it knows; and when the session began from which an operator acts as somebody else, the primary.
    fn perhaps_over(&self, revocation: &Revocation) -> Vec<Credential> {
        self.theirs(revocation, |standing| {
            standing.impersonation.is_some() || matches!(standing.credential, Credential::External(_))
        })
    }

    fn theirs(&self, revocation: &Revocation, which: impl Fn(&Standing) -> bool) -> Vec<Credential> {
        let all = revocation.subject == revocation.organization.0;
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let theirs = shard.iter().filter(|(_, Entry { standing, .. })| {
                let is_theirs = if all {
                    standing.organization == revocation.organization
                } else {
                    standing.hangs_on().any(|id| id == revocation.subject)
                };
                is_theirs && which(standing)
            });
            found.extend(theirs.map(|(credential, _)| *credential));
        }
        found
    }
}
