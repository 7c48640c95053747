//! What this node keeps of people, by organization and id, in parts with a lock each.
//!
//! The race this settles: somebody reads a row, a write of it commits and is heard of, and then the reader would keep what
//! they have read. A reader notes where the part stands before it reads ([`Shelf::place`]), and keeps nothing if anything in
//! it was written since; while a write is under way there is no place at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use signalbox_core::KeepsRows;
use signalbox_core::bus::control::Touched;
use signalbox_core::kernel::id::{OrganizationId, UserId};

/// A power of two. A write keeps rows of its own part alone from being kept.
const PARTS: usize = 64;

/// Where a part stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

struct Part<V> {
    rows: HashMap<UserId, Row<V>>,
    /// Counts writes that were heard of.
    heard: u64,
    /// Writes of this node under way.
    writing: usize,
}

struct Row<V> {
    organization: OrganizationId,
    since: Instant,
    /// Writes heard of before.
    after: u64,
    value: Arc<V>,
}

/// See the module.
pub(super) struct Shelf<V> {
    parts: Vec<RwLock<Part<V>>>,
    most: usize,
    keep: Duration,
    /// How often it was heard that a row was written, whosever.
    written: AtomicU64,
    lag: u64,
}

impl<V> Shelf<V> {
    /// For about so many `people` at most, each for `keep`, and until `lag` others have been written.
    pub(super) fn new(people: usize, keep: Duration, lag: u64) -> Self {
        let part = || Part {
            rows: HashMap::new(),
            heard: 0,
            writing: 0,
        };
        Self {
            parts: (0..PARTS).map(|_| RwLock::new(part())).collect(),
            most: people.div_ceil(PARTS).max(2),
            keep,
            written: AtomicU64::new(0),
            lag,
        }
    }

    pub(super) fn get(&self, organization: OrganizationId, user: UserId) -> Option<Arc<V>> {
        let part = self.part(user).read();
        let row = part.rows.get(&user)?;
        let written = self.written.load(Relaxed).saturating_sub(row.after);
        let good = row.organization == organization && written < self.lag && row.since.elapsed() < self.keep;
        good.then(|| Arc::clone(&row.value))
    }

    /// Where somebody's part stands; `None` while it is written to.
    pub(super) fn place(&self, user: UserId) -> Option<Place> {
        let part = self.part(user).read();
        (part.writing == 0).then_some(Place(part.heard))
    }

    /// Keeps what was read since the part stood at `place`, unless something was written meanwhile.
    pub(super) fn keep(&self, organization: OrganizationId, user: UserId, place: Place, value: &Arc<V>) {
        let mut part = self.part(user).write();
        if part.writing > 0 || Place(part.heard) != place {
            return;
        }
        if part.rows.len() >= self.most && !part.rows.contains_key(&user) {
            part.make_room(self.keep);
        }
        let row = Row {
            organization,
            since: Instant::now(),
            after: self.written.load(Relaxed),
            value: Arc::clone(value),
        };
        part.rows.insert(user, row);
    }

    /// Drops what is not true any more.
    pub(super) fn touch(&self, touched: &[Touched]) {
        self.count(touched);
        self.each(touched, |part| part.heard += 1);
    }

    fn count(&self, touched: &[Touched]) {
        self.written.fetch_add(touched.len() as u64, Relaxed);
    }

    fn each(&self, touched: &[Touched], mark: impl Fn(&mut Part<V>)) {
        for one in touched {
            if let Some(user) = one.user {
                let mut part = self.part(user).write();
                part.rows.remove(&user);
                mark(&mut part);
                continue;
            }
            for part in &self.parts {
                let mut part = part.write();
                part.rows.retain(|_, row| row.organization != one.organization);
                mark(&mut part);
            }
        }
    }

    /// The end of an id is random.
    fn part(&self, user: UserId) -> &RwLock<Part<V>> {
        &self.parts[usize::from(user.0.as_bytes()[15]) % PARTS]
    }
}

impl<V> Part<V> {
    /// Drops what is too old anyway, and of the rest the older half.
    fn make_room(&mut self, keep: Duration) {
        self.rows.retain(|_, row| row.since.elapsed() < keep);
        let mut ages: Vec<Instant> = self.rows.values().map(|row| row.since).collect();
        ages.sort_unstable();
        if let Some(middle) = ages.get(ages.len() / 2).copied() {
            self.rows.retain(|_, row| row.since > middle);
        }
    }
}

impl<V: Send + Sync> KeepsRows for Shelf<V> {
    fn writing(&self, touched: &[Touched]) {
        self.each(touched, |part| part.writing += 1);
    }

    fn written(&self, touched: &[Touched]) {
        self.count(touched);
        self.each(touched, |part| {
            part.writing -= 1;
            part.heard += 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(60);
    const LAG: u64 = 10;

    fn of(organization: OrganizationId, user: Option<UserId>) -> [Touched; 1] {
        [Touched { organization, user }]
    }

    #[test]
    fn what_was_read_before_or_during_a_write_is_not_kept_and_what_is_read_after_it_is() {
        let (shelf, here, ada) = (Shelf::new(100, KEEP, LAG), OrganizationId::new(), UserId::new());
        for everybody in [false, true] {
            let touched = of(here, Some(ada).filter(|_| !everybody));
            let before = shelf.place(ada).unwrap();
            shelf.keep(here, ada, before, &Arc::new("old"));
            assert!(shelf.get(here, ada).is_some());
            shelf.writing(&touched);
            assert!(shelf.get(here, ada).is_none(), "dropped before the commit");
            assert_eq!(shelf.place(ada), None);
            shelf.keep(here, ada, before, &Arc::new("old"));
            shelf.written(&touched);
            shelf.keep(here, ada, before, &Arc::new("old"));
            assert!(
                shelf.get(here, ada).is_none(),
                "a reader who began before the write"
            );
            let after = shelf.place(ada).unwrap();
            shelf.keep(here, ada, after, &Arc::new("new"));
            assert_eq!(*shelf.get(here, ada).unwrap(), "new");
            shelf.touch(&touched);
            shelf.keep(here, ada, after, &Arc::new("new"));
            assert!(shelf.get(here, ada).is_none(), "another node's write");
        }
    }

    #[test]
    fn rows_are_bounded_and_nobody_is_found_in_another_organization() {
        let (shelf, here) = (Shelf::new(640, KEEP, LAG), OrganizationId::new());
        let people: Vec<UserId> = (0..5_000).map(|_| UserId::new()).collect();
        for user in &people {
            shelf.keep(here, *user, shelf.place(*user).unwrap(), &Arc::new(()));
        }
        let kept = people
            .iter()
            .filter(|user| shelf.get(here, **user).is_some())
            .count();
        assert!((100..=640).contains(&kept), "{kept}");
        assert!(
            people
                .iter()
                .all(|user| shelf.get(OrganizationId::new(), *user).is_none())
        );
    }

    #[test]
    fn a_row_is_none_when_many_others_were_written_since() {
        let (shelf, here, ada) = (Shelf::new(100, KEEP, LAG), OrganizationId::new(), UserId::new());
        shelf.keep(here, ada, shelf.place(ada).unwrap(), &Arc::new(()));
        for left in (0..LAG).rev() {
            shelf.touch(&of(OrganizationId::new(), Some(UserId::new())));
            assert_eq!(shelf.get(here, ada).is_some(), left > 0, "{left}");
        }
    }

    #[test]
    fn a_row_that_is_too_old_is_none() {
        let (shelf, here, ada) = (
            Shelf::new(100, Duration::ZERO, LAG),
            OrganizationId::new(),
            UserId::new(),
        );
        shelf.keep(here, ada, shelf.place(ada).unwrap(), &Arc::new(()));
        assert!(shelf.get(here, ada).is_none());
    }
}
