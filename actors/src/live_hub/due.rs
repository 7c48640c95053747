//! What a channel has taken in and not yet given to all its members. Each member remembers how far in it it has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::publication::Publication;

/// So many are given without waiting for more: a write costs about 5 us and 0.1 us for each publication in it (measured), so
/// that more would save little.
const ENOUGH: usize = 24;

/// Fewer are kept back for so long after the last lap of turns began, for each follower: twice what a lap takes. A channel
/// that few follow waits for nothing, and neither does what comes after a pause.
const REST_EACH: Duration = Duration::from_micros(20);

/// At most for so long.
const REST: Duration = Duration::from_millis(200);

/// One of them.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) publication: Arc<Publication>,
    /// What it may be sent as a patch of.
    pub(super) base: Option<Arc<Publication>>,
}

/// Publications in order, counted from the channel's beginning on.
#[derive(Debug, Default)]
pub(super) struct Due {
    items: Vec<Item>,
    bytes: usize,
    /// How many came before those.
    gone: u64,
    /// When the last lap of turns began.
    lap: Option<Instant>,
}

impl Due {
    pub(super) fn add(&mut self, publication: Arc<Publication>, base: Option<Arc<Publication>>) {
        self.bytes += publication.size();
        self.items.push(Item { publication, base });
    }

    /// How many there were ever.
    pub(super) fn end(&self) -> u64 {
        self.gone + self.items.len() as u64
    }

    /// All but the first `given`.
    pub(super) fn since(&self, given: u64) -> &[Item] {
        &self.items[self.at(given)..]
    }

    /// Everybody has the first `given`.
    pub(super) fn forget(&mut self, given: u64) {
        let forgotten = self.items.drain(..self.at(given));
        self.gone += forgotten.len() as u64;
        self.bytes -= forgotten.map(|item| item.publication.size()).sum::<usize>();
        if self.items.is_empty() {
            // most channels have nothing due most of the time
            self.items = Vec::new();
        }
    }

    fn at(&self, given: u64) -> usize {
        let at = usize::try_from(given.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        at.min(self.items.len())
    }

    pub(super) fn lap_begins(&mut self, now: Instant) {
        self.lap = Some(now);
    }

    /// How long the next lap is to wait for more.
    pub(super) fn rest(&self, followers: usize, now: Instant) -> Duration {
        let Some(lap) = self.lap.filter(|_| self.items.len() < ENOUGH) else {
            return Duration::ZERO;
        };
        let rest = REST_EACH * u32::try_from(followers).unwrap_or(u32::MAX);
        rest.min(REST).saturating_sub(now.saturating_duration_since(lap))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of memory that it keeps back.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
