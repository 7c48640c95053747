//! The guard around one incarnation of an actor: the future its thread really runs.
//!
//! It polls actix's public `ContextFut` under `catch_unwind`. After a panic `ContextFut::restart` drops
//! the actor's futures and timers and calls `restarting`, which takes a new actor from the factory; the
//! mailbox inside it, its address and everything queued stay as they are.
//!
//! `AssertUnwindSafe` is sound here because nothing that was reachable from the panicking code is used
//! again: the actor and its futures are replaced, the mailbox is a lock-free queue whose message was
//! already taken out, and the line is atomics.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use actix::dev::ContextFut;
use actix::dev::channel::AddressReceiver;
use actix::{Actor, ActorContext, Addr, AsyncContext, Supervised};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

use super::context::{Context, Factory};
use super::line::Line;
use super::post::{ExitKind, Next, Post};
use super::pulse::Pulse;

/// The right to speak for one incarnation. Dropped before its end was reported, it reports the loss:
/// so an actor whose thread ends, or that never even reached its thread, is noticed at once.
pub(super) struct Claim {
    post: Arc<Post>,
    line: Arc<Line>,
    reported: bool,
}

impl Claim {
    pub(super) fn on(post: &Arc<Post>, line: &Arc<Line>) -> Self {
        Self {
            post: Arc::clone(post),
            line: Arc::clone(line),
            reported: false,
        }
    }

    fn exit(&mut self, kind: ExitKind, detail: &str) -> Next {
        let next = self.post.exit(self.line.generation, kind, detail, Instant::now());
        self.reported = next == Next::Over;
        next
    }

    fn stopped(&mut self, clean: bool) {
        self.reported = true;
        self.post.stopped(self.line.generation, clean);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.reported {
            self.exit(ExitKind::Lost, "");
        }
    }
}

/// The actor and its mailbox, or only the mailbox while there is no actor yet.
enum Body<A: Actor<Context = Context<A>>> {
    Unborn(AddressReceiver<A>),
    Born(Box<ContextFut<A, Context<A>>>),
    Dead,
}

/// An unclean exit and its text.
type Exit = (ExitKind, String);

/// What the next poll does.
enum Phase {
    Pause(Pin<Box<Sleep>>),
    Begin,
    Run,
}

/// See the module.
pub(super) struct Guard<A: Actor<Context = Context<A>>> {
    body: Body<A>,
    phase: Phase,
    factory: Factory<A>,
    claim: Claim,
    /// Wakes the context so that its pulse can beat when nobody writes to it.
    ticks: Interval,
    /// Keeps the mailbox connected: actix ends an actor that no address leads to.
    _address: Addr<A>,
}

impl<A: Actor<Context = Context<A>> + Supervised> Guard<A> {
    /// Must be called on the actor's thread, within its runtime.
    pub(super) fn over(
        mailbox: AddressReceiver<A>,
        address: Addr<A>,
        factory: Factory<A>,
        claim: Claim,
    ) -> Self {
        let mut ticks = interval(claim.post.spec.pulse());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            body: Body::Unborn(mailbox),
            phase: Phase::Begin,
            factory,
            claim,
            ticks,
            _address: address,
        }
    }

    /// Brings the actor to its start: the first time from the factory, later over `restarting`.
    fn begin(&mut self) -> Result<(), Exit> {
        let poisoned = |text| (ExitKind::PoisonedStart, text);
        if self.claim.post.is_spoiled() {
            return Err(poisoned(String::from("poisoned by a fault test")));
        }
        match std::mem::replace(&mut self.body, Body::Dead) {
            Body::Unborn(mailbox) => {
                let factory = Arc::clone(&self.factory);
                match caught(|| factory()) {
                    Ok(actor) => {
                        let (line, post) = (Arc::clone(&self.claim.line), Arc::clone(&self.claim.post));
                        let context = Context::animate(actor, mailbox, factory, line, post);
                        self.body = Body::Born(Box::new(context));
                    }
                    Err(text) => {
                        self.body = Body::Unborn(mailbox);
                        return Err(poisoned(text));
                    }
                }
            }
            Body::Born(mut context) => {
                context.ctx().rebuilt = false;
                context.ctx().open_since = None;
                context.ctx().beaten = false;
                let restarted = caught(|| context.restart());
                let rebuilt = context.ctx().rebuilt;
                self.body = Body::Born(context);
                if !restarted.map_err(poisoned)? || !rebuilt {
                    return Err((
                        ExitKind::NotRebuilt,
                        String::from("`restarting` must be `*self = ctx.rebuild()`"),
                    ));
                }
            }
            Body::Dead => return Err((ExitKind::Lost, String::new())),
        }
        if let Body::Born(context) = &mut self.body {
            context.ctx().spawn(Pulse::default());
        }
        Ok(())
    }

    /// Polls the actor; an unclean exit comes back as `Err`, an asked-for end as `Ok(Ready)`.
    fn run(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Exit> {
        let Body::Born(context) = &mut self.body else {
            return Err((ExitKind::Lost, String::new()));
        };
        match caught(|| Pin::new(&mut **context).poll(task)) {
            Ok(Poll::Pending) => Ok(Poll::Pending),
            Ok(Poll::Ready(())) if self.claim.line.is_draining() => Ok(Poll::Ready(())),
            Ok(Poll::Ready(())) => Err((ExitKind::EndedItself, String::new())),
            // Before the first beat of this start it came out of `started`, or of what that waits for.
            Err(text) if !context.ctx().beaten => Err((ExitKind::PoisonedStart, text)),
            Err(text) => Err((ExitKind::Panicked, text)),
        }
    }

    fn stopped(&mut self, clean: bool) -> Poll<()> {
        bury(&mut self.body);
        self.claim.stopped(clean);
        Poll::Ready(())
    }
}

impl<A: Actor<Context = Context<A>> + Supervised> Future for Guard<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let guard = self.get_mut();
        guard.claim.line.watch(task.waker());
        while guard.ticks.poll_tick(task).is_ready() {}
        loop {
            if guard.claim.line.is_gone() {
                // Judged already by whoever disowned it.
                guard.claim.reported = true;
                bury(&mut guard.body);
                return Poll::Ready(());
            }
            let (kind, text) = match &mut guard.phase {
                // Nobody is there who could drain what waits.
                Phase::Pause(_) if guard.claim.line.is_draining() => {
                    let clean = guard.claim.line.depth() == 0;
                    return guard.stopped(clean);
                }
                Phase::Pause(pause) => {
                    // Resting is not being frozen; only a stuck thread keeps this from being reached.
                    guard.claim.line.beat(Instant::now());
                    ready!(pause.as_mut().poll(task));
                    guard.claim.post.restarts_here(guard.claim.line.generation);
                    guard.phase = Phase::Begin;
                    continue;
                }
                Phase::Begin => match guard.begin() {
                    Ok(()) => {
                        guard.phase = Phase::Run;
                        continue;
                    }
                    Err(exit) => exit,
                },
                Phase::Run => match guard.run(task) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(())) => return guard.stopped(true),
                    Err(exit) => exit,
                },
            };
            match guard.claim.exit(kind, &text) {
                Next::Here(pause) => guard.phase = Phase::Pause(Box::pin(sleep(pause))),
                Next::Over => {
                    bury(&mut guard.body);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Guard<A> {
    fn drop(&mut self) {
        bury(&mut self.body);
    }
}

/// Lets go of the actor and its mailbox. `stopped` is not called: either it has been, or the state is
/// not to be trusted with one more callback. Destructors may panic as well, hence `caught`.
fn bury<A: Actor<Context = Context<A>>>(body: &mut Body<A>) {
    let body = std::mem::replace(body, Body::Dead);
    let _ = caught(move || {
        if let Body::Born(mut context) = body {
            context.ctx().terminate();
        }
    });
}

/// Runs `code`; a panic comes back as its text.
fn caught<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(text_of)
}

fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(other) => {
                // A payload of unknown type may panic when dropped, outside any guard; leaking it is safe.
                std::mem::forget(other);
                String::from("a panic without text")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use signalbox_core::kernel::clock::Clock;
    use tokio::sync::watch;

    use super::super::post::Site;
    use super::super::spec::Spec;
    use super::super::status::ActorState;
    use super::*;

    /// A job sent to a thread that has ended is dropped, and with it the claim: as if the thread had
    /// ended later.
    #[tokio::test]
    async fn an_actor_whose_thread_ends_is_noticed_and_comes_due() {
        let launch = Box::new(
            |post: &Arc<Post>, line: Arc<Line>, _: &super::super::thread::Thread| {
                drop(Claim::on(post, &line));
            },
        );
        let site = Site {
            changes: Arc::new(watch::Sender::new(0)),
            clock: Clock::system(),
        };
        let post = Post::create(Spec::named("lost"), launch, site);
        let Ok(thread) = super::super::thread::Thread::start("lost", 1, &tokio::runtime::Handle::current())
        else {
            panic!("no thread")
        };
        let now = Instant::now();
        post.launch(&thread, now);
        assert_eq!(post.state(), ActorState::Restarting);
        assert!(
            post.line().is_none(),
            "callers are answered `Down` until it is back"
        );
        assert!(post.is_due(now + std::time::Duration::from_secs(1)));
    }
}
