//! Reads of the primary that are under way: one per session or key, however many ask, and each knows what was heard meanwhile.
//!
//! The race this settles: a read sees a session or key good, a revocation commits and is heard, and then the read's result
//! arrives. Whoever began to read before the revocation was heard must read again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use signalbox_core::kernel::ctx::Credential;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Denied, Known};

/// What a read came to; `None` while it lasts.
type Outcome = Option<Result<Known, Denied>>;

/// All reads under way.
#[derive(Default)]
pub(super) struct Loading(Mutex<HashMap<Credential, Read>>);

struct Read {
    outcome: watch::Sender<Outcome>,
    /// Sessions, keys, people and organizations heard of since it began.
    heard: Vec<Uuid>,
}

/// Who reads, and who waits for the other's result.
pub(super) enum Turn {
    Read(Reading),
    Wait(watch::Receiver<Outcome>),
}

/// The duty to read one session or key. Dropped undone (its caller went away), whoever waits takes over.
pub(super) struct Reading {
    loading: Arc<Loading>,
    credential: Credential,
}

impl Loading {
    pub(super) fn turn(self: &Arc<Self>, credential: Credential) -> Turn {
        let mut reads = self.0.lock();
        if let Some(read) = reads.get(&credential) {
            return Turn::Wait(read.outcome.subscribe());
        }
        reads.insert(
            credential,
            Read {
                outcome: watch::Sender::new(None),
                heard: Vec::new(),
            },
        );
        Turn::Read(Reading {
            loading: Arc::clone(self),
            credential,
        })
    }

    /// Tells every read under way that `subject` was heard of.
    pub(super) fn hear(&self, subject: Uuid) {
        for read in self.0.lock().values_mut() {
            read.heard.push(subject);
        }
    }
}

impl Reading {
    /// Forgets what was heard: the read begins (again) now.
    pub(super) fn begin(&self) {
        if let Some(read) = self.loading.0.lock().get_mut(&self.credential) {
            read.heard.clear();
        }
    }

    /// Runs `keep` if nothing of `subjects` was heard of since [`Self::begin`]. Heard-of marks and `keep` are under one
    /// lock, so a revocation is either seen here, or comes after what `keep` has done.
    pub(super) fn unless_heard(&self, subjects: &[Uuid], keep: impl FnOnce()) -> bool {
        let reads = self.loading.0.lock();
        let clean = reads
            .get(&self.credential)
            .is_some_and(|read| !read.heard.iter().any(|heard| subjects.contains(heard)));
        if clean {
            keep();
        }
        clean
    }

    /// Hands the result to whoever waits.
    pub(super) fn done(self, outcome: &Result<Known, Denied>) {
        if let Some(read) = self.loading.0.lock().remove(&self.credential) {
            read.outcome.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // After `done` there is nothing left to remove. Otherwise dropping the sender wakes those who wait.
        self.loading.0.lock().remove(&self.credential);
    }
}
