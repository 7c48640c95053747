//! How slow the node is: by how many of a second's answers took too long.

use super::buckets::LEVELS;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// An answer that takes longer is slow. The hub's own aim is 100 ms for nineteen of twenty.
const SLOW: Duration = Duration::from_millis(250);
/// More slow ones than one in so many: the p95 is beyond [`SLOW`].
const ONE_IN: u32 = 20;
/// Fewer answers in a second tell nothing.
const FEWEST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// See the module. Each slow second halves what costs much, each that is not gives half of it back.
#[derive(Debug, Default)]
pub(super) struct Pressure {
    all: AtomicU32,
    slow: AtomicU32,
    level: AtomicUsize,
    /// When the present second began.
    since: Mutex<Option<Instant>>,
}

impl Pressure {
    /// How often what costs much is halved.
    pub(super) fn level(&self) -> usize {
        self.level.load(Relaxed)
    }

    pub(super) fn note(&self, took: Duration) {
        self.note_at(Instant::now(), took);
    }

    fn note_at(&self, now: Instant, took: Duration) {
        if let Some(mut since) = self.since.try_lock()
            && since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW)
        {
            let silent = since.is_some_and(|since| now.saturating_duration_since(since) >= WINDOW * 2);
            *since = Some(now);
            self.turn(silent);
        }
        self.all.fetch_add(1, Relaxed);
        self.slow.fetch_add(u32::from(took > SLOW), Relaxed);
    }

    /// Judges the second that is over; a silent one before this was quick.
    fn turn(&self, silent: bool) {
        let (all, slow) = (self.all.swap(0, Relaxed), self.slow.swap(0, Relaxed));
        let is_slow = !silent && all >= FEWEST && slow * ONE_IN > all;
        let level = self.level();
        let next = if is_slow {
            (level + 1).min(LEVELS - 1)
        } else {
            level.saturating_sub(1)
        };
        self.level.store(next, Relaxed);
        metrics::gauge!("signalbox_limits_halved").set(next as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_seconds_raise_it_and_quick_ones_lower_it_again() {
        let (pressure, start) = (Pressure::default(), Instant::now());
        let second = |n: u64, slow: u32| {
            for one in 0..100 {
                let took = if one < slow { SLOW * 2 } else { SLOW / 2 };
                pressure.note_at(start + WINDOW * n as u32, took);
            }
            pressure.level()
        };
        let levels: Vec<usize> = [50, 50, 6, 6, 6, 5, 5, 0, 0]
            .into_iter()
            .zip(0..)
            .map(|(slow, n)| second(n, slow))
            .collect();
        assert_eq!(
            levels,
            [0, 1, 2, 3, 3, 3, 2, 1, 0],
            "each is judged when the next begins"
        );
    }

    #[test]
    fn a_few_slow_answers_tell_nothing_and_silence_is_not_slow() {
        let (pressure, start) = (Pressure::default(), Instant::now());
        for n in 0..10 {
            pressure.note_at(start + WINDOW * n, SLOW * 2);
        }
        assert_eq!(pressure.level(), 0);
        for _ in 0..100 {
            pressure.note_at(start + WINDOW * 9, SLOW * 2);
        }
        pressure.note_at(start + WINDOW * 100, SLOW / 2);
        assert_eq!(
            pressure.level(),
            0,
            "a minute later nobody knows how the node was"
        );
    }
}
