//! The tree: what the composition builds, and what everybody else may ask about.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix::dev::channel::channel;
use actix::{Actor, Addr, Supervised};
use arc_swap::ArcSwapOption;
use parking_lot::RwLock;
use signalbox_core::kernel::clock::Clock;
use tokio::runtime::{Handle as Io, RuntimeFlavor};
use tokio::sync::{oneshot, watch};

use super::context::{Context, Factory};
use super::guard::{Claim, Guard};
use super::handle::{Desk, Handle, Slot};
use super::line::{Line, Poison};
use super::post::{Launch, Post, Site};
use super::spec::Spec;
use super::status::{ActorState, ActorStatus};
use super::thread::Thread;
use super::warden::{self, Order};

/// How a tree is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Lets [`Tree::poison`] work. Only for fault tests; a server that people use never sets it.
    pub faults: bool,
    /// How often the warden looks at every child. A freeze is noticed at most two ticks late.
    pub tick: Duration,
    /// What the `since` of a state is read from. Everything else measures with the monotonic clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: false,
            tick: Duration::from_millis(100),
            clock: Clock::system(),
        }
    }
}

/// Why a tree or a child could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// With a current-thread runtime a stuck main thread would stop every actor's timers and sockets.
    #[error("actors need a multi-thread tokio runtime; start the tree inside one")]
    NeedsMultiThreadRuntime,
    /// Names are how people, metrics and fault tests tell actors apart.
    #[error("there is already an actor named {0}; give this one another name")]
    NameTaken(String),
    /// The warden's thread could not be started.
    #[error("could not start the supervisor's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a fault was not put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The tree runs without [`Options::faults`].
    #[error("faults are off; start the hub with SIGNALBOX_FAULTS=1 (tests only)")]
    Off,
    /// No child of that name runs at the moment.
    #[error("no such actor runs")]
    NotRunning,
}

/// How the children ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Drained and stopped, in the order they ended.
    pub stopped: Vec<String>,
    /// Did not end within their time; their waiting messages were dropped.
    pub killed: Vec<String>,
}

/// What the tree and its warden share.
pub(super) struct Shared {
    /// Sorted by (order, age).
    pub(super) posts: RwLock<Vec<Arc<Post>>>,
    pub(super) site: Site,
    pub(super) io: Io,
}

/// The supervision tree of one process. Clones are the same tree; the last one dropped kills it.
#[derive(Clone)]
pub struct Tree(Arc<Inner>);

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.shared.posts.read().iter().map(|post| &post.spec.name))
            .finish()
    }
}

struct Inner {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    faults: bool,
}

impl Tree {
    /// Starts an empty tree and its warden. Actors' sockets and timers live in the present runtime.
    ///
    /// # Errors
    /// [`StartError::NeedsMultiThreadRuntime`], also outside any runtime; [`StartError::Thread`].
    pub fn start(options: Options) -> Result<Self, StartError> {
        let io = Io::try_current().map_err(|_| StartError::NeedsMultiThreadRuntime)?;
        if io.runtime_flavor() != RuntimeFlavor::MultiThread {
            return Err(StartError::NeedsMultiThreadRuntime);
        }
        let site = Site {
            changes: Arc::new(watch::Sender::new(0)),
            clock: options.clock,
        };
        let shared = Arc::new(Shared {
            posts: RwLock::default(),
            site,
            io,
        });
        let orders = warden::start(Arc::clone(&shared), options.tick)?;
        Ok(Self(Arc::new(Inner {
            shared,
            orders,
            faults: options.faults,
        })))
    }

    /// Adds a child and returns the handle it will be reached by. It does not run before
    /// [`Self::start_all`]; a child added after that is started by calling it once more.
    ///
    /// `factory` makes a new, empty actor and is called for every restart; it must not block.
    ///
    /// # Errors
    /// [`StartError::NameTaken`].
    pub fn child<A>(
        &self,
        spec: Spec,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Result<Handle<A>, StartError>
    where
        A: Actor<Context = Context<A>> + Supervised,
    {
        let slot: Slot<A> = Arc::new(ArcSwapOption::empty());
        let launch = launcher(Arc::clone(&slot), Arc::new(factory));
        let mut posts = self.0.shared.posts.write();
        if posts.iter().any(|post| post.spec.name == spec.name) {
            return Err(StartError::NameTaken(spec.name));
        }
        let place = posts.partition_point(|post| post.spec.order <= spec.order);
        let post = Post::create(spec, launch, self.0.shared.site.clone());
        posts.insert(place, Arc::clone(&post));
        Ok(Handle::on(slot, post))
    }

    /// Starts every child that has never run, in order, each after the one before it takes messages.
    ///
    /// A child that cannot start holds the others up for five seconds at most: what can run runs, and
    /// [`Self::ready`] names what does not.
    pub async fn start_all(&self) {
        let (done, started) = oneshot::channel();
        self.order(Order::Start(done));
        // An error means the warden is gone, which `ready` tells.
        let _ = started.await;
    }

    /// Stops all children in reverse order: each is closed to new messages, handles those it has, runs
    /// its `stopping` and `stopped`, and then the next one follows. What has not ended within its own
    /// [`Spec::stop_within`] or the common `deadline` is killed. Nothing restarts any more.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let (done, report) = oneshot::channel();
        self.order(Order::Stop(deadline, done));
        report.await.unwrap_or_default()
    }

    /// Ends all children at once: waiting messages are dropped, `stopped` is not called.
    pub async fn kill(&self) -> StopReport {
        self.stop(Duration::ZERO).await
    }

    /// Has a failed child tried now, with a fresh budget. `false`: there is no failed child of that name.
    pub fn revive(&self, name: &str) -> bool {
        let revived = self.post(name).is_some_and(|post| post.revive(Instant::now()));
        self.order(Order::Look);
        revived
    }

    /// Every child, in start order.
    pub fn snapshot(&self) -> Vec<ActorStatus> {
        self.view().snapshot()
    }

    /// For whoever watches the tree from inside.
    pub fn view(&self) -> TreeView {
        TreeView(Arc::clone(&self.0.shared))
    }

    /// Whether every child runs; else one sentence for each that does not, beginning with its name.
    ///
    /// # Errors
    /// The sentences, in start order.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        let mut red: Vec<String> = self
            .0
            .shared
            .posts
            .read()
            .iter()
            .filter_map(|post| post.unready())
            .collect();
        if !self.order(Order::Look) {
            red.push(String::from(
                "supervisor ended: nothing restarts any more; restart the hub",
            ));
        }
        if red.is_empty() { Ok(()) } else { Err(red) }
    }

    /// Counts up whenever a child's state or restarts change; read [`Self::snapshot`] then.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.shared.site.changes.subscribe()
    }

    /// Whether [`Self::poison`] works.
    pub fn takes_faults(&self) -> bool {
        self.0.faults
    }

    /// Puts a fault into a running child, for tests.
    ///
    /// # Errors
    /// [`FaultError::Off`] unless the tree was started with [`Options::faults`].
    pub fn poison(&self, name: &str, poison: Poison) -> Result<(), FaultError> {
        if !self.0.faults {
            return Err(FaultError::Off);
        }
        let line = self
            .post(name)
            .and_then(|post| post.line())
            .ok_or(FaultError::NotRunning)?;
        line.poison(poison);
        Ok(())
    }

    fn post(&self, name: &str) -> Option<Arc<Post>> {
        self.0
            .shared
            .posts
            .read()
            .iter()
            .find(|post| post.spec.name == name)
            .cloned()
    }

    fn order(&self, order: Order) -> bool {
        self.0.orders.send(order).is_ok()
    }
}

/// Sees the tree without keeping it: what a child may hold, for a child that held the tree would keep it from ending.
#[derive(Clone)]
pub struct TreeView(Arc<Shared>);

impl TreeView {
    /// As [`Tree::snapshot`].
    pub fn snapshot(&self) -> Vec<ActorStatus> {
        let now = Instant::now();
        self.0.posts.read().iter().map(|post| post.status(now)).collect()
    }

    /// As [`Tree::subscribe`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.site.changes.subscribe()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Taken out, not only read: a factory that holds a `TreeView` would otherwise keep itself alive.
        for post in std::mem::take(&mut *self.shared.posts.write()) {
            if post.state() != ActorState::Stopped {
                post.kill("the tree was dropped");
            }
        }
    }
}

/// The typed part of starting an incarnation. Runs on the warden's thread.
fn launcher<A>(slot: Slot<A>, factory: Factory<A>) -> Launch
where
    A: Actor<Context = Context<A>> + Supervised,
{
    Box::new(move |post: &Arc<Post>, line: Arc<Line>, thread: &Thread| {
        // The line admits `capacity` messages. actix's own limit stands above it, for what an actor
        // sends to its own raw address, which does not pass the line.
        let (sender, mailbox) = channel::<A>(2 * line.capacity + 16);
        let address = Addr::new(sender);
        slot.store(Some(Arc::new(Desk {
            address: address.clone(),
            line: Arc::clone(&line),
        })));
        let claim = Claim::on(post, &line);
        let factory = Arc::clone(&factory);
        thread.run(move || {
            #[expect(clippy::disallowed_methods, reason = "this is where tasks get their owner")]
            tokio::task::spawn_local(Guard::over(mailbox, address, factory, claim));
        });
    })
}
