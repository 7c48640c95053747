//! What is known of a channel without asking its shard: how many follow it, and how much is published.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// One channel on one shard.
#[derive(Debug, Default)]
pub(super) struct Stats {
    members: AtomicUsize,
    rate: Mutex<Rate>,
}

impl Stats {
    pub(super) fn followed_by(&self, members: usize) {
        self.members.store(members, Ordering::Relaxed);
    }

    pub(super) fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    pub(super) fn published(&self, more: usize) {
        self.rate.lock().count(more);
    }

    /// Publications a second, of late.
    pub(super) fn rate(&self) -> f64 {
        self.rate.lock().per_second()
    }
}

/// Publications a second, over the last whole window and the present one.
#[derive(Debug, Default)]
struct Rate {
    began: Option<Instant>,
    counted: u32,
    before: f64,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(5);

    fn count(&mut self, more: usize) {
        self.turn();
        self.counted += more as u32;
    }

    fn turn(&mut self) {
        let elapsed = self.began.map(|began| began.elapsed());
        match elapsed {
            Some(elapsed) if elapsed < Self::WINDOW => {}
            elapsed => {
                // a window that ended long ago says nothing about now
                let fresh = elapsed.filter(|elapsed| *elapsed < 2 * Self::WINDOW);
                self.before = fresh.map_or(0.0, |elapsed| f64::from(self.counted) / elapsed.as_secs_f64());
                (self.began, self.counted) = (Some(Instant::now()), 0);
            }
        }
    }

    fn per_second(&mut self) -> f64 {
        self.turn();
        let elapsed = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        let now = f64::from(self.counted) / elapsed.max(1.0);
        self.before.max(now)
    }
}
