//! How everybody talks to an actor.

use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Actor, Addr, Handler, MailboxError, Message};
use arc_swap::ArcSwapOption;

use super::context::Context;
use super::line::{Line, NotAdmitted, hand_over};
use super::post::Post;

/// Why a call came to nothing. What the caller may conclude differs, hence four answers and not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The mailbox is full; the message was **not** taken. Shed load, or try again a little later.
    #[error("the actor is busy: its mailbox is full")]
    Busy,
    /// Nothing runs that could take it (failed, being replaced, or stopped); the message was **not** taken.
    #[error("the actor is down")]
    Down,
    /// It was taken, and the actor went down with it or before it: it may or may not have been handled.
    #[error("the actor went down before it answered")]
    Lost,
    /// It was taken and is not yet answered; it will still be handled.
    #[error("the actor did not answer in time")]
    Late,
}

/// Where the present incarnation is reached.
pub(super) struct Desk<A: Actor> {
    pub(super) address: Addr<A>,
    pub(super) line: Arc<Line>,
}

/// The place where an incarnation is looked up, swapped when it is replaced.
pub(super) type Slot<A> = Arc<ArcSwapOption<Desk<A>>>;

/// Reaches a child of the tree for as long as the tree lives, whichever incarnation it is in.
///
/// Cheap to clone and to keep. Holding one keeps nothing alive. Wrap it in the feature's own handle;
/// messages stay private to the feature.
pub struct Handle<A: Actor> {
    slot: Slot<A>,
    post: Arc<Post>,
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            post: Arc::clone(&self.post),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Handle<A> {
    pub(super) fn on(slot: Slot<A>, post: Arc<Post>) -> Self {
        Self { slot, post }
    }

    /// Leaves a message, without waiting for anything. `Ok` means taken, not handled.
    ///
    /// # Errors
    /// `Busy` or `Down`; the message was not taken.
    pub fn try_send<M>(&self, message: M) -> Result<(), CallError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let desk = self.slot.load();
        let desk = desk.as_ref().ok_or(CallError::Down)?;
        let ticket = desk.line.admit().map_err(|reason| self.refuse(reason))?;
        match hand_over(ticket, || desk.address.try_send(message)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(SendError::Full(_))) => Err(self.refuse(NotAdmitted::Full)),
            Ok(Err(SendError::Closed(_))) | Err(_) => Err(CallError::Down),
        }
    }

    /// Leaves a message and waits for its answer, at most [`Spec::answer_within`](super::Spec).
    ///
    /// Two thread wake-ups (about 40 us): not for a request's hot path, which reads a snapshot the actor
    /// publishes.
    ///
    /// # Errors
    /// `Busy` or `Down`: not taken. `Lost`: taken, outcome unknown. `Late`: taken, will be handled.
    pub async fn ask<M>(&self, message: M) -> Result<M::Result, CallError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        // The full `Arc`, not a guard: this is held over an await.
        let desk = self.slot.load_full().ok_or(CallError::Down)?;
        let ticket = desk.line.admit().map_err(|reason| self.refuse(reason))?;
        // Not handed over = not packed: actix found its own limit reached, or the mailbox closed.
        let request = hand_over(ticket, || desk.address.send(message)).map_err(|_| {
            if desk.address.connected() {
                self.refuse(NotAdmitted::Full)
            } else {
                CallError::Down
            }
        })?;
        let answered = async {
            tokio::select! {
                biased;
                answer = request => answer.map_err(|lost| match lost {
                    MailboxError::Closed => CallError::Lost,
                    MailboxError::Timeout => CallError::Late,
                }),
                // A frozen actor cannot drop the answer it owes, so its end is told by the line.
                () = desk.line.gone() => Err(CallError::Lost),
            }
        };
        tokio::time::timeout(self.post.spec.answer_within, answered)
            .await
            .unwrap_or(Err(CallError::Late))
    }

    /// Messages that wait, and how many may.
    pub fn mailbox(&self) -> (usize, usize) {
        (
            self.post.line().map_or(0, |line| line.depth()),
            self.post.spec.capacity,
        )
    }

    fn refuse(&self, reason: NotAdmitted) -> CallError {
        match reason {
            NotAdmitted::Closed => CallError::Down,
            NotAdmitted::Full => {
                self.post
                    .meter
                    .refused
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                CallError::Busy
            }
        }
    }
}
