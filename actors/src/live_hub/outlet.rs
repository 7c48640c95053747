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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Disconnect;

/// What one queued item costs beside its bytes.
const ITEM_OVERHEAD: usize = size_of::<Queued>();

/// Bytes waiting in all outlets of this process.
static QUEUED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes waiting in all outlets of this process, for metrics.
pub fn queued_bytes() -> usize {
    QUEUED_BYTES.load(Ordering::Relaxed)
}

/// A message ready for the wire, shared by all who get it.
#[derive(Debug, Clone)]
pub struct Frame {
    whole: Bytes,
    header: u8,
    alone: bool,
}

impl Frame {
    /// `whole` begins with `header` bytes of transport framing. They serve when the message travels alone; a
    /// batch gets one header of its own.
    pub fn new(whole: Bytes, header: u8) -> Self {
        debug_assert!(usize::from(header) <= whole.len());
        Self {
            whole,
            header,
            alone: false,
        }
    }

    /// A frame that may not be joined with others: transport control.
    pub fn alone(whole: Bytes) -> Self {
        Self {
            whole,
            header: 0,
            alone: true,
        }
    }

    /// Whether it must stay a frame of its own.
    pub fn is_alone(&self) -> bool {
        self.alone
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The subscription in this slot lost its place and has been dropped.
    Lost(u32),
    /// The rights of the viewer may have changed: every subscription is to be judged again.
    RightsChanged,
    /// The connection has ended. Repeated for ever.
    Ended(Disconnect),
}

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
        self.state.lock().ended
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

    /// The next thing the owner must know.
    pub fn poll_signal(&self, cx: &mut Context<'_>) -> Poll<Signal> {
        let mut state = self.state.lock();
        if let Some(why) = state.ended {
            return Poll::Ready(Signal::Ended(why));
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
            if let Some(why) = state.ended {
                return Poll::Ready(Taken::Ended(why));
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
        let taken = batch.iter().map(cost).sum();
        state.bytes -= taken;
        QUEUED_BYTES.fetch_sub(taken, Ordering::Relaxed);
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
        QUEUED_BYTES.fetch_add(cost, Ordering::Relaxed);
        state.queue.push_back(item);
        let writer = state.writer.take();
        drop(state);
        wake(writer);
    }
}

impl State {
    fn forget_queue(&mut self) {
        QUEUED_BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
        self.queue = VecDeque::new();
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.state.get_mut().forget_queue();
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
        let before = state.bytes;
        let slot = self.slot;
        state.queue.retain(|item| item.slot != slot);
        state.bytes = state.queue.iter().map(cost).sum();
        QUEUED_BYTES.fetch_sub(before - state.bytes, Ordering::Relaxed);
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
        self.open.load(Ordering::Relaxed) && self.outlet.ended().is_none()
    }

    /// The connection.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn frame(text: &str) -> Frame {
        Frame::new(Bytes::copy_from_slice(text.as_bytes()), 0)
    }

    fn take(outlet: &Outlet, max_bytes: usize) -> Option<Vec<String>> {
        match outlet.poll_take(&mut Context::from_waker(Waker::noop()), max_bytes) {
            Poll::Ready(Taken::Batch(batch)) => Some(
                batch
                    .iter()
                    .map(|item| String::from_utf8_lossy(item.frame.payload()).into())
                    .collect(),
            ),
            Poll::Ready(Taken::Ended(_)) | Poll::Pending => None,
        }
    }

    fn end_told(outlet: &Outlet) -> Option<Disconnect> {
        match outlet.poll_take(&mut Context::from_waker(Waker::noop()), 1) {
            Poll::Ready(Taken::Ended(why)) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn a_waiting_writer_is_woken_once_for_many_messages() {
        let outlet = Outlet::new(1000);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert!(
            outlet
                .poll_take(&mut Context::from_waker(&waker), 1000)
                .is_pending()
        );
        outlet.push(frame("a"));
        outlet.push(frame("b"));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(take(&outlet, 1000), Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_queue_over_its_bound_ends_the_connection_as_slow_and_frees_its_memory() {
        let outlet = Outlet::new(2 * (ITEM_OVERHEAD + 3));
        outlet.push(frame("one"));
        outlet.push(frame("two"));
        assert_eq!(outlet.ended(), None);
        outlet.push(frame("x"));
        assert_eq!(outlet.ended(), Some(Disconnect::Slow));
        assert_eq!(outlet.bytes(), 0);
        assert_eq!(end_told(&outlet), Some(Disconnect::Slow));
    }

    #[test]
    fn an_end_is_told_after_what_was_queued_and_a_cut_before() {
        let polite = Outlet::new(1000);
        polite.push(frame("last"));
        polite.end(Disconnect::BadRequest);
        assert_eq!(take(&polite, 1000), Some(vec!["last".into()]));
        assert_eq!(end_told(&polite), Some(Disconnect::BadRequest));

        let hard = Outlet::new(1000);
        hard.push(frame("secret"));
        hard.end(Disconnect::BadRequest);
        hard.cut(Disconnect::AccessEnded);
        assert_eq!(end_told(&hard), Some(Disconnect::BadRequest));
    }

    #[test]
    fn a_closed_subscription_leaves_nothing_behind_and_takes_nothing_more() {
        let outlet = Outlet::new(1000);
        let (one, two) = (
            Subscriber::new(outlet.clone(), 1),
            Subscriber::new(outlet.clone(), 2),
        );
        one.push(frame("a1"), 1);
        two.push(frame("b1"), 1);
        one.close();
        one.push(frame("a2"), 2);
        two.push(frame("b2"), 2);
        assert_eq!(take(&outlet, 1000), Some(vec!["b1".into(), "b2".into()]));
        assert_eq!(outlet.bytes(), 0);
    }

    #[test]
    fn a_lost_subscription_is_told_once() {
        let outlet = Outlet::new(1000);
        let subscriber = Subscriber::new(outlet.clone(), 7);
        subscriber.lose();
        subscriber.lose();
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(outlet.poll_signal(&mut cx), Poll::Ready(Signal::Lost(7)));
        assert!(outlet.poll_signal(&mut cx).is_pending());
    }

    #[test]
    fn the_owner_learns_of_the_end_whatever_else_was_to_tell() {
        let outlet = Outlet::new(1000);
        outlet.signal(Signal::RightsChanged);
        outlet.cut(Disconnect::AccessEnded);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert_eq!(
                outlet.poll_signal(&mut cx),
                Poll::Ready(Signal::Ended(Disconnect::AccessEnded))
            );
        }
    }

    #[test]
    fn an_idle_outlet_holds_no_heap_memory_even_after_use() {
        let outlet = Outlet::new(1_000_000);
        assert_eq!(outlet.state.lock().queue.capacity(), 0);
        for _ in 0..100 {
            outlet.push(frame("x"));
        }
        assert_eq!(take(&outlet, 1_000_000).unwrap().len(), 100);
        assert_eq!(outlet.state.lock().queue.capacity(), 0);
    }

    proptest! {
        #[test]
        fn whatever_the_batches_all_comes_out_once_in_order_and_the_count_is_true(
            steps in prop::collection::vec((0..3u8, 0..300usize), 1..200),
        ) {
            let outlet = Outlet::new(usize::MAX);
            let (mut sent, mut got) = (Vec::new(), Vec::new());
            for (kind, size) in steps {
                if kind < 2 {
                    let text = format!("{}:{}", sent.len(), "x".repeat(size));
                    outlet.push(frame(&text));
                    sent.push(text);
                } else {
                    got.extend(take(&outlet, size * 3).unwrap_or_default());
                }
                let waiting = &sent[got.len()..];
                prop_assert_eq!(outlet.bytes(), waiting.iter().map(|text| text.len() + ITEM_OVERHEAD).sum::<usize>());
            }
            got.extend(take(&outlet, usize::MAX).unwrap_or_default());
            prop_assert_eq!(sent, got);
        }
    }
}
