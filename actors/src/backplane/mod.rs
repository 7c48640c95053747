//! This node's ear on the bus: publications for the live hub, control messages for whoever acts on them, and the proof
//! that both still arrive.
//!
//! Invariant: delivery is vouched for by the node's own words coming back: for [`SILENCE`] from when they were said. A
//! node that does not hear itself shows nobody anything, since a revocation might be among what it does not hear.
//! Invariant: after every interruption, before it vouches again, everything that may have been missed of revocations
//! was read from PostgreSQL.
//! Invariant: after every interruption each followed channel is compared with what is stored.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, StreamHandler, WrapFuture};
use bytes::Bytes;
use futures::future::BoxFuture;
use signalbox_core::Store;
use signalbox_core::bus::Signal;
use signalbox_core::bus::control::Control;
use signalbox_core::fault;
use signalbox_core::kernel::error::Result;
use signalbox_core::live::history::Batch;

use crate::live_hub::{LiveHub, Publication};
use crate::nodes::Nodes;
use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// How often the node says something to itself over the bus.
const BEAT: Duration = Duration::from_millis(500);

/// How long its own words may be missing. Redis restarting within it ends nothing.
pub const SILENCE: Duration = Duration::from_secs(4);

/// Heartbeats remembered while they are on their way.
const SAID: usize = 64;

/// When channels are compared once more after an interruption.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The pause before listening again after the connection was given up.
const PAUSE: Duration = Duration::from_millis(250);

/// Who acts on control messages.
pub trait ControlListener: Send + Sync + 'static {
    /// A message of any node, this one included. Must be quick and must not wait.
    fn heard(&self, message: Control);

    /// Reads and applies everything that may have been missed while the bus was silent. Live delivery opens after it.
    fn settle(&self) -> BoxFuture<'static, Result<()>>;
}

/// Keeps the actor's name in the tree.
#[derive(Clone)]
pub struct Backplane {
    _handle: Handle<Ear>,
}

impl std::fmt::Debug for Backplane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backplane")
    }
}

impl Backplane {
    /// Adds the backplane to the tree: `hub` is handed publications, `nodes` what nodes say to each other, `control` all
    /// else on the control channel.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(
        tree: &Tree,
        store: &Store,
        hub: &LiveHub,
        nodes: &Nodes,
        control: Arc<dyn ControlListener>,
    ) -> Result<Self, StartError> {
        let (store, nodes, hub) = (store.clone(), nodes.clone(), hub.clone());
        let spec = Spec::named("backplane").order(40);
        let handle = tree.child(spec, move || Ear {
            store: store.clone(),
            nodes: nodes.clone(),
            hub: hub.clone(),
            control: control.clone(),
            said: VecDeque::new(),
            beats: 0,
            heard: None,
            gap: true,
            settling: false,
        })?;
        Ok(Self { _handle: handle })
    }
}

/// The actor behind [`Backplane`].
struct Ear {
    store: Store,
    nodes: Nodes,
    hub: LiveHub,
    control: Arc<dyn ControlListener>,
    beats: u64,
    /// Heartbeats on their way, with when they were said.
    said: VecDeque<(u64, Instant)>,
    /// When the newest heartbeat that came back was said.
    heard: Option<Instant>,
    /// Messages may have been lost, and what was lost is not yet made good.
    gap: bool,
    settling: bool,
}

impl Ear {
    fn listen(&mut self, ctx: &mut Context<Self>) {
        let bus = self.store.bus.clone();
        let mut channels = bus.keys().fans();
        channels.extend([bus.keys().node(self.nodes.name()), bus.keys().control()]);
        let open = async move { bus.subscribe(&channels).await };
        ctx.spawn(
            open.into_actor(self)
                .map(|subscription, ear, ctx| match subscription {
                    Ok(subscription) => {
                        // at once: delivery opens when it comes back, and a start waits for that
                        ear.beat(ctx);
                        ctx.add_stream(futures::stream::unfold(subscription, async |mut subscription| {
                            subscription.next().await.map(|signal| (signal, subscription))
                        }));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the bus cannot be heard; trying again");
                        ctx.run_later(PAUSE, Self::listen);
                    }
                }),
        );
    }

    fn beat(&mut self, ctx: &mut Context<Self>) {
        self.beats += 1;
        self.said.push_back((self.beats, Instant::now()));
        if self.said.len() > SAID {
            self.said.pop_front();
        }
        let (bus, beat) = (
            self.store.bus.clone(),
            Control::Beat {
                node: self.nodes.name().to_owned(),
                n: self.beats,
            },
        );
        // what cannot be said is not heard, which is all that anybody acts upon
        let say = async move { bus.tell(&beat).await.map_or((), |()| ()) };
        ctx.spawn(say.into_actor(self));
        self.hub.export();
    }

    /// A heartbeat of this node came back.
    fn hear(&mut self, n: u64, ctx: &mut Context<Self>) {
        self.said.retain(|(older, _)| *older >= n);
        let Some((_, said)) = self.said.pop_front().filter(|(found, _)| *found == n) else {
            return;
        };
        self.heard = Some(said);
        self.gap |= !self.hub.is_open();
        if self.gap {
            self.settle(ctx);
        } else {
            self.hub.vouch_until(said + fault::silence(SILENCE));
        }
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.settling, true) {
            return;
        }
        // what is lost from here on is another gap
        self.gap = false;
        let settled = self.control.settle().into_actor(self);
        ctx.spawn(settled.map(|result, ear, ctx| {
            ear.settling = false;
            match (result, ear.heard) {
                (Ok(()), Some(heard)) if !ear.gap => {
                    ear.hub.vouch_until(heard + fault::silence(SILENCE));
                    ear.hub.compare();
                    // channels are subscribed again one by one: what was published in between is found by looking twice
                    ctx.run_later(LOOK_AGAIN, |ear, _| ear.hub.compare());
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "revocations cannot be read; live delivery stays closed");
                    ear.gap = true;
                }
                _ => ear.gap = true,
            }
        }));
    }

    fn message(&mut self, channel: &str, payload: &Bytes, ctx: &mut Context<Self>) {
        let keys = self.store.bus.keys();
        if channel == keys.node(self.nodes.name()) {
            return self.nodes.heard_alone(payload);
        }
        if channel != keys.control() {
            if let Some(batch) = Batch::parse(payload) {
                if batch.payloads.is_empty() {
                    // a stream began anew and nobody knows when its first event comes
                    self.hub.compare();
                }
                let publications = Publication::of_batch(batch);
                metrics::counter!("signalbox_live_publications_total").increment(publications.len() as u64);
                self.hub.publish(&publications);
            }
            return;
        }
        match serde_json::from_slice(payload) {
            Ok(Control::Beat { node, n }) if node == self.nodes.name() => self.hear(n, ctx),
            Ok(Control::Beat { .. }) => {}
            Ok(message @ (Control::Order(_) | Control::Ask { .. })) => self.nodes.heard(message),
            Ok(message) => self.control.heard(message),
            // of a newer node
            Err(error) => tracing::debug!(%error, "a control message that this version does not know"),
        }
    }
}

impl Actor for Ear {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.listen(ctx);
        ctx.run_interval(BEAT, Self::beat);
    }
}

impl Supervised for Ear {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}

impl StreamHandler<Signal> for Ear {
    fn handle(&mut self, signal: Signal, ctx: &mut Self::Context) {
        match signal {
            Signal::Message { channel, payload } => self.message(&channel, &payload, ctx),
            Signal::Lost => self.gap = true,
            Signal::Subscribed => {}
        }
    }

    /// The connection was given up for good; actix would stop the actor.
    fn finished(&mut self, ctx: &mut Self::Context) {
        self.gap = true;
        ctx.run_later(PAUSE, Self::listen);
    }
}
