//! OutboxRelay: orders and publishes what was committed, in one node of the cluster. The work is
//! `signalbox_core::outbox_relay`; this gives it a place in the tree.
//!
//! Invariant: nothing lives here. A restart, a panic or a freeze costs time and loses nothing.

#[cfg(test)]
mod tests;

use std::time::Duration;

use actix::{Actor, AsyncContext, WrapFuture};
use signalbox_core::Store;
use signalbox_core::outbox_relay::{ROLE, lead, pending};

use crate::leadership::Seat;
use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// This node's relay, whether it leads or waits.
#[derive(Clone)]
pub struct OutboxRelay {
    store: Store,
    seat: Seat,
    _actor: Handle<Relay>,
}

impl std::fmt::Debug for OutboxRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OutboxRelay").field(&self.seat).finish()
    }
}

impl OutboxRelay {
    /// Adds the relay to the tree. `node` tells this start of this process from all others.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, store: &Store, node: &str) -> Result<Self, StartError> {
        let seat = Seat::of(ROLE, node);
        let parts = (store.clone(), seat.clone());
        let spec = Spec::named("outbox_relay").parent("cluster").order(60);
        let actor = tree.child(spec, move || Relay {
            store: parts.0.clone(),
            seat: parts.1.clone(),
        })?;
        Ok(Self {
            store: store.clone(),
            seat,
            _actor: actor,
        })
    }

    /// Whether this node leads, as far as it knows.
    pub fn is_leading(&self) -> bool {
        self.seat.is_leading()
    }

    /// For the stop of the node, when nothing is written here any more: sends off what is on its way and lets another
    /// node lead. Takes `within` at most; what is left is sent by whoever leads next. Answers whether anything is left.
    pub async fn retire(&self, within: Duration) -> bool {
        let flushed = async {
            while self.is_leading() && !matches!(pending(&self.store).await, Ok(0)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let left = tokio::time::timeout(within * 3 / 4, flushed).await.is_err();
        self.seat.retire(within / 4).await;
        left
    }
}

/// The actor behind [`OutboxRelay`].
struct Relay {
    store: Store,
    seat: Seat,
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (store, seat) = (self.store.clone(), self.seat.clone());
        let leading = async move { seat.hold(&store, async |lease| lead(&store, lease).await).await };
        ctx.spawn(leading.into_actor(self));
    }
}

impl Supervised for Relay {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
