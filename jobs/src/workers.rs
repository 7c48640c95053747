//! A node's workers: started once, stopped once.

use crate::again::again;
use crate::backend::Claims;
use crate::desk::{Desk, Held};
use crate::registry::Kind;
use crate::{keeper, runner};
use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Monitor, ParallelizeExt, WorkerBuilder};
use signalbox_core::Store;
use signalbox_core::jobs::{KeptDays, Node};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How a node works.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node and this start of it.
    pub node: Node,
    /// Jobs of one queue at the same time.
    pub concurrency: usize,
    /// Life of a lease without renewal, in seconds.
    pub lease_seconds: f64,
    /// For how long ended jobs are kept.
    pub kept: KeptDays,
}

/// The workers of one node. Dropped without [`Workers::stop`] they end as if the node had been killed.
pub struct Workers {
    desk: Arc<Desk>,
    monitor: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Workers")
    }
}

impl Workers {
    /// Starts working on the queues of `kinds`, within a tokio runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "both tasks are owned by the value returned, and end with it"
    )]
    pub fn start(store: Store, kinds: Vec<Kind>, options: Options) -> Self {
        let desk = Arc::new(Desk::new(store, options.node, options.lease_seconds));
        let keeping = desk.clone();
        Self {
            monitor: tokio::spawn(monitor(desk.clone(), kinds, options.concurrency)),
            keeper: tokio::spawn(async move {
                again("keeper", || Box::pin(keeper::keep(&keeping, options.kept))).await;
            }),
            desk,
        }
    }

    /// Takes nothing more, lets every run reach its next checkpoint, gives the jobs back, and ends. What does not get
    /// there within `deadline` is left to the leases.
    pub async fn stop(mut self, deadline: Duration) {
        self.desk.begin_stop();
        if tokio::time::timeout(deadline, &mut self.monitor).await.is_err() {
            tracing::warn!("some runs did not reach a checkpoint in time; other nodes take them over");
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.monitor.abort();
        self.keeper.abort();
    }
}

async fn monitor(desk: Arc<Desk>, kinds: Vec<Kind>, concurrency: usize) {
    let stopping = desk.clone();
    let mut monitor = Monitor::new();
    for kind in kinds {
        let desk = desk.clone();
        monitor = monitor.register(move |restarts| {
            let (working, handler) = (desk.clone(), kind.run);
            WorkerBuilder::new(format!("{}:{restarts}", kind.queue))
                .backend(Claims::new(desk.clone(), kind.queue, kind.longest))
                .concurrency(concurrency)
                .parallelize(spawn)
                .build(move |held: Held| {
                    let desk = working.clone();
                    async move {
                        runner::run(&desk, handler, held).await;
                        Ok::<(), BoxDynError>(())
                    }
                })
        });
    }
    let ended = monitor
        .should_restart(|_, _| true)
        .run_with_signal(async move {
            stopping.stop.notified().await;
            Ok(())
        })
        .await;
    if let Err(error) = ended {
        tracing::error!(%error, "the workers ended");
    }
}

/// Each run is a task of its own, so that one busy job holds up no other.
#[expect(
    clippy::disallowed_methods,
    reason = "the worker waits for the run and stops after it"
)]
fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(run: F) -> JoinHandle<F::Output> {
    tokio::spawn(run)
}
