//! Who is given something takes turns: some followers at a time, the next when most of those before are being written to.
//! Meanwhile more may come, which the next are then given in the same write. So a node that has nothing else to do gives
//! at once, a busy one gives much at a time, and neither waits for a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Turns under way at once: while one is written, the next is ready.
const AT_ONCE: usize = 2;

/// More than there are followers in a turn.
const MANY: i64 = 1 << 40;

/// Counts the turns under way.
#[derive(Debug, Default)]
pub(in super::super) struct Gate {
    under_way: AtomicUsize,
    freed: Notify,
}

impl Gate {
    /// Whether another turn may begin.
    pub(in super::super) fn is_free(&self) -> bool {
        self.under_way.load(Ordering::Acquire) < AT_ONCE
    }

    /// Returns when another turn may begin.
    pub(in super::super) async fn freed(&self) {
        while !self.is_free() {
            self.freed.notified().await;
        }
    }

    fn end_turn(&self) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

/// Some followers who are given something together. It is over when half of them have taken it to be written: one who does
/// not read is waited for by nobody.
#[derive(Debug, Default)]
pub(in super::super) struct Turn(Option<Arc<Left>>);

#[derive(Debug)]
struct Left {
    count: AtomicI64,
    gate: Arc<Gate>,
}

impl Turn {
    pub(in super::super) fn begin(gate: &Arc<Gate>) -> Self {
        gate.under_way.fetch_add(1, Ordering::AcqRel);
        Self(Some(Arc::new(Left {
            count: MANY.into(),
            gate: gate.clone(),
        })))
    }

    /// To be kept with what one follower is given, until that is written.
    pub(in super::super) fn token(&self) -> Token {
        Token(self.0.clone())
    }

    /// So many followers were given something, and nobody else will be.
    pub(in super::super) fn given(self, followers: usize) {
        if let Some(left) = self.0 {
            left.less(MANY - followers.div_ceil(2) as i64, |after| after <= 0);
        }
    }
}

impl Left {
    fn less(&self, by: i64, is_over: impl Fn(i64) -> bool) {
        if is_over(self.count.fetch_sub(by, Ordering::AcqRel) - by) {
            self.gate.end_turn();
        }
    }
}

/// Dropped when what a follower was given in a turn is being written, or is dropped itself.
#[derive(Debug, Default)]
pub(in super::super) struct Token(Option<Arc<Left>>);

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(left) = &self.0 {
            left.less(1, |after| after == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn begin(gate: &Arc<Gate>, followers: usize) -> Vec<Token> {
        let turn = Turn::begin(gate);
        let tokens = (0..followers).map(|_| turn.token()).collect();
        turn.given(followers);
        tokens
    }

    #[test]
    fn two_turns_are_under_way_at_most_and_a_turn_is_over_when_half_is_taken() {
        let gate = Arc::default();
        let mut first = begin(&gate, 4);
        assert!(gate.is_free(), "one is under way");
        let second = begin(&gate, 3);
        assert!(!gate.is_free());
        first.pop();
        assert!(!gate.is_free(), "one of four");
        first.pop();
        assert!(gate.is_free(), "two of four");
        drop((first, second));
        assert_eq!(gate.under_way.load(Ordering::Relaxed), 0, "each counts once");
    }

    #[test]
    fn a_turn_in_which_nobody_got_anything_is_over_at_once() {
        let gate = Arc::default();
        begin(&gate, 0);
        assert_eq!(gate.under_way.load(Ordering::Relaxed), 0);
        drop(Turn::default().token());
    }

    proptest! {
        #[test]
        fn every_turn_ends_once_whoever_is_first(followers in 1..20usize, early in 0..20usize) {
            let gate = Arc::default();
            let turn = Turn::begin(&gate);
            let mut tokens: Vec<_> = (0..followers).map(|_| turn.token()).collect();
            tokens.truncate(followers.saturating_sub(early));
            turn.given(followers);
            drop(tokens);
            prop_assert_eq!(gate.under_way.load(Ordering::Relaxed), 0);
        }
    }

    #[tokio::test]
    async fn who_waits_for_the_gate_is_woken() {
        let gate: Arc<Gate> = Arc::default();
        let (first, _second) = (begin(&gate, 1), begin(&gate, 1));
        let mut waiting = std::pin::pin!(gate.freed());
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .unwrap();
    }
}
