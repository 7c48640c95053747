//! What this node keeps: written by the actor, read by anybody.
//!
//! A read takes no lock, so that nobody who asks waits for one who writes, and a request pays little more than a look into a
//! map (`loadtests permission`). What bounds memory is done by those who write: a full shelf drops its older half, and the
//! actor sweeps out what is old.

use std::sync::Arc;
use std::time::{Duration, Instant};

use papaya::HashMap;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::Rights;

/// People's rights by their id. Clones are the same shelf.
#[derive(Clone)]
pub(super) struct Shelf {
    sets: Arc<HashMap<UserId, (Instant, Arc<Rights>)>>,
    most: usize,
}

impl Shelf {
    /// For so many `people` at most, and for as many more as are put here at one moment.
    pub(super) fn new(people: usize) -> Self {
        Self {
            sets: Arc::default(),
            most: people.max(2),
        }
    }

    pub(super) fn get(&self, user: UserId) -> Option<Arc<Rights>> {
        let sets = self.sets.pin();
        sets.get(&user).map(|(_, rights)| Arc::clone(rights))
    }

    pub(super) fn insert(&self, user: UserId, rights: Arc<Rights>) {
        let sets = self.sets.pin();
        if sets.len() >= self.most && !sets.contains_key(&user) {
            let mut ages: Vec<Instant> = sets.values().map(|(since, _)| *since).collect();
            ages.sort_unstable();
            // none where others have just dropped them all
            let middle = ages.get(ages.len() / 2).copied();
            sets.retain(|_, (since, _)| middle.is_none_or(|middle| *since > middle));
        }
        sets.insert(user, (Instant::now(), rights));
    }

    pub(super) fn remove(&self, user: UserId) -> Option<Arc<Rights>> {
        let sets = self.sets.pin();
        sets.remove(&user).map(|(_, rights)| Arc::clone(rights))
    }

    /// Drops what has been here for longer than `keep`.
    pub(super) fn sweep(&self, keep: Duration) {
        self.sets.pin().retain(|_, (since, _)| since.elapsed() <= keep);
    }

    /// How many sets are here, and for how long the oldest has been.
    pub(super) fn measure(&self) -> (usize, Duration) {
        let sets = self.sets.pin();
        let ages = sets.values().map(|(since, _)| since.elapsed());
        (sets.len(), ages.fold(Duration::ZERO, Duration::max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_it_is_taken_off_or_swept_out() {
        let shelf = Shelf::new(100);
        let (ada, bob) = (UserId::new(), UserId::new());
        let rights = Arc::new(Rights::default());
        shelf.insert(ada, rights.clone());
        shelf.insert(bob, rights.clone());
        assert_eq!(shelf.clone().get(ada), Some(rights.clone()));
        assert_eq!((shelf.remove(ada), shelf.get(ada)), (Some(rights), None));
        shelf.sweep(Duration::from_mins(1));
        assert_eq!(shelf.measure().0, 1);
        assert!(shelf.get(bob).is_some());
        shelf.sweep(Duration::ZERO);
        assert_eq!((shelf.get(bob), shelf.measure()), (None, (0, Duration::ZERO)));
    }

    #[test]
    fn however_many_people_come_the_shelf_is_bounded_and_the_newest_are_on_it() {
        let shelf = Shelf::new(160);
        let mut last = UserId::new();
        for _ in 0..2_000 {
            last = UserId::new();
            shelf.insert(last, Arc::default());
            shelf.insert(last, Arc::default());
            assert!(shelf.measure().0 <= 160);
        }
        assert!(shelf.get(last).is_some());
        assert!(
            shelf.measure().0 >= 80,
            "half of it at least: {}",
            shelf.measure().0
        );
    }

    #[test]
    fn who_reads_while_others_write_finds_what_was_put_last_or_nothing() {
        let shelf = Shelf::new(64);
        let people: Vec<_> = (0..32).map(|_| UserId::new()).collect();
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut newest = vec![0; people.len()];
                        while newest.iter().any(|version| *version < 200) {
                            for (user, newest) in people.iter().zip(&mut newest) {
                                if let Some(rights) = shelf.get(*user) {
                                    assert!(rights.version.access >= *newest, "an older set came back");
                                    *newest = rights.version.access;
                                }
                            }
                        }
                    })
                })
                .collect();
            for access in 1..=200 {
                for user in &people {
                    if access % 3 == 0 {
                        shelf.remove(*user);
                    }
                    let mut rights = Rights::default();
                    rights.version.access = access;
                    shelf.insert(*user, Arc::new(rights));
                }
            }
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }
}
