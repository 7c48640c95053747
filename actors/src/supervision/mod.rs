//! Supervision: what keeps one bad actor from hurting anybody else.
//!
//! actix 0.13 alone does not: a panic ends an actor and closes its address for good, its `Supervisor`
//! restarts only after `ctx.stop()` and never rebuilds the state, its registry hands out dead addresses,
//! and `do_send` ignores the mailbox limit. What stands here replaces those four things and keeps the
//! rest: `impl Actor`, `impl Handler<M>`, `AtomicResponse`, timers and streams work as they always do.
//!
//! Invariant: a caller's [`Handle`] stays valid for the life of the tree, whatever happens to the actor.
//! Invariant: an accepted message is handled once, or its caller is told [`CallError::Lost`]; never twice.
//! Invariant: after an unclean exit the actor's state comes from its factory; half-changed state is never
//!            used again.
//! Invariant: no mailbox ever holds more messages than its capacity.
//! Invariant: at most one incarnation of a child handles messages. A frozen one that wakes handles none.
//! Invariant: nothing here depends on an actor's thread, or on a tokio timer, to notice that a thread is
//!            stuck.
//!
//! What to write for a new actor (the whole of it):
//!
//! ```
//! use signalbox_actors::supervision::{Context, Spec, Supervised, Tree};
//! use actix::{Actor, Handler, Message};
//!
//! struct Counter(u64);
//! impl Actor for Counter { type Context = Context<Self>; }
//! impl Supervised for Counter {
//!     fn restarting(&mut self, ctx: &mut Context<Self>) { *self = ctx.rebuild(); }
//! }
//! #[derive(Message)]
//! #[rtype(result = "u64")]
//! struct Add(u64);
//! impl Handler<Add> for Counter {
//!     type Result = u64;
//!     fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 { self.0 += add.0; self.0 }
//! }
//!
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 1)]
//! # async fn main() -> anyhow::Result<()> {
//! let tree = Tree::start(Default::default())?;
//! let counter = tree.child(Spec::named("counter").order(10), || Counter(0))?;
//! tree.start_all().await;
//! assert_eq!(counter.ask(Add(2)).await?, 2);
//! tree.stop(std::time::Duration::from_secs(1)).await;
//! # Ok(())
//! # }
//! ```
//!
//! Where things are: [`Spec`] says how a child is treated, `budget` when it may restart, `line` is what
//! one mailbox shares with its callers, `context` and `pulse` run inside the actor, `guard` around it,
//! `post` remembers the child across all its incarnations, `thread` is what it runs on, `warden` watches
//! from a thread of its own. The semantics as tables: `docs/SUPERVISION.md`.

mod budget;
mod context;
mod export;
mod guard;
mod handle;
mod line;
mod post;
mod pulse;
mod spec;
mod status;
mod thread;
mod tree;
mod warden;

pub use actix::Supervised;
pub use context::Context;
pub use handle::{CallError, Handle};
pub use line::Poison;
pub use spec::{Policy, Spec};
pub use status::{ActorState, ActorStatus, HandlingTime, MailboxStatus};
pub use tree::{FaultError, Options, StartError, StopReport, Tree, TreeView};
