//! The stop, from above to below: each floor ends while those it stands on still run.
//!
//! `server.shutdown_seconds` in all, in twelfths: 3 for moving clients to other nodes and, beside that, for giving jobs
//! back; requests 2, actors 3 (two of them for the relay), and a third for the servers. What does not get done in its time is
//! left to what makes a `kill -9` harmless. While clients are moved, requests are served as before.

use std::time::Duration;

use actix_web::dev::Server;
use signalbox_actors::live_hub::LiveHub;
use signalbox_core::Store;
use signalbox_jobs::Workers;

use crate::actors::Actors;
use crate::health::Health;

/// Seconds that requests under way get of a stop of `seconds`.
pub fn for_requests(seconds: u64) -> u64 {
    (seconds / 6).max(1)
}

/// Everything above the servers, as it runs.
pub struct Floors {
    /// Absent when it has ended by itself.
    pub http: Option<Server>,
    pub workers: Option<Workers>,
    pub actors: Actors,
    pub store: Store,
    /// Clients moved to other nodes in a second; more where the time asks for it.
    pub drain_per_second: u32,
}

impl Floors {
    /// Stops them, and leaves a third of `within` to the servers.
    ///
    /// # Errors
    /// The HTTP server failed.
    pub async fn stop(self, health: &Health, within: Duration) -> std::io::Result<()> {
        let limit = within * 2 / 3;
        tokio::time::timeout(limit, self.in_order(health, within / 12))
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("the stop took too long and is cut short");
                Ok(())
            })
    }

    async fn in_order(self, health: &Health, twelfth: Duration) -> std::io::Result<()> {
        health.drain();
        tracing::info!("stopping: not ready from now on");
        let part = twelfth * 3;
        let jobs = async {
            if let Some(workers) = self.workers {
                workers.stop(part).await;
            }
            tracing::info!("stopping: jobs are given back");
        };
        let hub = &self.actors.hub;
        tokio::join!(move_clients(hub, self.drain_per_second, part), jobs);
        let outcome = match self.http {
            Some(http) => {
                let handle = http.handle();
                // told at once, though it is done only when it is polled: nobody new is taken
                tokio::join!(handle.stop(true), http).1
            }
            None => Ok(()),
        };
        tracing::info!("stopping: every request is answered");
        let report = self.actors.stop(part).await;
        if !report.killed.is_empty() {
            tracing::warn!(killed = ?report.killed, "actors that did not stop in time");
        }
        tracing::info!("stopping: the actors have stopped");
        self.store.db.close().await;
        outcome
    }
}

async fn move_clients(hub: &LiveHub, per_second: u32, within: Duration) {
    let connections = hub.connections();
    hub.drain(per_second, Some(within)).await;
    tracing::info!(
        connections,
        "stopping: everybody who listens was told to go elsewhere"
    );
}
