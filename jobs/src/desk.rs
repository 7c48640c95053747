//! What this node holds: the runs it has claimed, and how each is told to end.

use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::change::ledger;
use signalbox_core::jobs::{self, Cancel, Ending, Lease, Node, Run, dispatch};
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::id::JobId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// A run in this node's hands.
#[derive(Clone, Debug)]
struct Held {
    cancel: Cancel,
    lost: Arc<Notify>,
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
    held: Mutex<HashMap<Lease, Held>>,
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

    /// Claims one job of `queue`. Without Redis the ledger itself is asked.
    pub async fn claim(&self, queue: &str) -> Result<Option<Run>> {
        let Ok(ids) = dispatch::take(&self.store.bus, queue, 1).await else {
            let mut tx = self.store.db.snapshot().await?;
            let due = jobs::store::due(&mut tx, queue, 8).await?;
            drop(tx);
            // one after the other: there is room for one, and another node may be first
            for id in due {
                if let Some(run) = self.claim_one(id).await? {
                    return Ok(Some(run));
                }
            }
            return Ok(None);
        };
        // an id may stand there still of a job that is over: the next one is tried, not waited for
        let mut ids = ids;
        while let Some(id) = ids.pop() {
            if let Some(run) = self.claim_one(id).await? {
                return Ok(Some(run));
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

    async fn claim_one(&self, id: uuid::Uuid) -> Result<Option<Run>> {
        let runs = ledger::claim(&self.store, &self.node, self.lease_seconds, &[id]).await?;
        let run = runs.into_iter().next();
        if let Some(run) = &run {
            let held = Held {
                cancel: run.cancel.clone(),
                lost: Arc::default(),
            };
            self.held.lock().insert(run.lease, held);
            if self.stopping() {
                run.cancel.ask(Ending::Stopping);
            }
        }
        Ok(run)
    }

    /// Waits until the run's lease is another's.
    pub async fn lost(&self, lease: Lease) {
        let lost = self.held.lock().get(&lease).map(|held| held.lost.clone());
        if let Some(lost) = lost {
            lost.notified().await;
        }
    }

    /// The run is over.
    pub fn put_down(&self, lease: Lease) {
        self.held.lock().remove(&lease);
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

    pub fn leases(&self) -> Vec<Lease> {
        self.held.lock().keys().copied().collect()
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
