//! Counting on this node, by governor (GCRA): who has asked nothing for a while may ask all at once.
//!
//! Invariant: what is kept is bounded: whoever could ask all at once again is forgotten when a part is full.

use super::Count;
use super::table::{Entry, Table, Whom};
use governor::clock::{Clock, QuantaClock, QuantaInstant, Reference};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Parts with a lock each. A power of two.
const PARTS: usize = 16;
/// Entries of a part beyond which those that limit nobody are dropped.
const SWEEP_AT: usize = 2_000;
/// How often what costs much is halved at most.
pub(super) const LEVELS: usize = 4;

/// Who is counted under what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) entry: u16,
    pub(super) whom: Whom,
    /// A UUID or an address.
    pub(super) who: [u8; 16],
}

impl Id {
    /// Of random ids the end differs; of networks the middle.
    pub(super) fn part(&self) -> usize {
        usize::from(self.who[15] ^ self.who[7]) % PARTS
    }
}

type Plain = RateLimiter<Id, Kept, QuantaClock, NoOpMiddleware<QuantaInstant>>;
type Limiter = RateLimiter<Id, Kept, QuantaClock, StateInformationMiddleware>;

/// One limit, and smaller and smaller ones for when the node is slow.
struct Limit {
    most: u32,
    seconds: u64,
    limiter: Limiter,
}

/// See the module.
pub(super) struct Buckets {
    limits: HashMap<(u16, Whom), Vec<Limit>>,
    clock: QuantaClock,
    kept: Kept,
    start: QuantaInstant,
}

impl Buckets {
    pub(super) fn of(table: &Table) -> Self {
        let (kept, clock) = (Kept::default(), QuantaClock::default());
        let mut limits = HashMap::new();
        for (at, entry) in table.entries().iter().enumerate() {
            for (whom, most) in [Whom::User, Whom::Key, Whom::Address].into_iter().zip(entry.most) {
                let levels = levels(entry, most, &kept, &clock);
                if !levels.is_empty() {
                    limits.insert((at as u16, whom), levels);
                }
            }
        }
        Self {
            limits,
            start: clock.now(),
            clock,
            kept,
        }
    }

    /// Counts one; `None` where nothing limits it. `level` says how slow the node is.
    pub(super) fn count(&self, id: &Id, level: usize) -> Option<Count> {
        let levels = self.limits.get(&(id.entry, id.whom))?;
        let limit = &levels[level.min(levels.len() - 1)];
        self.kept
            .sweep(id.part(), self.clock.now().duration_since(self.start));
        let (left, wait) = match limit.limiter.check_key(id) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.clock.now()).as_secs() + 1)),
        };
        let used = u64::from(limit.most.saturating_sub(left));
        Some(Count {
            most: limit.most,
            seconds: limit.seconds,
            left,
            reset: (used * limit.seconds).div_ceil(limit.most.into()),
            wait,
        })
    }
}

/// The limit, and where it is of something costly the halves of it; none for no limit. They count in the same place.
fn levels(entry: &Entry, most: u32, kept: &Kept, clock: &QuantaClock) -> Vec<Limit> {
    let levels = if entry.costly { LEVELS } else { 1 };
    let halves =
        (0..levels).filter_map(|level| NonZeroU32::new(if most == 0 { 0 } else { (most >> level).max(1) }));
    halves
        .map(|most| {
            let each = (Duration::from_secs(entry.seconds) / most.get()).max(Duration::from_nanos(1));
            let quota = Quota::with_period(each)
                .unwrap_or(Quota::per_second(most))
                .allow_burst(most);
            let limiter = Plain::new(quota, kept.clone(), clock.clone());
            Limit {
                most: most.get(),
                seconds: entry.seconds,
                limiter: limiter.with_middleware::<StateInformationMiddleware>(),
            }
        })
        .collect()
}

/// When each is as if it had never asked, by governor's reckoning.
#[derive(Clone, Default)]
struct Kept(Arc<[Mutex<HashMap<Id, Nanos>>; PARTS]>);

impl Kept {
    fn sweep(&self, part: usize, now: Nanos) {
        let mut part = self.0[part].lock();
        if part.len() >= SWEEP_AT {
            part.retain(|_, at| *at > now);
        }
        if part.len() >= SWEEP_AT * 4 {
            // so many at once are nobody's customers
            part.clear();
        }
    }
}

impl StateStore for Kept {
    type Key = Id;

    fn measure_and_replace<T, F, E>(&self, key: &Id, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut part = self.0[key.part()].lock();
        let (answer, next) = f(part.get(key).copied())?;
        part.insert(*key, next);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Quotas;

    fn buckets(sort: &str, user: u32) -> Buckets {
        let quotas = Quotas {
            user: Some(user),
            seconds: Some(600),
            ..Quotas::default()
        };
        let settings = [("default".to_owned(), [(sort.to_owned(), quotas)].into())].into();
        Buckets::of(&Table::of(&settings))
    }

    fn user(entry: u16, n: u8) -> Id {
        Id {
            entry,
            whom: Whom::User,
            who: [n; 16],
        }
    }

    #[test]
    fn each_is_counted_alone_and_told_what_is_left_and_when_to_come_back() {
        let buckets = buckets("read", 3);
        for left in [2, 1, 0] {
            let count = buckets.count(&user(0, 1), 0).unwrap();
            assert_eq!(
                (count.most, count.seconds, count.left, count.wait),
                (3, 600, left, None)
            );
        }
        let refused = buckets.count(&user(0, 1), 0).unwrap();
        assert!(
            refused.wait.is_some_and(|wait| (190..=201).contains(&wait)),
            "{refused:?}"
        );
        assert_eq!(refused.reset, 600);
        assert_eq!(buckets.count(&user(0, 2), 0).unwrap().left, 2, "another");
        assert_eq!(buckets.count(&user(1, 1), 0), None, "no limit is set for it");
    }

    #[test]
    fn what_costs_much_is_let_in_less_while_the_node_is_slow_and_nothing_else_is() {
        let costly = buckets("costly", 8);
        assert_eq!(costly.count(&user(2, 1), 0).unwrap().most, 8);
        assert_eq!(costly.count(&user(2, 2), 1).unwrap().most, 4);
        assert_eq!(costly.count(&user(2, 3), 99).unwrap().most, 1);
        assert!(costly.count(&user(2, 3), 99).unwrap().wait.is_some());
        let read = buckets("read", 8);
        assert_eq!(read.count(&user(0, 1), 99).unwrap().most, 8);
    }

    #[test]
    fn whoever_could_ask_all_at_once_again_is_forgotten_and_a_flood_of_strangers_too() {
        let buckets = buckets("read", 1_000_000);
        for n in 0..400_000_u128 {
            let id = Id {
                who: (n << 64 | n).to_be_bytes(),
                ..user(0, 0)
            };
            buckets.count(&id, 0);
        }
        let kept: usize = buckets.kept.0.iter().map(|part| part.lock().len()).sum();
        assert!(kept <= PARTS * SWEEP_AT * 4, "{kept}");
    }
}
