//! The context our actors run in: actix's own parts, plus what supervision needs to know.
//!
//! It exists for one reason. actix packs messages through `ToEnvelope`, a trait of the *context*; with a
//! context of our own every message of every actor passes through [`Parcel`], where it is counted and
//! timed, without a line in any actor.

use std::sync::Arc;
use std::time::Instant;

use actix::dev::channel::AddressReceiver;
use actix::dev::{
    AsyncContextParts, ContextFut, ContextParts, Envelope, EnvelopeProxy, Mailbox, MessageResponse,
    OneshotSender, ToEnvelope,
};
use actix::{
    Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle,
};

use super::line::{Line, Ticket, take_ticket};
use super::post::Post;

/// Makes a new, empty actor. Called again for every restart, on the actor's thread.
pub(super) type Factory<A> = Arc<dyn Fn() -> A + Send + Sync>;

/// The context of a supervised actor: `type Context = supervision::Context<Self>;`.
///
/// Works like `actix::Context`; the mailbox's capacity is the [`Spec`](super::Spec)'s.
pub struct Context<A: Actor<Context = Self>> {
    parts: ContextParts<A>,
    factory: Factory<A>,
    /// Whether `restarting` has asked for a new actor, so that the guard can refuse old state.
    pub(super) rebuilt: bool,
    /// Whether a message was taken or the pulse has beaten since the last start, which then went well.
    pub(super) beaten: bool,
    pub(super) line: Arc<Line>,
    pub(super) post: Arc<Post>,
    /// The message being handled, if its handling has not ended with the handler (`AtomicResponse`).
    pub(super) open_since: Option<Instant>,
}

impl<A: Actor<Context = Self>> Context<A> {
    /// A new, empty actor from the child's factory. For `Supervised::restarting`, whose whole body is
    /// `*self = ctx.rebuild();`. An actor that does not call it is not trusted with its old state: it is
    /// replaced together with its mailbox.
    pub fn rebuild(&mut self) -> A {
        let actor = (self.factory)();
        self.rebuilt = true;
        actor
    }

    /// Puts `actor` and the receiving end of its mailbox together.
    pub(super) fn animate(
        actor: A,
        mailbox: AddressReceiver<A>,
        factory: Factory<A>,
        line: Arc<Line>,
        post: Arc<Post>,
    ) -> ContextFut<A, Self> {
        let mailbox = Mailbox::new(mailbox);
        let parts = ContextParts::new(mailbox.sender_producer());
        let context = Self {
            parts,
            factory,
            rebuilt: true,
            beaten: false,
            line,
            post,
            open_since: None,
        };
        ContextFut::new(context, actor, mailbox)
    }

    /// The start went well: the actor takes messages.
    pub(super) fn show_life(&mut self) {
        if !self.beaten {
            self.beaten = true;
            self.post.runs(self.line.generation);
        }
    }

    /// Ends the timing of a message whose handling went on after its handler returned.
    pub(super) fn close_measure(&mut self) {
        if let Some(began) = self.open_since.take() {
            self.post.meter.handled(began.elapsed());
        }
    }
}

impl<A: Actor<Context = Self>> ActorContext for Context<A> {
    fn stop(&mut self) {
        self.parts.stop();
    }
    fn terminate(&mut self) {
        self.parts.terminate();
    }
    fn state(&self) -> ActorState {
        self.parts.state()
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for Context<A> {
    fn address(&self) -> Addr<A> {
        self.parts.address()
    }
    fn spawn<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) -> SpawnHandle {
        self.parts.spawn(future)
    }
    fn wait<F: ActorFuture<A, Output = ()> + 'static>(&mut self, future: F) {
        self.parts.wait(future);
    }
    fn waiting(&self) -> bool {
        self.parts.waiting()
    }
    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.parts.cancel_future(handle)
    }
}

impl<A: Actor<Context = Self>> AsyncContextParts<A> for Context<A> {
    fn parts(&mut self) -> &mut ContextParts<A> {
        &mut self.parts
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, answer: Option<OneshotSender<M::Result>>) -> Envelope<A> {
        Envelope::with_proxy(Box::new(Parcel {
            message: Some(message),
            answer,
            ticket: take_ticket(),
        }))
    }
}

/// A message on its way, with its place in the mailbox.
struct Parcel<M: Message> {
    message: Option<M>,
    answer: Option<OneshotSender<M::Result>>,
    ticket: Option<Ticket>,
}

impl<A, M> EnvelopeProxy<A> for Parcel<M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Takes the message out of the mailbox and handles it.
    ///
    /// Unlike actix's own envelope this also handles a message whose caller has stopped waiting: the
    /// caller was promised that an accepted `revoke` happens, not that it happens while he watches.
    fn handle(&mut self, actor: &mut A, context: &mut Context<A>) {
        context.close_measure();
        drop(self.ticket.take());
        let Some(message) = self.message.take() else {
            return;
        };
        if context.line.is_gone() {
            // Replaced while frozen: another incarnation has the word now.
            return;
        }
        context.show_life();
        let began = Instant::now();
        let response = <A as Handler<M>>::handle(actor, message, context);
        response.handle(context, self.answer.take());
        if context.parts.waiting() {
            // An `AtomicResponse` goes on; the pulse behind it, or the next message, closes the time.
            context.open_since = Some(began);
        } else {
            context.post.meter.handled(began.elapsed());
        }
    }
}
