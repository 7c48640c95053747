//! Counting for all nodes together, in windows, in Redis; each node knows what it has counted itself, and what Redis said last.
//!
//! Redis is asked once in a hundredth of a limit, and at each request where a limit is a hundred at most: a limit of 6,000
//! is kept to within 60 requests for each node beside this one, and costs a hundredth of the requests a way to Redis.
//!
//! Invariant: nobody waits for longer than [`WITHIN`]; Redis that is away is left alone for a second, and each node counts alone.

use super::Count;
use super::buckets::Id;
use parking_lot::Mutex;
use signalbox_core::Store;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Redis is a shortcut to what the others know: one that takes longer is away.
pub(super) const WITHIN: Duration = Duration::from_millis(100);
/// How long Redis is left alone when it was away.
const REST: Duration = Duration::from_secs(1);
/// Counts of a part beyond which those whose window is over are dropped.
const SWEEP_AT: usize = 2_000;
const PARTS: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: i64,
    /// Seconds since 1970.
    ends: i64,
    /// Counted here, and not told to Redis.
    untold: u32,
    /// All that is known of.
    known: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Shared {
    parts: [Mutex<HashMap<Id, Window>>; PARTS],
    away_until: Mutex<Option<Instant>>,
}

impl Shared {
    /// Counts one that this node would let in, and has `count` say so if it is one too many.
    pub(super) async fn count(&self, store: &Store, entry: &str, id: &Id, count: &mut Count) {
        let now = store.clock.now().unix_timestamp();
        let seconds = count.seconds as i64;
        let number = now.div_euclid(seconds);
        let tell = self.here(id, number, (number + 1) * seconds, now, count.most);
        let mut known = tell.known;
        if let Some(n) = tell.now.filter(|_| !self.is_away()) {
            let key = format!("{}:{}", id.whom.as_str(), hex::encode(id.who));
            let counting = store.bus.count_in_window(entry, &key, number, count.seconds, n);
            match tokio::time::timeout(WITHIN, counting).await {
                Ok(Ok(all)) => known = self.heard(id, number, all),
                _ => *self.away_until.lock() = Some(Instant::now() + REST),
            }
        }
        let left = u64::from(count.most).saturating_sub(known);
        count.left = count.left.min(u32::try_from(left).unwrap_or(u32::MAX));
        let over = ((number + 1) * seconds - now).max(1) as u64;
        // what is counted in the window is free again with its end, and not before
        count.reset = count.reset.max(over);
        if known > count.most.into() {
            count.wait = Some(over);
        }
    }

    /// Has `count`, of one that this node does not let in, say how long that is so: to the window's end, where all of it is used up.
    pub(super) fn refused(&self, store: &Store, id: &Id, count: &mut Count) {
        let (now, seconds) = (store.clock.now().unix_timestamp(), count.seconds as i64);
        let number = now.div_euclid(seconds);
        let over = ((number + 1) * seconds - now).max(1) as u64;
        let part = self.parts[id.part()].lock();
        let known = part
            .get(id)
            .filter(|window| window.number == number)
            .map_or(0, |window| window.known);
        if known >= count.most.into() {
            count.wait = count.wait.map(|wait| wait.max(over));
        }
        let wait = count.wait.unwrap_or_default();
        count.reset = count.reset.max(over).max(wait);
    }

    /// Counts one here.
    fn here(&self, id: &Id, number: i64, ends: i64, now: i64, most: u32) -> Tell {
        let mut part = self.parts[id.part()].lock();
        if part.len() >= SWEEP_AT {
            part.retain(|_, window| window.ends > now);
        }
        if part.len() >= SWEEP_AT * 4 {
            part.clear();
        }
        let window = part.entry(*id).or_default();
        if window.number != number {
            *window = Window {
                number,
                ends,
                ..Window::default()
            };
        }
        window.untold += 1;
        window.known += 1;
        let due = window.untold >= (most / 100).max(1);
        Tell {
            now: due.then(|| std::mem::take(&mut window.untold)),
            known: window.known,
        }
    }

    /// Notes what Redis says there are in all.
    fn heard(&self, id: &Id, number: i64, all: u64) -> u64 {
        let mut part = self.parts[id.part()].lock();
        let Some(window) = part.get_mut(id).filter(|window| window.number == number) else {
            return all;
        };
        window.known = window.known.max(all + u64::from(window.untold));
        window.known
    }

    fn is_away(&self) -> bool {
        self.away_until.lock().is_some_and(|until| Instant::now() < until)
    }
}

/// What is to be told to Redis, if anything is, and what is known.
struct Tell {
    now: Option<u32>,
    known: u64,
}
