//! The actor the tests torment, and how they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use actix::prelude::*;
use parking_lot::Mutex;
use signalbox_actors::supervision::{ActorStatus, Context, Handle, Options, Policy, Spec, Tree};

/// Counts; goes down in every way an actor can.
pub struct Subject {
    pub count: u64,
    pub world: World,
}

/// What outlives the subject's incarnations.
#[derive(Clone, Default)]
pub struct World {
    /// Factory calls.
    pub made: Arc<AtomicU64>,
    /// `Add`s handled by any incarnation.
    pub handled: Arc<AtomicU64>,
    /// The factory panics while this is above 0, taking one off.
    pub bad_makes: Arc<AtomicU64>,
    /// `started` panics while this is above 0, taking one off.
    pub bad_starts: Arc<AtomicU64>,
    /// What ended, in order; `stopped` writes here.
    pub ended: Arc<Mutex<Vec<String>>>,
    pub name: &'static str,
}

impl World {
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    pub fn make(&self) -> Subject {
        self.made.fetch_add(1, SeqCst);
        assert!(!take_one(&self.bad_makes), "bad factory");
        Subject {
            count: 0,
            world: self.clone(),
        }
    }
}

pub fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl Actor for Subject {
    type Context = Context<Self>;
    fn started(&mut self, _: &mut Context<Self>) {
        assert!(!take_one(&self.world.bad_starts), "bad start");
    }
    fn stopped(&mut self, _: &mut Context<Self>) {
        self.world.ended.lock().push(self.world.name.to_owned());
    }
}

impl Supervised for Subject {
    fn restarting(&mut self, context: &mut Context<Self>) {
        *self = context.rebuild();
    }
}

/// Adds and answers the sum since the last restart.
#[derive(Message, Clone, Copy)]
#[rtype(result = "u64")]
pub struct Add(pub u64);

impl Handler<Add> for Subject {
    type Result = u64;
    fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 {
        self.count += add.0;
        self.world.handled.fetch_add(1, SeqCst);
        self.count
    }
}

/// Goes down.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub enum Fall {
    Atomic,
    Timer,
    Stream,
    StopItself,
}

impl Handler<Fall> for Subject {
    type Result = AtomicResponse<Self, ()>;
    fn handle(&mut self, fall: Fall, context: &mut Context<Self>) -> Self::Result {
        match fall {
            Fall::Atomic => {
                // pending first, so that it falls in a later turn than it was asked in
                let soon = tokio::time::sleep(Duration::from_millis(2)).into_actor(self);
                return AtomicResponse::new(Box::pin(soon.map(|(), _, _| panic!("atomic"))));
            }
            Fall::Timer => {
                context.run_later(Duration::from_millis(2), |_, _| panic!("timer"));
            }
            Fall::Stream => {
                let once = futures::stream::once(async {}).into_actor(self);
                context.spawn(once.map(|(), _, _| panic!("stream")).finish());
            }
            Fall::StopItself => context.stop(),
        }
        AtomicResponse::new(Box::pin(actix::fut::ready(())))
    }
}

/// Panics in the handler itself.
#[derive(Message, Clone, Copy)]
#[rtype(result = "u64")]
pub struct Panic;

impl Handler<Panic> for Subject {
    type Result = u64;
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) -> u64 {
        panic!("handler")
    }
}

/// Keeps the mailbox waiting, without blocking the thread, until the test lets go.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hold(pub tokio::sync::oneshot::Receiver<()>);

impl Handler<Hold> for Subject {
    type Result = AtomicResponse<Self, ()>;
    fn handle(&mut self, hold: Hold, _: &mut Context<Self>) -> Self::Result {
        AtomicResponse::new(Box::pin(hold.0.into_actor(self).map(|_, _, _| ())))
    }
}

/// Panics beside the actor, in a future of its own.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PanicBeside;

impl Handler<PanicBeside> for Subject {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, _: PanicBeside, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { panic!("beside") })
    }
}

/// Restarts fast, so that tests are.
pub fn quick() -> Policy {
    Policy {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        ..Policy::default()
    }
}

/// Never taken for frozen: on a starved machine that also befalls who is only slow, a panic that looks up its backtrace
/// for instance.
pub fn spec(name: &str) -> Spec {
    Spec::named(name)
        .policy(quick())
        .frozen_after(Duration::from_mins(1))
}

/// Soon taken for frozen, for tests of that.
pub fn hasty(name: &str) -> Spec {
    spec(name).frozen_after(Duration::from_secs(1))
}

pub fn tree() -> Tree {
    Tree::start(Options {
        faults: true,
        tick: Duration::from_millis(10),
        ..Options::default()
    })
    .unwrap()
}

/// A running tree of one subject.
pub async fn one(spec: Spec) -> (Tree, Handle<Subject>, World) {
    let (tree, world) = (tree(), World::named("subject"));
    let made = world.clone();
    let handle = tree.child(spec, move || made.make()).unwrap();
    tree.start_all().await;
    (tree, handle, world)
}

pub fn status(tree: &Tree, name: &str) -> ActorStatus {
    tree.snapshot()
        .into_iter()
        .find(|status| status.name == name)
        .unwrap()
}

/// Waits for a condition, ten seconds at most.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Ends the tree before its runtime does.
pub async fn finish(tree: Tree) {
    tree.stop(Duration::from_secs(2)).await;
}
