//! The actor: writes what is to be written, and clears away after nodes that are gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Handler, WrapFuture};
use futures::future::join_all;
use signalbox_core::Store;
use signalbox_core::live::application::map::Presences;
use signalbox_core::live::presence::apply;
use signalbox_core::live::presence::burial::{Burial, bury, clear_stray};
use tokio::sync::watch;

use super::Wake;
use super::list::{Batch, List};
use crate::nodes::{Nodes, Standing};
use crate::supervision::{Context, Supervised};

/// How often is looked whether something is to be done that nobody said.
const LOOK: Duration = Duration::from_millis(250);
/// Before what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(250);
/// A node whose lease has lapsed has so long to come back before others clear away after it.
const GRACE: Duration = Duration::from_millis(500);
/// The same after an interruption of the bus: the others may only not have had their turn yet.
const GRACE_AFTER_INTERRUPTION: Duration = Duration::from_secs(3);
/// Nodes look at each other every second; when that took longer, the bus was interrupted.
const INTERRUPTED: Duration = Duration::from_millis(1_800);
/// Steps that fail so often while Redis answers can never be done.
const HOPELESS: u32 = 20;

pub(super) struct Worker {
    store: Store,
    maps: Presences,
    list: Arc<List>,
    node: String,
    standing: watch::Receiver<Standing>,
    generation: u64,
    /// When the nodes were last looked at, and until when they are not trusted to be late.
    looked: Instant,
    interrupted: Option<Instant>,
    /// Nodes whose lease has lapsed, since when that is seen.
    lapsed: HashMap<String, Instant>,
    failures: u32,
    writing: bool,
    clearing: bool,
}

impl Worker {
    pub(super) fn new(store: Store, maps: Presences, list: Arc<List>, nodes: &Nodes) -> Self {
        Self {
            store,
            maps,
            list,
            node: nodes.name().to_owned(),
            standing: nodes.standing(),
            generation: 0,
            looked: Instant::now(),
            interrupted: None,
            lapsed: HashMap::new(),
            failures: 0,
            writing: false,
            clearing: false,
        }
    }

    /// Writes batch after batch until nothing waits. Nothing is written before the node has its lease.
    fn write(&mut self, ctx: &mut Context<Self>) {
        if self.writing {
            return;
        }
        // between two batches, so that each is written under one generation
        let begun = self.standing.borrow().begun;
        if begun > self.generation {
            // the first time there is nothing to write again, unless the actor was replaced
            self.generation = begun;
            self.list.again();
        }
        if self.generation == 0 {
            return;
        }
        let Some(batch) = self.list.next() else { return };
        self.writing = true;
        let (store, node, generation) = (self.store.clone(), self.node.clone(), self.generation);
        let maps = self.maps.clone();
        let write = async move {
            let written = apply(&store.bus, &maps, &node, generation, &batch.steps).await;
            let answers = written.is_ok() || store.bus.ping().await.is_ok();
            (batch, written, answers)
        };
        ctx.spawn(
            write
                .into_actor(self)
                .map(|(batch, written, answers), worker, ctx| match written {
                    Ok(()) => {
                        worker.failures = 0;
                        worker.list.done(batch);
                        worker.writing = false;
                        worker.write(ctx);
                    }
                    Err(error) => {
                        worker.give_back(batch, &error.to_string(), answers);
                        ctx.run_later(PAUSE, |worker, ctx| {
                            worker.writing = false;
                            worker.write(ctx);
                        });
                    }
                }),
        );
    }

    fn give_back(&mut self, batch: Batch, error: &str, answers: bool) {
        self.list.failed(&batch, error);
        self.failures = if answers { self.failures + 1 } else { 0 };
        if self.failures < HOPELESS {
            tracing::debug!(error, "presence could not be written; trying again");
            return;
        }
        tracing::error!(
            error,
            "presence cannot be written though Redis answers; going on without it"
        );
        self.failures = 0;
        self.list.done(batch);
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.standing.has_changed().unwrap_or(false) {
            let standing = self.standing.borrow_and_update().clone();
            self.note(&standing);
        }
        let (here, waiting) = self.list.sizes();
        metrics::gauge!("signalbox_presence_clients").set(here as f64);
        metrics::gauge!("signalbox_presence_waiting").set(waiting as f64);
        self.write(ctx);
        self.clear(ctx);
    }

    fn note(&mut self, standing: &Standing) {
        let now = Instant::now();
        if now.duration_since(self.looked) > INTERRUPTED || !standing.census.held {
            self.interrupted = Some(now);
        }
        self.looked = now;
        let lapsed = &standing.census.lapsed;
        self.lapsed.retain(|node, _| lapsed.contains(node));
        for node in lapsed.iter().filter(|node| **node != self.node) {
            self.lapsed.entry(node.clone()).or_insert(now);
        }
    }

    /// Clears away after nodes that had their time to come back, and strays.
    fn clear(&mut self, ctx: &mut Context<Self>) {
        let recently = self
            .interrupted
            .is_some_and(|at| at.elapsed() < GRACE_AFTER_INTERRUPTION);
        let grace = if recently { GRACE_AFTER_INTERRUPTION } else { GRACE };
        let due = self.lapsed.iter().filter(|(_, since)| since.elapsed() >= grace);
        let due: Vec<String> = due.map(|(node, _)| node.clone()).collect();
        if self.clearing || self.generation == 0 {
            return;
        }
        let strays = self.list.take_strays();
        if due.is_empty() && strays.is_empty() {
            return;
        }
        self.clearing = true;
        let (store, maps, by) = (self.store.clone(), self.maps.clone(), self.node.clone());
        let clear = async move {
            for (channel, node) in strays {
                // what is not cleared away is found again by whoever looks next
                let cleared =
                    clear_stray(&store.bus, &maps, channel.organization, &channel.name, &node).await;
                tracing::debug!(?cleared, "entries of a node that is gone");
            }
            join_all(due.iter().map(|node| bury(&store.bus, &maps, node, &by))).await
        };
        ctx.spawn(clear.into_actor(self).map(|buried, worker, _| {
            worker.clearing = false;
            for burial in buried {
                match burial {
                    Ok(Burial::Done(entries)) => {
                        metrics::counter!("signalbox_presence_buried_total").increment(entries as u64);
                        tracing::info!(entries, "a node is gone, and its clients with it");
                    }
                    Ok(Burial::Claimed | Burial::Lives) => {}
                    Err(error) => tracing::debug!(%error, "what a node has left could not be cleared away"),
                }
            }
        }));
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        ctx.run_interval(LOOK, Self::look);
    }
}

impl Supervised for Worker {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}

impl Handler<Wake> for Worker {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Self::Context) {
        self.write(ctx);
    }
}
