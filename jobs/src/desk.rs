//! What this node holds: the runs it has claimed, and how each is told to end.
//!
//! Invariant: a run stands here for as long as its [`Held`] lives, however it ends, and no longer than its kind may take: only
//! what stands here is renewed, so a run that is lost is taken over.

use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::change::ledger;
use signalbox_core::jobs::{self, Cancel, Ending, Lease, Node, Run, dispatch};
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::JobId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// What the desk notes of a run.
#[derive(Clone, Debug)]
struct Noted {
    cancel: Cancel,
    lost: Arc<Notify>,
    /// Renewed until then.
    until: Instant,
}

/// A run in this node's hands: dropped, with or without an outcome, it is held no longer.
pub(crate) struct Held {
    pub run: Run,
    /// How long it may take.
    pub longest: Duration,
    desk: Arc<Desk>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.desk.held.lock().remove(&self.run.lease);
    }
}

/// Shared by the backends, the runners and the keeper of one node.
pub(crate) struct Desk {
    pub store: Store,
    pub node: Node,
    pub lease_seconds: f64,
    /// Ids were given to Redis, or jobs may be due.
    pub wake: Notify,
    pub stop: Notify,
    stopping: AtomicBool,
    held: Mutex<HashMap<Lease, Noted>>,
}

impl Desk {
    pub fn new(store: Store, node: Node, lease_seconds: f64) -> Self {
        Self {
            store,
            node,
            lease_seconds,
            wake: Notify::new(),
            stop: Notify::new(),
            stopping: AtomicBool::new(false),
            held: Mutex::new(HashMap::new()),
        }
    }

    /// Claims one job of `queue`, whose runs may take `longest`. Without Redis the ledger itself is asked.
    pub async fn claim(self: &Arc<Self>, queue: &str, longest: Duration) -> Result<Option<Held>> {
        let Ok(ids) = dispatch::take(&self.store.bus, queue, 1).await else {
            let mut tx = self.store.db.snapshot().await?;
            let due = jobs::store::due(&mut tx, queue, 8).await?;
            drop(tx);
            // one after the other: there is room for one, and another node may be first
            for id in due {
                if let Some(held) = self.claim_one(id, longest).await? {
                    return Ok(Some(held));
                }
            }
            return Ok(None);
        };
        // an id may stand there still of a job that is over: the next one is tried, not waited for
        let mut ids = ids;
        while let Some(id) = ids.pop() {
            if let Some(held) = self.claim_one(id, longest).await? {
                return Ok(Some(held));
            }
            if self.stopping() {
                break;
            }
            ids = dispatch::take(&self.store.bus, queue, 1)
                .await
                .unwrap_or_default();
        }
        Ok(None)
    }

    async fn claim_one(self: &Arc<Self>, id: Uuid, longest: Duration) -> Result<Option<Held>> {
        let runs = ledger::claim(&self.store, &self.node, self.lease_seconds, &[id]).await?;
        let Some(run) = runs.into_iter().next() else {
            return Ok(None);
        };
        let noted = Noted {
            cancel: run.cancel.clone(),
            lost: Arc::default(),
            // one that cannot even be dropped, because it never waits, loses its lease a little after it should have ended
            until: Instant::now() + longest + self.grace() * 2,
        };
        self.held.lock().insert(run.lease, noted);
        if self.stopping() {
            run.cancel.ask(Ending::Stopping);
        }
        Ok(Some(Held {
            run,
            longest,
            desk: self.clone(),
        }))
    }

    /// How long a run that was told to end may take to do so.
    pub fn grace(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }

    /// Waits until the run's lease is another's.
    pub async fn lost(&self, lease: Lease) {
        let lost = self.held.lock().get(&lease).map(|held| held.lost.clone());
        if let Some(lost) = lost {
            lost.notified().await;
        }
    }

    /// Compares what is held with what the ledger says is held: `before` were held when it was asked.
    pub fn compare(&self, before: &[Lease], renewed: &[(Lease, bool)]) {
        let held = self.held.lock();
        for lease in before {
            let Some(run) = held.get(lease) else { continue };
            match renewed.iter().find(|(renewed, _)| renewed == lease) {
                Some((_, true)) => run.cancel.ask(Ending::Cancelled),
                Some((_, false)) => {}
                None => run.lost.notify_one(),
            }
        }
    }

    /// A person asked for the end of `job`; nothing when it does not run here.
    pub fn cancel(&self, job: JobId) {
        let held = self.held.lock();
        for (_, run) in held.iter().filter(|(lease, _)| lease.job == job) {
            run.cancel.ask(Ending::Cancelled);
        }
    }

    /// What is to be renewed.
    pub fn leases(&self) -> Vec<Lease> {
        let (held, now) = (self.held.lock(), Instant::now());
        let renewed = held.iter().filter(|(_, run)| now < run.until);
        renewed.map(|(lease, _)| *lease).collect()
    }

    /// Takes nothing more and asks every run to give its job back.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for run in self.held.lock().values() {
            run.cancel.ask(Ending::Stopping);
        }
        self.wake.notify_waiters();
        self.stop.notify_waiters();
        self.stop.notify_one();
    }

    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}
