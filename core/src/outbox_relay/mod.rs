//! The outbox relay: gives events their order and offsets, publishes them, and mends what Redis has lost. Tables
//! `outbox`, `outbox_positions`, `live_channels`, `counters`, `leaders`. How it goes, as tables: `docs/DELIVERY.md`.
//!
//! One node leads. It may be killed or frozen at any instruction, so each step is judged by what it leaves behind:
//!
//! Invariant: a row gets its places and its counters' deltas in one transaction, which ends with the lease.
//! Invariant: a position never changes its row; a new epoch is the only way to take an offset back.
//! Invariant: a row is marked as published after Redis has it in all its channels. The mark saves work and proves
//! nothing: the tops do.

mod counters;
mod mend;
mod order;
mod prune;
mod publish;
mod wire;

#[cfg(test)]
mod tests;

pub use mend::compare;
pub use order::{Ordered, order};
pub use prune::{forget_channels, prune};
pub use publish::publish;

use crate::Store;
use crate::bus::Signal;
use crate::bus::control::Control;
use crate::db::leader::{LOST, Lease, RENEW};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::OrganizationId;
use crate::live::history;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Role in table `leaders`.
pub const ROLE: &str = "outbox_relay";

/// Hints may be lost; this look is the guarantee.
const POLL: Duration = Duration::from_millis(100);
/// Pause after a step that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// At most four states of the counters a second.
const TELL: Duration = Duration::from_millis(250);
/// Between two walks through the outbox for rows to delete, and between two batches of one.
const PRUNE: Duration = Duration::from_secs(60);
const PRUNE_BATCH: Duration = Duration::from_millis(50);
/// Between two looks for channels of ended jobs.
const FORGET: Duration = Duration::from_hours(1);

/// One live channel of one organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stream {
    organization: OrganizationId,
    channel: String,
}

/// Leads until the lead is lost; returns then. Dropping it leaves nothing half done.
pub async fn lead(store: &Store, lease: &Lease) {
    let relay = Relay {
        store,
        lease,
        ordered: Notify::new(),
        lost: AtomicBool::new(true),
        dirty: Mutex::default(),
    };
    tokio::select! {
        () = relay.keep() => {}
        () = relay.listen() => {}
        () = relay.order() => {}
        () = relay.publish() => {}
        () = relay.tell() => {}
        () = relay.prune() => {}
        () = relay.forget() => {}
    }
}

/// Rows that are on their way: not ordered, or not published yet. Counts to 10,000.
pub async fn pending(store: &Store) -> Result<i64> {
    let mut tx = store.db.snapshot().await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE ordered_at IS NULL LIMIT 10000) a)
                + (SELECT count(*) FROM (SELECT FROM outbox WHERE ordered_at IS NOT NULL AND published_at IS NULL
                                         LIMIT 10000) b) AS "pending!""#
    )
    .fetch_one(&mut *tx)
    .await?)
}

struct Relay<'a> {
    store: &'a Store,
    lease: &'a Lease,
    /// There is something to publish.
    ordered: Notify,
    /// Redis may have lost something: compare before publishing on.
    lost: AtomicBool,
    /// Whose counters changed since they were last told.
    dirty: Mutex<BTreeSet<OrganizationId>>,
}

impl Relay<'_> {
    /// Keeps the lease; returns when it is lost.
    async fn keep(&self) {
        loop {
            match self.lease.renew(&self.store.db).await {
                Ok(true) => {}
                Ok(false) => return,
                // the database's clock decides, not ours: the next attempt will tell
                Err(error) => note("renew", &error),
            }
            if let Err(error) = self.measure().await {
                note("measure", &error);
            }
            sleep(RENEW).await;
        }
    }

    /// Hears of commits on other nodes, and of outages of the bus.
    async fn listen(&self) {
        let control = [self.store.bus.keys().control()];
        loop {
            match self.store.bus.subscribe(&control).await {
                Ok(mut heard) => {
                    while let Some(signal) = heard.next().await {
                        self.hear(&signal);
                    }
                }
                Err(error) => note("listen", &error),
            }
            sleep(PAUSE).await;
        }
    }

    fn hear(&self, signal: &Signal) {
        match signal {
            Signal::Message { payload, .. } => {
                if matches!(serde_json::from_slice(payload), Ok(Control::OutboxHint)) {
                    self.store.signals.outbox.notify_one();
                }
            }
            Signal::Lost | Signal::Subscribed => self.compare_soon(),
        }
    }

    fn compare_soon(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.ordered.notify_one();
    }

    async fn order(&self) {
        loop {
            match order(&self.store.db, self.lease).await {
                Ok(ordered) if ordered.rows > 0 => {
                    self.dirty.lock().extend(ordered.counted);
                    self.ordered.notify_one();
                    continue;
                }
                Ok(_) => {}
                Err(error) if error.code == LOST => return,
                Err(error) => {
                    note("order", &error);
                    sleep(PAUSE).await;
                }
            }
            let _ = tokio::time::timeout(POLL, self.store.signals.outbox.notified()).await;
        }
    }

    async fn publish(&self) {
        loop {
            match self.publish_step().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(RENEW, self.ordered.notified()).await;
                }
                Ok(_) => {}
                Err(error) if error.code == LOST => return,
                Err(error) => {
                    note("publish", &error);
                    self.lost.store(true, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn publish_step(&self) -> Result<usize> {
        if !history::leave_mark(&self.store.bus, self.lease.epoch()).await? {
            self.lost.store(true, Ordering::Relaxed);
        }
        if self.lost.swap(false, Ordering::Relaxed) {
            compare(self.store, self.lease).await?;
        }
        publish(self.store, self.lease).await
    }

    async fn tell(&self) {
        match counters::recent(self.store).await {
            Ok(recent) => self.dirty.lock().extend(recent),
            Err(error) => note("counters", &error),
        }
        loop {
            let dirty = std::mem::take(&mut *self.dirty.lock());
            for organization in dirty {
                if let Err(error) = counters::tell(self.store, organization).await {
                    note("counters", &error);
                    self.dirty.lock().insert(organization);
                }
            }
            sleep(TELL).await;
        }
    }

    async fn prune(&self) {
        let mut cursor = 0;
        loop {
            match prune(self.store, self.lease, cursor).await {
                Ok(next) => cursor = next,
                Err(error) if error.code == LOST => return,
                Err(error) => note("prune", &error),
            }
            sleep(if cursor == 0 { PRUNE } else { PRUNE_BATCH }).await;
        }
    }

    async fn forget(&self) {
        loop {
            let more = match forget_channels(self.store, self.lease).await {
                Ok(more) => more,
                Err(error) if error.code == LOST => return,
                Err(error) => {
                    note("forget", &error);
                    false
                }
            };
            sleep(if more { PRUNE_BATCH } else { FORGET }).await;
        }
    }

    async fn measure(&self) -> Result<()> {
        let mut tx = self.store.db.snapshot().await?;
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE ordered_at IS NULL LIMIT 100000) u) AS "unordered!",
                 extract(epoch FROM clock_timestamp() - least(
                   (SELECT at FROM outbox WHERE ordered_at IS NULL ORDER BY seq LIMIT 1),
                   (SELECT at FROM outbox WHERE ordered_at IS NOT NULL AND published_at IS NULL ORDER BY seq LIMIT 1))
                 )::float8 AS lag"#
        )
        .fetch_one(&mut *tx)
        .await?;
        metrics::gauge!("signalbox_outbox_unordered").set(row.unordered as f64);
        metrics::gauge!("signalbox_outbox_lag_seconds").set(row.lag.unwrap_or(0.0).max(0.0));
        Ok(())
    }
}

fn note(step: &'static str, error: &Error) {
    metrics::counter!("signalbox_outbox_errors_total", "step" => step).increment(1);
    tracing::warn!(step, error = %error, cause = ?error.source, "a step of the outbox relay failed and is tried again");
}
