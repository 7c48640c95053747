//! What one mailbox shares with its callers and its watcher: a few atomics.
//!
//! A line belongs to one incarnation of a child. Panics keep the line (the mailbox and what waits in it
//! survive); a freeze, a lost thread and a failure end it, because the mailbox itself sits inside the
//! future that cannot be reached any more. The next incarnation then gets a new one.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;
use tokio::sync::Notify;

/// A fault that a test puts into a running actor. Refused unless the tree was started with
/// [`Options::faults`](super::Options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// Panics inside the actor's context, as a handler, timer or stream would.
    Panic,
    /// Holds the actor's thread, as a blocking call in a handler would. The thread is let go once the
    /// actor has been replaced, so that a test can also see that the woken one does no harm.
    Freeze,
    /// Waits for ever inside the context, as an `AtomicResponse` whose future never ends would. The
    /// thread stays free, so only the heartbeat tells.
    Hang,
    /// Panics, and so does the start that follows.
    Start,
}

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const GONE: u8 = 2;

/// Why a message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    Full,
    Closed,
}

/// The shared state of one mailbox.
pub(super) struct Line {
    /// Counts the incarnations of a child; lets late news from an old one be told apart.
    pub(super) generation: u64,
    pub(super) capacity: usize,
    born: Instant,
    depth: AtomicUsize,
    mode: AtomicU8,
    beats: AtomicU64,
    last_beat_ms: AtomicU64,
    fault: AtomicU8,
    waker: AtomicWaker,
    ended: Notify,
}

impl Line {
    pub(super) fn open(generation: u64, capacity: usize, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            generation,
            capacity,
            born: now,
            depth: AtomicUsize::new(0),
            mode: AtomicU8::new(OPEN),
            beats: AtomicU64::new(0),
            last_beat_ms: AtomicU64::new(0),
            fault: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            ended: Notify::new(),
        })
    }

    /// Takes a place in the mailbox, or says why not.
    ///
    /// The place is taken *before* the mode is read, and `drain` changes the mode *before* the depth is
    /// read: so either this call sees that the line is closing, or the drain sees this message. Nothing
    /// is accepted and then forgotten. (Both sides need sequential consistency for that.)
    pub(super) fn admit(self: &Arc<Self>) -> Result<Ticket, NotAdmitted> {
        let waiting = self.depth.fetch_add(1, SeqCst);
        let ticket = Ticket(Arc::clone(self));
        if self.mode.load(SeqCst) != OPEN {
            return Err(NotAdmitted::Closed);
        }
        if waiting >= self.capacity {
            return Err(NotAdmitted::Full);
        }
        Ok(ticket)
    }

    /// Messages that wait to be taken.
    pub(super) fn depth(&self) -> usize {
        self.depth.load(SeqCst)
    }

    /// Nothing new is admitted; what waits is still handled.
    pub(super) fn drain(&self) {
        // A line that is gone stays gone.
        let _ = self.mode.compare_exchange(OPEN, DRAINING, SeqCst, SeqCst);
        self.waker.wake();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.mode.load(SeqCst) == DRAINING
    }

    /// Ends the line for good: callers that wait are told at once, and the actor behind it, should it
    /// ever wake again, handles nothing more.
    pub(super) fn disown(&self) {
        self.mode.store(GONE, SeqCst);
        self.ended.notify_waiters();
        self.waker.wake();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.mode.load(SeqCst) == GONE
    }

    /// Resolves when the line has been disowned.
    pub(super) async fn gone(&self) {
        let ended = self.ended.notified();
        tokio::pin!(ended);
        // Registered before the mode is read, else a disown between the two would be slept through.
        ended.as_mut().enable();
        if !self.is_gone() {
            ended.await;
        }
    }

    /// The actor could have taken a message just now.
    pub(super) fn beat(&self, now: Instant) {
        self.last_beat_ms
            .store(now.duration_since(self.born).as_millis() as u64, SeqCst);
        self.beats.fetch_add(1, SeqCst);
    }

    pub(super) fn beats(&self) -> u64 {
        self.beats.load(SeqCst)
    }

    pub(super) fn beat_age(&self, now: Instant) -> Duration {
        now.duration_since(self.born)
            .saturating_sub(Duration::from_millis(self.last_beat_ms.load(SeqCst)))
    }

    pub(super) fn poison(&self, poison: Poison) {
        self.fault.store(poison as u8 + 1, SeqCst);
        self.waker.wake();
    }

    /// The poison waiting for the actor, once.
    pub(super) fn take_poison(&self) -> Option<Poison> {
        match self.fault.swap(0, SeqCst) {
            1 => Some(Poison::Panic),
            2 => Some(Poison::Freeze),
            3 => Some(Poison::Hang),
            4 => Some(Poison::Start),
            _ => None,
        }
    }

    /// The guard's task: woken when the mode changes or a poison arrives.
    pub(super) fn watch(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }
}

/// A place in a mailbox, given back when dropped: when the message is taken, and also when it is thrown
/// away unhandled. That makes the depth right without anyone having to remember it.
pub(super) struct Ticket(Arc<Line>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.depth.fetch_sub(1, SeqCst);
    }
}

thread_local! {
    /// The ticket of the message being handed over on this thread.
    ///
    /// actix packs a message through `ToEnvelope::pack`, a function without `self`, called synchronously
    /// inside `try_send` and `send`. This is the only way to get the ticket into the envelope without a
    /// second handler for every message of every actor.
    static HANDING_OVER: Cell<Option<Ticket>> = const { Cell::new(None) };
}

/// Runs `send` with the ticket lying ready for [`take_ticket`]. `Err` if it was not picked up, which
/// means that actix packed nothing and the message is not in the mailbox.
pub(super) fn hand_over<R>(ticket: Ticket, send: impl FnOnce() -> R) -> Result<R, NotAdmitted> {
    HANDING_OVER.with(|cell| {
        cell.set(Some(ticket));
        let outcome = send();
        match cell.take() {
            None => Ok(outcome),
            Some(_) => Err(NotAdmitted::Closed),
        }
    })
}

/// The ticket of the message being packed. `None` for what an actor sends to its own raw address, which
/// is not counted.
pub(super) fn take_ticket() -> Option<Ticket> {
    HANDING_OVER.with(Cell::take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_admits_exactly_its_capacity() {
        let line = Line::open(1, 2, Instant::now());
        let first = line.admit().ok();
        let _second = line.admit().ok();
        assert_eq!(line.admit().err(), Some(NotAdmitted::Full));
        assert_eq!(line.depth(), 2);
        drop(first);
        assert!(line.admit().is_ok());
    }

    #[test]
    fn a_draining_line_admits_nothing_and_keeps_its_count() {
        let line = Line::open(1, 2, Instant::now());
        let _waiting = line.admit().ok();
        line.drain();
        assert_eq!(line.admit().err(), Some(NotAdmitted::Closed));
        assert_eq!(line.depth(), 1);
    }

    #[test]
    fn a_gone_line_does_not_reopen_as_draining() {
        let line = Line::open(1, 2, Instant::now());
        line.disown();
        line.drain();
        assert!(line.is_gone());
    }

    #[test]
    fn a_ticket_nobody_picks_up_is_given_back() {
        let line = Line::open(1, 1, Instant::now());
        let Ok(ticket) = line.admit() else {
            panic!("an empty line must admit")
        };
        assert_eq!(hand_over(ticket, || ()), Err(NotAdmitted::Closed));
        assert_eq!(line.depth(), 0);
        assert!(take_ticket().is_none());
    }

    #[test]
    fn a_poison_is_taken_once() {
        let line = Line::open(1, 1, Instant::now());
        for poison in [Poison::Panic, Poison::Freeze, Poison::Hang, Poison::Start] {
            line.poison(poison);
            assert_eq!(line.take_poison(), Some(poison));
            assert_eq!(line.take_poison(), None);
        }
    }
}
