//! Where answers come from, how often the shelf has them, and how old what it has may be.
//!
//! Counted in atomics of our own and written out by the actor: finding a counter by its name would cost more than the answer
//! from the shelf, and the share of hits is told from the counts themselves.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// All answers since the start.
#[derive(Default)]
pub(super) struct Figures {
    shelf: AtomicU64,
    redis: AtomicU64,
    primary: AtomicU64,
    too_old_on_shelf: AtomicU64,
    too_old_in_redis: AtomicU64,
    warmed: AtomicU64,
    /// Answers and hits when the share was last told.
    told: [AtomicU64; 2],
}

/// Of this process.
pub(super) static FIGURES: Figures = Figures::new();

impl Figures {
    const fn new() -> Self {
        Self {
            shelf: AtomicU64::new(0),
            redis: AtomicU64::new(0),
            primary: AtomicU64::new(0),
            too_old_on_shelf: AtomicU64::new(0),
            too_old_in_redis: AtomicU64::new(0),
            warmed: AtomicU64::new(0),
            told: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    pub(super) fn shelf(&self) {
        self.shelf.fetch_add(1, Relaxed);
    }

    pub(super) fn redis(&self) {
        self.redis.fetch_add(1, Relaxed);
    }

    pub(super) fn primary(&self) {
        self.primary.fetch_add(1, Relaxed);
    }

    pub(super) fn too_old_on_shelf(&self) {
        self.too_old_on_shelf.fetch_add(1, Relaxed);
    }

    pub(super) fn too_old_in_redis(&self) {
        self.too_old_in_redis.fetch_add(1, Relaxed);
    }

    /// So many sets were read before anybody asked.
    pub(super) fn warmed(&self, sets: u64) {
        self.warmed.fetch_add(sets, Relaxed);
    }

    /// For how long a set that has changed was not yet known here, from when the change was heard of.
    pub(super) fn renewed(after: Duration) {
        metrics::histogram!("signalbox_permission_staleness_seconds").record(after);
    }

    /// Writes the counters and gauges. `sets` are on the shelf, the oldest for as long as said.
    pub(super) fn export(&self, sets: usize, oldest: Duration) {
        metrics::gauge!("signalbox_permission_sets").set(sets as f64);
        metrics::gauge!("signalbox_permission_oldest_seconds").set(oldest.as_secs_f64());
        for (from, count) in [
            ("shelf", &self.shelf),
            ("redis", &self.redis),
            ("primary", &self.primary),
        ] {
            metrics::counter!("signalbox_permission_answers_total", "from" => from)
                .absolute(count.load(Relaxed));
        }
        for (at, count) in [
            ("shelf", &self.too_old_on_shelf),
            ("redis", &self.too_old_in_redis),
        ] {
            metrics::counter!("signalbox_permission_too_old_total", "at" => at).absolute(count.load(Relaxed));
        }
        metrics::counter!("signalbox_permission_warmed_total").absolute(self.warmed.load(Relaxed));
        if let Some(share) = self.share() {
            metrics::gauge!("signalbox_permission_hit_ratio").set(share);
        }
    }

    /// Of the answers since this was last asked, the share that the shelf had; `None` when there was none.
    fn share(&self) -> Option<f64> {
        let hits = self.shelf.load(Relaxed);
        let all = hits + self.redis.load(Relaxed) + self.primary.load(Relaxed);
        let (all_before, hits_before) = (self.told[0].swap(all, Relaxed), self.told[1].swap(hits, Relaxed));
        let answers = all.saturating_sub(all_before);
        (answers > 0).then(|| hits.saturating_sub(hits_before) as f64 / answers as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_hits_is_that_since_it_was_last_told_and_a_time_without_questions_tells_nothing() {
        let figures = Figures::default();
        assert_eq!(figures.share(), None);
        (0..3).for_each(|_| figures.shelf());
        figures.primary();
        assert_eq!(figures.share(), Some(0.75));
        assert_eq!(figures.share(), None);
        figures.redis();
        assert_eq!(figures.share(), Some(0.0));
    }
}
