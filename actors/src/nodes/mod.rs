//! Nodes talking to each other: which of them live, what all of them are asked, what all of them are told to do.
//!
//! Invariant: this node's lease is renewed here and nowhere else, so that whoever keeps something in Redis under it learns
//! of every loss of it ([`Nodes::standing`]).
//! Invariant: nobody waits longer than [`PATIENCE`] for another node; who kept silent is named.
//! Invariant: an order is carried out when it is heard over the bus, by the node that gave it as well, so once.

mod answers;
mod direct;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use bytes::Bytes;
use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::bus::control::Control;
use signalbox_core::bus::nodes::Census;
use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, Question};
use signalbox_core::kernel::error::{Error, Result};
use tokio::sync::{mpsc, watch};

pub use answers::Answers;
use direct::Direct;
use messages::{Asked, Mine};

use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// How often the lease is renewed: it outlasts two renewals that fail.
const RENEW: Duration = Duration::from_secs(1);

/// How long other nodes may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Questions of this node that may be open at once.
const OPEN: usize = 256;

/// Answers that may wait to be read: more nodes are not told apart.
const ANSWERS: usize = 1_000;

/// The connections of this node.
pub trait Local: Send + Sync + 'static {
    /// Does it with those of this node that it is about. Must be quick and must not wait.
    fn carry_out(&self, order: Order);

    /// Answers for this node, with at most [`signalbox_core::bus::questions::MOST`] rows.
    fn answer(&self, question: &Question) -> Answer;
}

/// How this node stands with the others.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// As the last renewal saw them; empty before the first.
    pub census: Census,
    /// How often the lease was found gone, the first time included: what is kept under it must be written again.
    pub begun: u64,
}

/// This node among the others. Cheap to clone.
#[derive(Clone)]
pub struct Nodes {
    shared: Arc<Shared>,
    handle: Handle<Keeper>,
}

struct Shared {
    store: Store,
    node: String,
    started: Instant,
    local: Arc<dyn Local>,
    open: Mutex<HashMap<u64, mpsc::Sender<(String, Bytes)>>>,
    next: AtomicU64,
    standing: watch::Sender<Standing>,
    left: AtomicBool,
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Nodes").field(&self.shared.node).finish()
    }
}

impl Nodes {
    /// Adds the actor to the tree. `node` tells this start of this process from all others; `local` holds its connections.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(
        tree: &Tree,
        store: &Store,
        node: &str,
        local: Arc<dyn Local>,
    ) -> std::result::Result<Self, StartError> {
        let shared = Arc::new(Shared {
            store: store.clone(),
            node: node.to_owned(),
            started: Instant::now(),
            local,
            open: Mutex::default(),
            next: AtomicU64::new(1),
            standing: watch::Sender::new(Standing::default()),
            left: AtomicBool::new(false),
        });
        let kept = shared.clone();
        let spec = Spec::named("nodes").order(35);
        let handle = tree.child(spec, move || Keeper {
            shared: kept.clone(),
            renewing: false,
        })?;
        Ok(Self { shared, handle })
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.shared.node
    }

    /// How this node stands with the others, now and whenever that is looked at again: every second.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// Asks every living node, this one included, and waits at most [`PATIENCE`] for the others.
    pub async fn ask(&self, question: Question) -> Answers {
        let others = self.others();
        let mine = self.handle.ask(Mine(question.clone()));
        let (mine, theirs) = tokio::join!(mine, self.ask_others(question, &others));
        let mut answers = Answers::of(theirs, others);
        match mine {
            Ok(answer) => answers.given.insert(0, (self.shared.node.clone(), answer)),
            Err(error) => {
                tracing::warn!(%error, "this node cannot answer for itself");
                answers.missing.push(self.shared.node.clone());
            }
        }
        answers
    }

    /// Has every node do something with its connections.
    ///
    /// # Errors
    /// Nobody does it: the bus is cut. Or, of commands for one node's stream, not found: no such node lives.
    pub async fn tell(&self, order: Order) -> Result<()> {
        let Order::Emulate { node, .. } = &order else {
            return self.shared.store.bus.tell(&Control::Order(order)).await;
        };
        if *node == self.shared.node {
            self.shared.local.carry_out(order);
            return Ok(());
        }
        if !self.others().contains(node) {
            return Err(Error::not_found("node"));
        }
        let channel = self.shared.store.bus.keys().node(node);
        let message = Direct::Order(order).encode()?;
        self.shared.store.bus.publish(&channel, &message).await
    }

    /// Gives the lease back, so that the others know at once. Called before the tree stops.
    pub async fn leave(&self) {
        self.shared.left.store(true, Ordering::Release);
        // what is not given back runs out by itself
        let ended = self.shared.store.bus.end_lease(&self.shared.node);
        let _ = tokio::time::timeout(PATIENCE, ended).await;
    }

    /// What came over the control channel and is the nodes' own business.
    pub(crate) fn heard(&self, message: Control) {
        match message {
            Control::Order(order) => self.shared.local.carry_out(order),
            // a node that answered its own question has done so already
            Control::Ask { node, .. } if node == self.shared.node => {}
            Control::Ask { id, node, question } => {
                // too busy to answer: the asker names this node as missing
                let _ = self.handle.try_send(Asked { id, node, question });
            }
            _ => {}
        }
    }

    /// What came over this node's own channel.
    pub(crate) fn heard_alone(&self, message: &Bytes) {
        match Direct::decode(message) {
            Some(Direct::Answer { id, node, answer }) => {
                let asked = self.shared.open.lock().get(&id).cloned();
                // nobody waits any more
                let _ = asked.map(|asked| asked.try_send((node, answer)));
            }
            Some(Direct::Order(order)) => self.shared.local.carry_out(order),
            None => tracing::debug!("a message for this node that this version does not know"),
        }
    }

    /// The other nodes that live, as far as the last renewal saw.
    pub fn others(&self) -> Vec<String> {
        let standing = self.shared.standing.borrow();
        let living = standing.census.living.iter();
        living
            .filter(|node| **node != self.shared.node)
            .cloned()
            .collect()
    }

    async fn ask_others(&self, question: Question, others: &[String]) -> Vec<(String, Answer)> {
        let Some((open, mut answers)) = self.shared.open_question() else {
            return Vec::new();
        };
        let asked = Control::Ask {
            id: open.id,
            node: self.shared.node.clone(),
            question,
        };
        let mut given = Vec::new();
        let collect = async {
            // a cut bus answers nothing, and everybody is missing
            self.shared.store.bus.tell(&asked).await.ok();
            while given.len() < others.len() {
                let Some((node, answer)) = answers.recv().await else {
                    break;
                };
                match serde_json::from_slice(&answer) {
                    Ok(answer) => given.push((node, answer)),
                    Err(error) => tracing::debug!(%node, %error, "an answer that this version does not know"),
                }
            }
        };
        let _ = tokio::time::timeout(PATIENCE, collect).await;
        given
    }
}

/// A question that waits for its answers, until this is dropped.
struct Open {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.open.lock().remove(&self.id);
    }
}

impl Shared {
    fn open_question(self: &Arc<Self>) -> Option<(Open, mpsc::Receiver<(String, Bytes)>)> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(ANSWERS);
        let mut open = self.open.lock();
        if open.len() >= OPEN {
            return None;
        }
        open.insert(id, sender);
        let shared = self.clone();
        Some((Open { id, shared }, receiver))
    }

    fn answer(&self, question: &Question) -> Answer {
        let mut answer = self.local.answer(question);
        if let Answer::Node(state) = &mut answer {
            env!("CARGO_PKG_VERSION").clone_into(&mut state.version);
            state.uptime_seconds = self.started.elapsed().as_secs();
        }
        answer
    }
}

/// The actor behind [`Nodes`].
struct Keeper {
    shared: Arc<Shared>,
    renewing: bool,
}

impl Keeper {
    fn renew(&mut self, ctx: &mut Context<Self>) {
        let left = self.shared.left.load(Ordering::Acquire);
        if left || std::mem::replace(&mut self.renewing, true) {
            return;
        }
        let shared = self.shared.clone();
        let renew = async move { shared.store.bus.renew_lease(&shared.node).await };
        ctx.spawn(renew.into_actor(self).map(|census, keeper, _| {
            keeper.renewing = false;
            match census {
                Ok(census) => keeper.note(census),
                Err(error) => tracing::debug!(%error, "this node's lease could not be renewed"),
            }
        }));
    }

    fn note(&self, census: Census) {
        metrics::gauge!("signalbox_nodes_living").set(census.living.len() as f64);
        self.shared.standing.send_modify(|standing| {
            standing.begun += u64::from(!census.held);
            standing.census = census;
        });
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.renew(ctx);
        ctx.run_interval(RENEW, Self::renew);
    }
}

impl Supervised for Keeper {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
