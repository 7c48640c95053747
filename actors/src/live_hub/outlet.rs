//! What waits to be written to one connection. The hub puts shared frames in, the connection's writer takes them
//! out in batches; neither ever waits for the other.
//!
//! Invariant: at most `limit` bytes wait. What does not fit ends the connection as slow, with its queue.
//! Invariant: an idle outlet owns no heap memory but its own struct: there are 15,000 of them.
//! Invariant: a publication is queued under the same lock under which its subscription ends, so none slips in behind.
//!
//! This is not an actor: an actor's mailbox is bounded in messages, not in bytes, and a socket that blocks stops
//! its actor from being polled, timers included.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use signalbox_core::live::application::ServerSubscription;

use super::Disconnect;

/// What one queued item costs beside its bytes.
const ITEM_OVERHEAD: usize = size_of::<Queued>();

/// A message ready for the wire, shared by all who get it.
#[derive(Debug, Clone)]
pub struct Frame {
    whole: Bytes,
    header: u8,
    /// Messages in it; 0 when it may not be joined with others.
    messages: u8,
}

impl Frame {
    /// `whole` begins with `header` bytes of transport framing. They serve when the message travels alone; a
    /// batch gets one header of its own.
    pub fn new(whole: Bytes, header: u8) -> Self {
        debug_assert!(usize::from(header) <= whole.len());
        Self {
            whole,
            header,
            messages: 1,
        }
    }

    /// As [`Frame::new`], of so many messages.
    pub fn joined(whole: Bytes, header: u8, messages: u8) -> Self {
        Self {
            messages,
            ..Self::new(whole, header)
        }
    }

    /// A frame that may not be joined with others: transport control.
    pub fn alone(whole: Bytes) -> Self {
        Self {
            whole,
            header: 0,
            messages: 0,
        }
    }

    /// Whether it must stay a frame of its own.
    pub fn is_alone(&self) -> bool {
        self.messages == 0
    }

    /// How many messages it holds.
    pub fn messages(&self) -> usize {
        self.messages.into()
    }

    /// Header and message.
    pub fn whole(&self) -> Bytes {
        self.whole.clone()
    }

    /// The message without header.
    pub fn payload(&self) -> &[u8] {
        &self.whole[usize::from(self.header)..]
    }
}

/// One item on its way to the wire.
#[derive(Debug, Clone)]
pub struct Queued {
    /// What to write.
    pub frame: Frame,
    /// The subscription it belongs to; 0 is the connection itself.
    pub slot: u32,
    /// The position it moves the subscription to; 0 moves nothing.
    pub offset: u64,
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

/// What a connection is told to do from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionOrder {
    /// Follow a channel on the server's behalf.
    Subscribe {
        /// Which.
        channel: String,
        /// How.
        terms: Box<ServerSubscription>,
    },
    /// Stop following.
    Unsubscribe {
        /// Which.
        channel: String,
        /// What the client is told; from 2500 on it comes back.
        code: u32,
        /// The text beside it.
        reason: String,
    },
    /// Move the end of the credentials.
    Refresh {
        /// They have ended now.
        expired: bool,
        /// Seconds since 1970; `None` never.
        expire_at: Option<i64>,
    },
    /// Commands of a client that cannot send on its stream.
    Commands(Bytes),
}

/// Orders that may wait for one connection: more come only of a client that floods, which is cut off.
const ORDERS: usize = 512;

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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    bytes: usize,
    signals: VecDeque<Signal>,
    orders: Vec<ConnectionOrder>,
    ended: Option<Disconnect>,
    writer: Option<Waker>,
    owner: Option<Waker>,
}

impl Outlet {
    /// An outlet that holds at most `limit` bytes, overhead included.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: Mutex::default(),
        })
    }

    /// Queues a message of the connection itself.
    pub fn push(&self, frame: Frame) {
        let state = self.state.lock();
        self.queue(
            state,
            Queued {
                frame,
                slot: 0,
                offset: 0,
            },
        );
    }

    /// Queues a message that moves a subscription to a position, in order with its publications.
    pub fn push_at(&self, frame: Frame, slot: u32, offset: u64) {
        let state = self.state.lock();
        self.queue(state, Queued { frame, slot, offset });
    }

    /// Ends the connection after what is already queued. The first end counts.
    pub fn end(&self, why: Disconnect) {
        self.finish(why, false);
    }

    /// Ends the connection and drops what is queued: the peer may not see it, or will never read it.
    pub fn cut(&self, why: Disconnect) {
        self.finish(why, true);
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
        self.state.lock().bytes
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
        if state.orders.len() >= ORDERS {
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
        if state.queue.is_empty() {
            if let Some(why) = &state.ended {
                return Poll::Ready(Taken::Ended(why.clone()));
            }
            register(&mut state.writer, cx);
            return Poll::Pending;
        }
        let batch = if state.bytes <= max_bytes {
            std::mem::take(&mut state.queue)
        } else {
            let mut size = 0;
            let fits = state.queue.iter().take_while(|item| {
                let before = size;
                size += cost(item);
                before == 0 || size <= max_bytes
            });
            let count = fits.count();
            state.queue.drain(..count).collect()
        };
        let taken: usize = batch.iter().map(cost).sum();
        state.bytes -= taken;
        Poll::Ready(Taken::Batch(batch))
    }

    fn finish(&self, why: Disconnect, drop_queue: bool) {
        let mut state = self.state.lock();
        // a cut behind an end still takes back what was not yet written
        if drop_queue {
            state.forget_queue();
        }
        if state.ended.is_none() {
            state.ended = Some(why);
            state.signals = VecDeque::new();
            state.orders = Vec::new();
        }
        let wakers = (state.writer.take(), state.owner.take());
        drop(state);
        wake(wakers.0);
        wake(wakers.1);
    }

    fn queue(&self, mut state: parking_lot::MutexGuard<'_, State>, item: Queued) {
        if state.ended.is_some() {
            return;
        }
        let cost = cost(&item);
        if state.bytes + cost > self.limit {
            drop(state);
            self.cut(Disconnect::Slow);
            return;
        }
        state.bytes += cost;
        state.queue.push_back(item);
        let writer = state.writer.take();
        drop(state);
        wake(writer);
    }
}

impl State {
    fn forget_queue(&mut self) {
        self.bytes = 0;
        self.queue = VecDeque::new();
    }
}

fn cost(item: &Queued) -> usize {
    item.frame.whole.len() + ITEM_OVERHEAD
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
    open: std::sync::atomic::AtomicBool,
}

impl Subscriber {
    /// `slot` is the connection's own number for it, never 0 and never used again.
    pub fn new(outlet: Arc<Outlet>, slot: u32) -> Arc<Self> {
        Arc::new(Self {
            outlet,
            slot,
            open: true.into(),
        })
    }

    /// Queues a publication, unless the subscription or the connection has ended.
    pub fn push(&self, frame: Frame, offset: u64) {
        let state = self.outlet.state.lock();
        if self.open.load(Ordering::Relaxed) {
            self.outlet.queue(
                state,
                Queued {
                    frame,
                    slot: self.slot,
                    offset,
                },
            );
        }
    }

    /// Ends the subscription and drops what is queued of it.
    pub fn close(&self) {
        let mut state = self.outlet.state.lock();
        // the outlet's lock orders this against `push`
        if !self.open.swap(false, Ordering::Relaxed) {
            return;
        }
        let slot = self.slot;
        state.queue.retain(|item| item.slot != slot);
        state.bytes = state.queue.iter().map(cost).sum();
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
        self.open.load(Ordering::Relaxed) && !self.outlet.has_ended()
    }

    /// The connection.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }
}

#[cfg(test)]
mod tests;
