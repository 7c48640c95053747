//! A claimed job in the hands of its handler.

use super::model::{Job, Lease};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::watch;

/// Why a run should end before its work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A person asked for it.
    Cancelled,
    /// This node stops: keep the checkpoint and give the job back.
    Stopping,
}

/// Asks a handler to end. Clones speak of the same run.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<Option<Ending>>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl Cancel {
    /// Asks; what was asked first stays, except that a person's cancelling outranks a stop.
    pub fn ask(&self, ending: Ending) {
        self.0.send_if_modified(|now| {
            let newer = now.is_none() || ending == Ending::Cancelled;
            let changed = newer && *now != Some(ending);
            if changed {
                *now = Some(ending);
            }
            changed
        });
    }

    /// What was asked, if anything: a handler looks after each checkpoint.
    pub fn asked(&self) -> Option<Ending> {
        *self.0.borrow()
    }

    /// Waits until something is asked.
    pub async fn wait(&self) -> Ending {
        let mut asked = self.0.subscribe();
        loop {
            if let Some(ending) = *asked.borrow_and_update() {
                return ending;
            }
            if asked.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Counted {
    done: AtomicI64,
    total: AtomicI64,
    phase: Mutex<&'static str>,
    changed: AtomicBool,
}

/// How far a run is: written by the handler as often as it likes, read and published at most four times a second.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counted>);

impl Progress {
    /// Sets all three. `total` is 0 while it is not known.
    pub fn set(&self, done: i64, total: i64, phase: &'static str) {
        self.0.done.store(done, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        *self.0.phase.lock() = phase;
        self.0.changed.store(true, Ordering::Release);
    }

    /// Done, total, phase.
    pub fn read(&self) -> (i64, i64, &'static str) {
        (
            self.0.done.load(Ordering::Relaxed),
            self.0.total.load(Ordering::Relaxed),
            *self.0.phase.lock(),
        )
    }

    /// The same, if it changed since the last call.
    pub fn take(&self) -> Option<(i64, i64, &'static str)> {
        self.0.changed.swap(false, Ordering::AcqRel).then(|| self.read())
    }
}

/// One run of one job.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job as it was claimed.
    pub job: Job,
    /// The right to run it.
    pub lease: Lease,
    /// For the handler.
    pub payload: Value,
    /// What the last checkpoint kept; null before the first.
    pub checkpoint: Value,
    /// Tells when to end.
    pub cancel: Cancel,
    /// Tells how far it is.
    pub progress: Progress,
}
