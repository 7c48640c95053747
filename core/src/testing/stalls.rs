//! What a starved machine takes from a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a thread that only waits is let wait at a time.
const NAP: Duration = Duration::from_millis(20);

/// What it may oversleep on a machine that has time.
const USUAL: Duration = Duration::from_millis(5);

/// Counts the time in which the machine did not run who was due, until it is dropped: a bound that a test is about is longer
/// by that, and is as short as it says where nothing was taken.
#[derive(Debug)]
pub struct Stalls(Arc<AtomicU64>);

impl Stalls {
    /// From now on.
    pub fn watch() -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&lost);
        // ends by itself within a nap of the drop
        std::thread::spawn(move || {
            while let Some(lost) = watched.upgrade() {
                let began = Instant::now();
                std::thread::sleep(NAP);
                let over = began.elapsed().saturating_sub(NAP + USUAL);
                lost.fetch_add(over.as_micros() as u64, Ordering::Relaxed);
            }
        });
        Self(lost)
    }

    /// What to add to a bound: several processes may have waited for each other, each of them kept from its turn.
    pub fn allowance(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed)) * 3
    }
}
