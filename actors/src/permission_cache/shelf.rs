//! What this node keeps: written by the actor, read by anybody.
//!
//! A read takes a lock that readers share and leaves no trace, so that a request pays little more than a look into a map
//! (`loadtests permission`). What bounds memory is done by those who write: a full part drops its older half, and the actor
//! sweeps out what is old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::Rights;

/// Parts with a lock each. A power of two.
const PARTS: usize = 16;

type Part = RwLock<HashMap<UserId, (Instant, Arc<Rights>)>>;

/// People's rights by their id. Clones are the same shelf.
#[derive(Clone)]
pub(super) struct Shelf {
    parts: Arc<[Part; PARTS]>,
    most: usize,
}

impl Shelf {
    /// For about so many `people` at most.
    pub(super) fn new(people: usize) -> Self {
        Self {
            parts: Arc::default(),
            most: people.div_ceil(PARTS).max(2),
        }
    }

    pub(super) fn get(&self, user: UserId) -> Option<Arc<Rights>> {
        let part = self.part(user).read();
        part.get(&user).map(|(_, rights)| Arc::clone(rights))
    }

    pub(super) fn insert(&self, user: UserId, rights: Arc<Rights>) {
        let mut part = self.part(user).write();
        if part.len() >= self.most && !part.contains_key(&user) {
            let mut ages: Vec<Instant> = part.values().map(|(since, _)| *since).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            part.retain(|_, (since, _)| *since > middle);
        }
        part.insert(user, (Instant::now(), rights));
    }

    pub(super) fn remove(&self, user: UserId) -> Option<Arc<Rights>> {
        let removed = self.part(user).write().remove(&user);
        removed.map(|(_, rights)| rights)
    }

    /// Drops what has been here for longer than `keep`. How many sets are left, and for how long the oldest has been here.
    pub(super) fn sweep(&self, keep: Duration) -> (usize, Duration) {
        for part in self.parts.iter() {
            part.write().retain(|_, (since, _)| since.elapsed() <= keep);
        }
        self.measure()
    }

    /// How many sets are here, and for how long the oldest has been.
    pub(super) fn measure(&self) -> (usize, Duration) {
        self.parts
            .iter()
            .fold((0, Duration::ZERO), |(sets, oldest), part| {
                let part = part.read();
                let ages = part.values().map(|(since, _)| since.elapsed());
                (sets + part.len(), ages.fold(oldest, Duration::max))
            })
    }

    /// The end of an id is random.
    fn part(&self, user: UserId) -> &Part {
        &self.parts[usize::from(user.0.as_bytes()[15]) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Shelf {
        fn len(&self) -> usize {
            self.parts.iter().map(|part| part.read().len()).sum()
        }
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_taken_off_or_swept_out() {
        let shelf = Shelf::new(100);
        let (ada, bob) = (UserId::new(), UserId::new());
        let rights = Arc::new(Rights::default());
        shelf.insert(ada, rights.clone());
        shelf.insert(bob, rights.clone());
        assert_eq!(shelf.clone().get(ada), Some(rights.clone()));
        assert_eq!((shelf.remove(ada), shelf.get(ada)), (Some(rights), None));
        assert_eq!(shelf.sweep(Duration::from_mins(1)).0, 1);
        assert!(shelf.get(bob).is_some());
        assert_eq!(shelf.sweep(Duration::ZERO), (0, Duration::ZERO));
        assert_eq!((shelf.get(bob), shelf.len()), (None, 0));
    }

    #[test]
    fn however_many_people_come_the_shelf_is_bounded_and_the_newest_are_on_it() {
        let shelf = Shelf::new(160);
        let mut last = UserId::new();
        for _ in 0..2_000 {
            last = UserId::new();
            shelf.insert(last, Arc::default());
            shelf.insert(last, Arc::default());
            assert!(shelf.len() <= 160);
        }
        assert!(shelf.get(last).is_some());
        assert!(shelf.len() >= 50, "half of each part at least: {}", shelf.len());
    }
}
