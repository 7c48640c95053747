//! AuditSequencer: order, hashes and signed checkpoints of the audit log, in one node of the cluster. The work is
//! `signalbox_core::audit::chain`; this gives it a place in the tree.
//!
//! Invariant: nothing lives here: the work list is a table, written with each entry.

#[cfg(test)]
mod tests;

use std::time::Duration;

use actix::{Actor, AsyncContext, WrapFuture};
use signalbox_core::Store;
use signalbox_core::audit::chain::{ROLE, lead};

use crate::leadership::Seat;
use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// This node's sequencer, whether it leads or waits.
#[derive(Clone)]
pub struct AuditSequencer {
    seat: Seat,
    _actor: Handle<Sequencer>,
}

impl std::fmt::Debug for AuditSequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AuditSequencer").field(&self.seat).finish()
    }
}

impl AuditSequencer {
    /// Adds the sequencer to the tree. `node` tells this start of this process from all others.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, store: &Store, node: &str) -> Result<Self, StartError> {
        let seat = Seat::of(ROLE, node);
        let parts = (store.clone(), seat.clone());
        let spec = Spec::named("audit_sequencer").parent("cluster").order(61);
        let actor = tree.child(spec, move || Sequencer {
            store: parts.0.clone(),
            seat: parts.1.clone(),
        })?;
        Ok(Self { seat, _actor: actor })
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leading(&self) -> bool {
        self.seat.is_leading()
    }

    /// Lets another node lead; takes `within` at most. Entries not yet chained wait for it.
    pub async fn retire(&self, within: Duration) {
        self.seat.retire(within).await;
    }
}

/// The actor behind [`AuditSequencer`].
struct Sequencer {
    store: Store,
    seat: Seat,
}

impl Actor for Sequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (store, seat) = (self.store.clone(), self.seat.clone());
        let leading = async move { seat.hold(&store, async |lease| lead(&store, lease).await).await };
        ctx.spawn(leading.into_actor(self));
    }
}

impl Supervised for Sequencer {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
