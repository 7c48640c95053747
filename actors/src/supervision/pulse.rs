//! The heartbeat inside an actor's context.
//!
//! actix polls the futures of a context only after its waits are over and its mailbox is empty. A future
//! that merely notes being polled is therefore an honest heartbeat: it does not beat while a handler
//! blocks, while the thread is stuck, or while an `AtomicResponse` or `ctx.wait` never ends. A timer
//! beside the actor, or a ping answered by its thread, would miss the last one.
//!
//! For the same reason it is the place where a drained actor stops (the mailbox is known to be empty)
//! and where test faults strike (inside the context, as a handler's fault would).

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext};

use super::context::Context;
use super::line::{Line, Poison};

/// See the module. Lives as long as one start of the actor; `ContextFut::restart` drops it with all
/// other futures, and the guard adds a new one.
#[derive(Default)]
pub(super) struct Pulse {
    asked_to_stop: bool,
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pulse {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut A, context: &mut Context<A>, _: &mut Task<'_>) -> Poll<()> {
        // actix takes up a wait one round after the handler that began it, and polls futures in between:
        // such a round is neither a sign of life nor the end of that message.
        if context.waiting() {
            return Poll::Pending;
        }
        context.close_measure();
        context.line.beat(Instant::now());
        context.show_life();
        if let Some(poison) = context.line.take_poison() {
            suffer(poison, context);
        }
        // Asked only once: an actor whose `stopping` says `Continue` would otherwise be asked in a
        // busy loop. It runs on until its deadline, then it is killed.
        if context.line.is_draining() && context.line.depth() == 0 && !self.asked_to_stop {
            self.asked_to_stop = true;
            context.stop();
        }
        // Never ready: the guard's ticking wakes the whole context, this future included.
        Poll::Pending
    }
}

/// Applies a test fault.
fn suffer<A: Actor<Context = Context<A>>>(poison: Poison, context: &mut Context<A>) {
    match poison {
        #[expect(
            clippy::panic,
            reason = "this is the fault that tests ask for; refused unless faults are on"
        )]
        Poison::Panic => panic!("poisoned by a fault test"),
        Poison::Freeze => hold_thread(&context.line),
        #[expect(
            clippy::panic,
            reason = "this is the fault that tests ask for; refused unless faults are on"
        )]
        Poison::Start => {
            context.post.spoil_next_start();
            panic!("poisoned by a fault test")
        }
        Poison::Hang => context.wait(actix::fut::wrap_future(std::future::pending::<()>())),
    }
}

/// Blocks until the actor has been replaced.
fn hold_thread(line: &Line) {
    while !line.is_gone() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
