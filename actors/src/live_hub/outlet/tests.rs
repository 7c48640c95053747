use std::task::Wake;

use bytes::Bytes;
use proptest::prelude::*;

use super::frame::ITEM_OVERHEAD;
use super::*;

mod conflation;

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

fn state(key: &str, text: &str) -> Frame {
    frame(text).with_state(key.into())
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
fn what_is_over_the_bound_without_a_subscription_to_drop_ends_the_connection_and_frees_its_memory() {
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
fn a_newer_state_takes_the_turn_of_the_one_that_waits() {
    let outlet = Outlet::new(1000);
    let (one, two) = (
        Subscriber::new(outlet.clone(), 1),
        Subscriber::new(outlet.clone(), 2),
    );
    one.push(state("a", "a1"), 0);
    one.push(state("b", "b1"), 0);
    two.push(state("a", "another channel"), 0);
    for n in 2..100 {
        one.push(state("a", &format!("a{n}")), 0);
    }
    assert_eq!(
        take(&outlet, 1000),
        Some(vec!["a99".into(), "b1".into(), "another channel".into()])
    );
    one.push(state("a", "a100"), 0);
    assert_eq!(take(&outlet, 1000), Some(vec!["a100".into()]));
    assert_eq!(outlet.bytes(), 0);
}

#[test]
fn a_newer_state_goes_before_no_event_of_its_channel() {
    let outlet = Outlet::new(10_000);
    let (one, two) = (
        Subscriber::new(outlet.clone(), 1),
        Subscriber::new(outlet.clone(), 2),
    );
    one.push(state("job", "half"), 0);
    two.push(frame("of another channel"), 1);
    one.push(state("job", "nearly"), 0);
    one.push(frame("done"), 7);
    one.push(state("job", "all"), 0);
    assert_eq!(
        take(&outlet, 1000),
        Some(vec!["of another channel".into(), "done".into(), "all".into()])
    );
    assert_eq!((outlet.bytes(), outlet.state.lock().queue.room()), (0, 0));
}

#[test]
fn a_full_queue_loses_the_subscription_with_the_most_in_it_and_tells_its_owner_once() {
    let outlet = Outlet::new(10 * (ITEM_OVERHEAD + 2));
    let (small, large) = (
        Subscriber::new(outlet.clone(), 1),
        Subscriber::new(outlet.clone(), 2),
    );
    outlet.push(frame("re"));
    small.push(frame("s1"), 1);
    for n in 0..20 {
        large.push(frame("la"), n + 1);
    }
    outlet.push_at(frame("la"), 2, 21);
    small.push(frame("s2"), 2);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(outlet.poll_signal(&mut cx), Poll::Ready(Signal::Lost(2)));
    assert!(outlet.poll_signal(&mut cx).is_pending());
    assert!(!large.is_open() && small.is_open());
    assert_eq!(
        take(&outlet, 10_000),
        Some(vec!["re".into(), "s1".into(), "s2".into()])
    );
    large.close();
    assert_eq!(outlet.ended(), None);
}

#[test]
fn whoever_takes_nothing_after_a_gap_was_told_is_too_slow_when_more_comes_or_time_passes() {
    let full = |outlet: &Arc<Outlet>, slot: u32| {
        let subscriber = Subscriber::new(outlet.clone(), slot);
        for n in 0..5 {
            subscriber.push(frame("xx"), n + 1);
        }
    };
    let outlet = Outlet::new(4 * (ITEM_OVERHEAD + 2));
    let later = Instant::now() + STALLED + STALLED;
    assert!(!outlet.is_stalled(later));
    full(&outlet, 1);
    assert!(outlet.is_stalled(later) && !outlet.is_stalled(Instant::now()));
    outlet.push(frame("the notice"));
    // who reads on is helped again and again
    for slot in 2..20 {
        assert_eq!(take(&outlet, 10_000).unwrap().len(), 1);
        assert!(!outlet.is_stalled(later));
        full(&outlet, slot);
        outlet.push(frame("the notice"));
    }
    assert_eq!(outlet.ended(), None);
    full(&outlet, 20);
    assert_eq!((outlet.ended(), outlet.bytes()), (Some(Disconnect::Slow), 0));
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
    assert_eq!(outlet.state.lock().queue.room(), 0);
    let subscriber = Subscriber::new(outlet.clone(), 1);
    for n in 0..100 {
        subscriber.push(frame("x"), n + 1);
        subscriber.push(state("key", "x"), 0);
    }
    assert_eq!(take(&outlet, 1_000_000).unwrap().len(), 101);
    assert_eq!(outlet.state.lock().queue.room(), 0);
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
            // the least that is ever allocated is room for four
            let memory = outlet.state.lock().queue.memory();
            prop_assert!(memory <= outlet.bytes() + 4 * size_of::<Queued>());
        }
        got.extend(take(&outlet, usize::MAX).unwrap_or_default());
        prop_assert_eq!(sent, got);
    }
}

#[test]
fn commands_that_nobody_takes_end_the_connection_before_they_are_more_than_fit() {
    let outlet = Outlet::new(1000);
    let order = || outlet.order(ConnectionOrder::Commands(vec![b' '; 64 * 1024].into()));
    for _ in 0..ORDERED_BYTES / (64 * 1024) {
        order();
    }
    assert_eq!(outlet.ended(), None);
    order();
    assert_eq!(outlet.ended(), Some(Disconnect::TooManyRequests));
}

#[test]
fn what_shows_something_is_known_to_wait_until_more_is_taken_and_is_not_written_on_once_it_is_cut_off() {
    let outlet = Outlet::new(10_000);
    outlet.push(frame("told"));
    assert!(!outlet.holds_content());
    outlet.push(frame("answer").with_content());
    assert!(outlet.holds_content());
    assert_eq!(take(&outlet, 1000).unwrap().len(), 2);
    assert!(
        outlet.holds_content() && !outlet.is_severed(),
        "it is being written"
    );
    assert_eq!(take(&outlet, 1000), None);
    assert!(!outlet.holds_content());
    outlet.push(frame("answer").with_content());
    outlet.cut(Disconnect::ForceReconnect);
    assert!(
        !outlet.holds_content() && !outlet.is_severed(),
        "it was not begun"
    );
    let outlet = Outlet::new(10_000);
    outlet.push_at(frame("event"), 1, 1);
    take(&outlet, 1000);
    outlet.cut(Disconnect::AccessEnded);
    assert!(outlet.is_severed());
}

#[test]
fn what_is_passed_on_is_half_written_until_it_is_told_that_it_is_written_however_often_more_is_taken() {
    let unwritten: Arc<AtomicBool> = Arc::default();
    let outlet = Outlet::written_by(10_000, unwritten.clone());
    outlet.push_at(frame("event"), 1, 1);
    take(&outlet, 1000);
    assert!(!outlet.holds_content(), "nothing of it was passed on");
    unwritten.store(true, Ordering::Relaxed);
    assert_eq!(take(&outlet, 1000), None);
    assert!(outlet.holds_content());
    unwritten.store(false, Ordering::Relaxed);
    assert!(!outlet.holds_content());
    assert_eq!(take(&outlet, 1000), None);
    // what shows nothing may be read by anybody
    outlet.push(frame("ping"));
    take(&outlet, 1000);
    unwritten.store(true, Ordering::Relaxed);
    outlet.cut(Disconnect::AccessEnded);
    assert!(!outlet.is_severed());
}
