//! What waits to be written to one connection. The hub puts shared frames in, the connection's writer takes them
//! out in batches; neither ever waits for the other.
//!
//! Whoever reads slower than events come is helped in this order: of state (`Frame::with_state`) only the newest waits; when
//! the queue is full, the subscriptions with the most in it lose what waits and their owner is told, so that they are
//! resumed from where the client is; who has taken nothing since, and still gets more than fits or goes on so for
//! `STALLED`, is ended as slow.
//!
//! Invariant: at most `limit` bytes wait.
//! Invariant: what is given to followers that come back never ends the connection as slow, or it would come back for ever:
//! room is kept for it beforehand (`Outlet::reserve`).
//! Invariant: whatever of a subscription is dropped, nothing of it is queued any more and its owner is told, once.
//! Invariant: an idle outlet owns no heap memory but its own struct: there are 15,000 of them.
//! Invariant: a publication is queued under the same lock under which its subscription ends, so none slips in behind.
//!
//! This is not an actor: an actor's mailbox is bounded in messages, not in bytes, and a socket that blocks stops
//! its actor from being polled, timers included.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::Disconnect;
use queue::Queue;

mod frame;
mod order;
mod queue;
mod turn;

pub(super) use frame::ITEM_OVERHEAD;
pub use frame::{Frame, Queued};
pub use order::ConnectionOrder;
pub(super) use turn::{Gate, Turn};

/// How long a client that was told of a gap may take nothing before it is ended as slow.
const STALLED: Duration = Duration::from_secs(10);

/// Bytes of the past that a client may be given at once, of the `limit` that may wait for it: the rest is room for what
/// happens meanwhile.
pub fn most_at_once(limit: usize) -> usize {
    limit / 4 * 3
}

/// What a connection's owner must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The subscription in this slot lost its place and has been dropped.
    Lost(u32),
    /// The rights of the viewer may have changed: every subscription is to be judged again.
    RightsChanged,
    /// Orders wait: see [`Outlet::take_orders`].
    Ordered,
    /// The connection has ended. Repeated for ever.
    Ended(Disconnect),
}

/// Orders that may wait for one connection: more come only of a client that floods, which is cut off.
const ORDERS: usize = 512;
/// Bytes of a client's commands among them.
pub const ORDERED_BYTES: usize = 1024 * 1024;

/// What the writer gets.
#[derive(Debug)]
pub enum Taken {
    /// Never empty.
    Batch(VecDeque<Queued>),
    /// Nothing comes any more; the peer is told why.
    Ended(Disconnect),
}

/// The queue of one connection.
#[derive(Debug)]
pub struct Outlet {
    limit: usize,
    /// Whether what was taken waits somewhere else to be written. `None`: whoever takes more has written what it took.
    unwritten: Option<Arc<AtomicBool>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Subscriptions whose waiting items were dropped for want of room, until they end.
    lost: Vec<u32>,
    /// When that happened, unless something was taken since.
    behind: Option<Instant>,
    signals: VecDeque<Signal>,
    orders: Vec<ConnectionOrder>,
    ended: Option<Disconnect>,
    /// What was taken last shows what the viewer may see, and is not written to its end yet.
    writing: bool,
    /// It was cut off.
    cut: bool,
    /// Bytes that were read for followers that come back, and are not queued yet.
    reserved: usize,
    writer: Option<Waker>,
    owner: Option<Waker>,
}

impl Outlet {
    /// An outlet that holds at most `limit` bytes, overhead included.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            unwritten: None,
            state: Mutex::default(),
        })
    }

    /// As [`Outlet::new`], where what is taken is passed on before it is written: `unwritten` tells whether some of it still waits.
    pub fn written_by(limit: usize, unwritten: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            unwritten: Some(unwritten),
            state: Mutex::default(),
        })
    }

    fn is_writing(&self, state: &State) -> bool {
        let waits = |unwritten: &Arc<AtomicBool>| unwritten.load(Ordering::Relaxed);
        state.writing && self.unwritten.as_ref().is_none_or(waits)
    }

    /// Queues a message of the connection itself.
    pub fn push(&self, frame: Frame) {
        self.push_at(frame, 0, 0);
    }

    /// Queues a message that moves a subscription to a position, in order with its publications.
    pub fn push_at(&self, frame: Frame, slot: u32, offset: u64) {
        let state = self.state.lock();
        self.queue(state, Queued::new(frame, slot, offset), None);
    }

    /// Ends the connection after what is already queued. The first end counts.
    pub fn end(&self, why: Disconnect) {
        self.finish(why, false);
    }

    /// Ends the connection and drops what is queued: the peer may not see it, or will never read it.
    pub fn cut(&self, why: Disconnect) {
        self.state.lock().cut = true;
        self.finish(why, true);
    }

    /// Whether something of what the viewer may see is still to be read by it that no subscription's end takes back.
    pub fn holds_content(&self) -> bool {
        let state = self.state.lock();
        self.is_writing(&state) || state.queue.has_content()
    }

    /// Whether the connection was cut off while such a thing is half written: it is not to be written to its end.
    pub fn is_severed(&self) -> bool {
        let state = self.state.lock();
        state.cut && self.is_writing(&state)
    }

    /// Whether the connection has ended.
    pub fn ended(&self) -> Option<Disconnect> {
        self.state.lock().ended.clone()
    }

    /// Whether nothing more comes.
    pub fn has_ended(&self) -> bool {
        self.state.lock().ended.is_some()
    }

    /// Bytes that wait, overhead included.
    pub fn bytes(&self) -> usize {
        self.state.lock().queue.bytes()
    }

    /// Bytes of what was missed that may be given at once.
    pub(super) fn most_at_once(&self) -> usize {
        most_at_once(self.limit)
    }

    /// Keeps room for what somebody missed, until [`Outlet::unreserve`]. `false` when that is more than fits beside what waits.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        let fits = bytes == 0 || state.queue.bytes() + state.reserved + bytes <= self.most_at_once();
        if fits {
            state.reserved += bytes;
        }
        fits
    }

    /// Gives room back: what it was kept for is queued now, or will never be.
    pub(super) fn unreserve(&self, bytes: usize) {
        self.state.lock().reserved -= bytes;
    }

    /// Whether what waited of a subscription was dropped because its client reads too slowly. Until the subscription ends.
    pub fn has_dropped(&self, slot: u32) -> bool {
        self.state.lock().lost.contains(&slot)
    }

    /// Whether nothing was taken for long since a gap was told.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let behind = self.state.lock().behind;
        behind.is_some_and(|since| now.saturating_duration_since(since) >= STALLED)
    }

    /// Tells the owner something. Repeats are told once.
    pub fn signal(&self, signal: Signal) {
        let mut state = self.state.lock();
        if state.ended.is_none() && !state.signals.contains(&signal) {
            state.signals.push_back(signal);
        }
        let owner = state.owner.take();
        drop(state);
        wake(owner);
    }

    /// Has the owner do something.
    pub fn order(&self, order: ConnectionOrder) {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return;
        }
        let bytes = state.orders.iter().map(ConnectionOrder::bytes).sum::<usize>() + order.bytes();
        if state.orders.len() >= ORDERS || bytes > ORDERED_BYTES {
            drop(state);
            return self.cut(Disconnect::TooManyRequests);
        }
        state.orders.push(order);
        drop(state);
        self.signal(Signal::Ordered);
    }

    /// What the owner is to do, in order.
    pub fn take_orders(&self) -> Vec<ConnectionOrder> {
        std::mem::take(&mut self.state.lock().orders)
    }

    /// The next thing the owner must know.
    pub fn poll_signal(&self, cx: &mut Context<'_>) -> Poll<Signal> {
        let mut state = self.state.lock();
        if let Some(why) = &state.ended {
            return Poll::Ready(Signal::Ended(why.clone()));
        }
        if let Some(signal) = state.signals.pop_front() {
            if state.signals.is_empty() {
                state.signals = VecDeque::new();
            }
            return Poll::Ready(signal);
        }
        register(&mut state.owner, cx);
        Poll::Pending
    }

    /// At most about `max_bytes` of what waits, in order, and at least one item. There is one writer.
    pub fn poll_take(&self, cx: &mut Context<'_>, max_bytes: usize) -> Poll<Taken> {
        let mut state = self.state.lock();
        state.writing = self.unwritten.is_some() && self.is_writing(&state);
        if state.queue.is_empty() {
            if let Some(why) = &state.ended {
                return Poll::Ready(Taken::Ended(why.clone()));
            }
            register(&mut state.writer, cx);
            return Poll::Pending;
        }
        state.behind = None;
        let batch = state.queue.take(max_bytes);
        state.writing |= batch
            .iter()
            .any(|item| item.slot != 0 || item.frame.has_content());
        Poll::Ready(Taken::Batch(batch))
    }

    /// Whether it had not ended before.
    fn finish(&self, why: Disconnect, drop_queue: bool) -> bool {
        let mut state = self.state.lock();
        // a cut behind an end still takes back what was not yet written
        if drop_queue {
            state.queue.clear();
        }
        let first = state.ended.is_none();
        if first {
            state.ended = Some(why);
            state.signals = VecDeque::new();
            state.orders = Vec::new();
            state.lost = Vec::new();
            state.behind = None;
        }
        let wakers = (state.writer.take(), state.owner.take());
        drop(state);
        wake(wakers.0);
        wake(wakers.1);
        first
    }

    /// Queues an item. `event` is the number of the last event of its subscription.
    fn queue(&self, mut state: MutexGuard<'_, State>, item: Queued, event: Option<&AtomicU64>) {
        if state.ended.is_some() || state.lost.contains(&item.slot) {
            return;
        }
        let is_event = item.frame.state().is_none();
        let last = event.map_or(u64::MAX, |event| event.load(Ordering::Relaxed));
        let put = state.queue.push(item, last);
        if let Some(event) = event.filter(|_| is_event) {
            event.store(put.number, Ordering::Relaxed);
        }
        let Ok(gaps) = state.make_room(self.limit) else {
            drop(state);
            return self.too_slow();
        };
        let writer = state.writer.take();
        let owner = if gaps > 0 { state.owner.take() } else { None };
        drop(state);
        wake(writer);
        wake(owner);
        if put.replaced {
            metrics::counter!("signalbox_live_slow_total", "what" => "conflated").increment(1);
        }
        if gaps > 0 {
            metrics::counter!("signalbox_live_slow_total", "what" => "gap").increment(gaps);
        }
    }

    /// Ends the connection, because its peer reads too slowly to be helped.
    pub(super) fn too_slow(&self) {
        if self.finish(Disconnect::Slow, true) {
            metrics::counter!("signalbox_live_slow_total", "what" => "closed").increment(1);
        }
    }
}

/// The client reads too slowly to be helped.
struct TooSlow;

impl State {
    /// Keeps what waits within `limit`: where it is over, the subscriptions with the most lose what waits, until half of the
    /// room is free, and their owner is told. How many they are.
    fn make_room(&mut self, limit: usize) -> Result<u64, TooSlow> {
        if self.queue.bytes() <= limit {
            return Ok(0);
        }
        if self.behind.is_some() {
            return Err(TooSlow);
        }
        let mut left = self.queue.bytes();
        let mut dropped = self.queue.by_size();
        dropped.retain(|(_, bytes)| {
            let needed = left > limit / 2;
            left -= if needed { *bytes } else { 0 };
            needed
        });
        if left > limit {
            return Err(TooSlow);
        }
        let slots: Vec<_> = dropped.into_iter().map(|(slot, _)| slot).collect();
        self.queue.drop_slots(&slots);
        self.signals.extend(slots.iter().copied().map(Signal::Lost));
        self.lost.extend(&slots);
        self.behind = Some(Instant::now());
        Ok(slots.len() as u64)
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *slot = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// One subscription of one connection, held by the connection and by the hub.
#[derive(Debug)]
pub struct Subscriber {
    outlet: Arc<Outlet>,
    slot: u32,
    open: AtomicBool,
    /// Where its channel finds it. Of use to the channel alone.
    seat: AtomicU32,
    /// The number of its last event in the queue: no state goes before it. Guarded by the outlet's lock.
    event: AtomicU64,
}

impl Subscriber {
    /// `slot` is the connection's own number for it, never 0 and never used again.
    pub fn new(outlet: Arc<Outlet>, slot: u32) -> Arc<Self> {
        Arc::new(Self {
            outlet,
            slot,
            open: true.into(),
            seat: 0.into(),
            event: 0.into(),
        })
    }

    /// Queues a publication, unless the subscription or the connection has ended.
    pub fn push(&self, frame: Frame, offset: u64) {
        self.push_in_turn(frame, offset, &Turn::default());
    }

    /// As [`Subscriber::push`]; `turn` waits until it is written.
    pub(super) fn push_in_turn(&self, frame: Frame, offset: u64, turn: &Turn) {
        let state = self.outlet.state.lock();
        if !self.open.load(Ordering::Relaxed) {
            return;
        }
        let mut item = Queued::new(frame, self.slot, offset);
        item.turn = turn.token();
        self.outlet.queue(state, item, Some(&self.event));
    }

    /// Ends the subscription and drops what is queued of it.
    pub fn close(&self) {
        let mut state = self.outlet.state.lock();
        // the outlet's lock orders this against `push`
        if !self.open.swap(false, Ordering::Relaxed) {
            return;
        }
        let slot = self.slot;
        state.queue.drop_slots(&[slot]);
        state.lost.retain(|lost| *lost != slot);
    }

    /// Ends the subscription because its place in the stream is lost, and tells the owner.
    pub fn lose(&self) {
        if self.is_open() {
            self.close();
            self.outlet.signal(Signal::Lost(self.slot));
        }
    }

    /// Whether anything can still be delivered.
    pub fn is_open(&self) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return false;
        }
        let state = self.outlet.state.lock();
        state.ended.is_none() && !state.lost.contains(&self.slot)
    }

    /// Its channel has put it here.
    pub(super) fn sit(&self, seat: usize) {
        self.seat.store(seat as u32, Ordering::Relaxed);
    }

    /// Where its channel has put it.
    pub(super) fn seat(&self) -> usize {
        self.seat.load(Ordering::Relaxed) as usize
    }

    /// The connection.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }
}

#[cfg(test)]
mod tests;
