//! How often a child may come back, and after which pause. Pure: time is a parameter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::spec::Policy;

/// What follows an unclean exit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Come back after this pause.
    Restart(Duration),
    /// The budget is spent.
    Fail,
}

/// The restarts of the last window.
///
/// Every kind of unclean exit (panic, freeze, poisoned start, lost thread) draws on the same budget:
/// what ends an actor five times in ten seconds is broken, whichever way it ends.
#[derive(Debug, Default)]
pub(super) struct Budget {
    granted: VecDeque<Instant>,
}

impl Budget {
    /// Judges an exit at `now`, and remembers the restart it grants.
    pub(super) fn exit(&mut self, policy: &Policy, now: Instant) -> Verdict {
        while self
            .granted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= policy.window)
        {
            self.granted.pop_front();
        }
        if self.granted.len() >= policy.restarts {
            return Verdict::Fail;
        }
        // Doubling by the restarts still in the window means that a child which lived through one
        // whole window starts again at the shortest pause; no separate "was stable" state is needed.
        let doublings = u32::try_from(self.granted.len()).unwrap_or(u32::MAX);
        let pause = 2u32
            .checked_pow(doublings)
            .and_then(|factor| policy.first_pause.checked_mul(factor))
            .map_or(policy.longest_pause, |pause| pause.min(policy.longest_pause));
        self.granted.push_back(now);
        Verdict::Restart(pause)
    }

    /// Forgets the past: somebody asked for the child to be tried anew.
    pub(super) fn clear(&mut self) {
        self.granted.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pauses(policy: &Policy, at_ms: &[u64]) -> Vec<Option<u64>> {
        let start = Instant::now();
        let mut budget = Budget::default();
        at_ms
            .iter()
            .map(
                |ms| match budget.exit(policy, start + Duration::from_millis(*ms)) {
                    Verdict::Restart(pause) => Some(pause.as_millis() as u64),
                    Verdict::Fail => None,
                },
            )
            .collect()
    }

    #[test]
    fn the_sixth_exit_in_ten_seconds_fails() {
        let seen = pauses(&Policy::default(), &[0, 1_000, 2_000, 3_000, 4_000, 9_999]);
        assert_eq!(seen, [Some(50), Some(100), Some(200), Some(400), Some(800), None]);
    }

    #[test]
    fn exits_that_have_left_the_window_do_not_count() {
        let seen = pauses(&Policy::default(), &[0, 1, 2, 3, 4, 10_000, 10_001, 10_001]);
        assert_eq!(&seen[5..], [Some(800), Some(800), None]);
    }

    #[test]
    fn a_child_that_lived_through_a_window_pauses_shortly_again() {
        assert_eq!(
            pauses(&Policy::default(), &[0, 5, 20_000]),
            [Some(50), Some(100), Some(50)]
        );
    }

    #[test]
    fn the_pause_is_capped() {
        let policy = Policy {
            restarts: 100,
            ..Policy::default()
        };
        let seen = pauses(&policy, &(0..40).collect::<Vec<_>>());
        assert_eq!(seen[39], Some(5_000));
    }

    proptest! {
        /// Whatever the exits' times are: never more than the allowed restarts in any window.
        #[test]
        fn no_window_holds_more_restarts_than_allowed(mut at in prop::collection::vec(0u64..60_000, 1..80)) {
            at.sort_unstable();
            let policy = Policy::default();
            let seen = pauses(&policy, &at);
            let granted: Vec<u64> =
                at.iter().zip(&seen).filter(|(_, pause)| pause.is_some()).map(|(at, _)| *at).collect();
            for from in &granted {
                let within = granted.iter().filter(|at| (*from..from + 10_000).contains(*at)).count();
                prop_assert!(within <= policy.restarts);
            }
        }
    }
}
