//! What the cluster's single ones have in common: each node runs the actor, and one of them leads.
//!
//! Invariant: work happens only inside a lease, and stops when the lease is lost. Invariant: who retires gives the lease
//! back, so that the next leads at once instead of after the lease's 3 s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signalbox_core::Store;
use signalbox_core::db::leader::{Lease, RENEW};
use tokio::sync::watch;

/// One role as this node sees it; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Seat(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    role: &'static str,
    /// For people's eyes: node and start.
    holder: String,
    leading: AtomicBool,
    retire: watch::Sender<bool>,
}

impl Seat {
    pub fn of(role: &'static str, holder: &str) -> Self {
        Self(Arc::new(Inner {
            role,
            holder: holder.to_owned(),
            leading: AtomicBool::new(false),
            retire: watch::Sender::new(false),
        }))
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leading(&self) -> bool {
        self.0.leading.load(Ordering::Relaxed)
    }

    /// Leads with `work` whenever nobody else does; returns after [`Seat::retire`]. `work` returns when the lease is lost.
    pub async fn hold(&self, store: &Store, work: impl AsyncFn(&Lease)) {
        let mut retire = self.0.retire.subscribe();
        self.say(false);
        while !*retire.borrow() {
            match Lease::take(&store.db, self.0.role, &self.0.holder).await {
                Ok(Some(lease)) => self.lead(store, &lease, &work, &mut retire).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(role = self.0.role, %error, cause = ?error.source, "the lead cannot be asked for; trying again");
                }
            }
            let _ = tokio::time::timeout(RENEW, retire.wait_for(|retire| *retire)).await;
        }
    }

    async fn lead(
        &self,
        store: &Store,
        lease: &Lease,
        work: &impl AsyncFn(&Lease),
        retire: &mut watch::Receiver<bool>,
    ) {
        tracing::info!(role = self.0.role, epoch = lease.epoch(), "this node leads");
        self.say(true);
        tokio::select! {
            () = work(lease) => tracing::warn!(role = self.0.role, epoch = lease.epoch(), "the lead is lost"),
            _ = retire.wait_for(|retire| *retire) => {
                if let Err(error) = lease.give_back(&store.db).await {
                    tracing::warn!(role = self.0.role, %error, "the lead could not be given back and lapses by itself");
                }
            }
        }
        self.say(false);
    }

    fn say(&self, leading: bool) {
        self.0.leading.store(leading, Ordering::Relaxed);
        metrics::gauge!("signalbox_leader", "role" => self.0.role).set(f64::from(u8::from(leading)));
    }

    /// Lets another node lead. Returns when this one does not any more, or after `within`.
    pub async fn retire(&self, within: Duration) {
        self.0.retire.send_replace(true);
        let _ = tokio::time::timeout(within, until(|| !self.is_leading())).await;
    }
}

/// Returns when `condition` holds, looking again every 20 ms.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
