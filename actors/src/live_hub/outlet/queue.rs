//! What waits for one connection, in order. Plain state, without the lock and the limit around it.
//!
//! Invariant: what comes out is what went in, in the same order for each subscription, less the states that a newer one of
//! the same key has replaced and what was dropped with its subscription.
//! Invariant: of one key of one subscription one state waits at most, and it keeps its turn, so that a state which
//! changes faster than the client reads is read all the same.
//! Invariant: an empty queue owns no heap memory, and another one no more than is counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::frame::Queued;

#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Queued>,
    bytes: usize,
    /// How many items were ever in front: the number of the first one here, less one.
    gone: u64,
    /// The number of the item that holds the state of a key, by subscription and key.
    states: BTreeMap<(u32, Arc<str>), u64>,
    /// Items that a newer state has replaced further behind. The first item is none.
    holes: usize,
}

/// What became of an item.
pub(super) struct Put {
    /// Its number. Numbers grow from 1 on.
    pub(super) number: u64,
    /// It took the place of an older state.
    pub(super) replaced: bool,
}

impl Queue {
    /// Puts an item in. A state takes the place of the one of its key that waits, but not where that would bring it before
    /// `event`, the number of the last event of its subscription: then it goes to the end, and the older one away.
    pub(super) fn push(&mut self, item: Queued, event: u64) -> Put {
        let end = self.gone + self.items.len() as u64 + 1;
        let Some(key) = item.frame.state().map(|key| (item.slot, key.clone())) else {
            self.append(item);
            return Put {
                number: end,
                replaced: false,
            };
        };
        let older = self.states.get(&key).copied();
        let number = older.filter(|older| *older > event).unwrap_or(end);
        if let Some(older) = older.filter(|older| *older != number) {
            self.put_at(older, Queued::hole());
            self.holes += 1;
        }
        if number == end {
            self.append(item);
        } else {
            self.put_at(number, item);
        }
        self.states.insert(key, number);
        self.trim();
        Put {
            number,
            replaced: older.is_some(),
        }
    }

    fn append(&mut self, item: Queued) {
        self.bytes += item.cost();
        self.items.push_back(item);
    }

    /// Puts `item` where the one of this number stands.
    fn put_at(&mut self, number: u64, item: Queued) {
        let place = usize::try_from(number - self.gone - 1).unwrap_or(usize::MAX);
        if let Some(held) = self.items.get_mut(place) {
            self.bytes = self.bytes - held.cost() + item.cost();
            *held = item;
        }
    }

    /// Takes at most about `max_bytes` from the front, and at least one item unless it is empty.
    pub(super) fn take(&mut self, max_bytes: usize) -> VecDeque<Queued> {
        let mut batch = if self.bytes <= max_bytes {
            self.bytes = 0;
            std::mem::take(&mut self.items)
        } else {
            let mut size = 0;
            let fits = self.items.iter().take_while(|item| {
                let before = size;
                size += item.cost();
                before == 0 || size <= max_bytes
            });
            let count = fits.count();
            let batch: VecDeque<_> = self.items.drain(..count).collect();
            self.bytes -= batch.iter().map(Queued::cost).sum::<usize>();
            batch
        };
        self.gone += batch.len() as u64;
        if self.items.is_empty() {
            self.states = BTreeMap::new();
        } else if !self.states.is_empty() {
            for item in &batch {
                if let Some(key) = item.frame.state() {
                    self.states.remove(&(item.slot, key.clone()));
                }
            }
        }
        if self.holes > 0 {
            let all = batch.len();
            batch.retain(|item| !item.is_hole());
            self.holes -= all - batch.len();
            self.trim();
        }
        self.shrink();
        batch
    }

    /// Takes holes off the front, so that who takes something gets something.
    fn trim(&mut self) {
        while self.holes > 0 && self.items.front().is_some_and(Queued::is_hole) {
            self.bytes -= self.items.pop_front().map_or(0, |hole| hole.cost());
            self.holes -= 1;
            self.gone += 1;
        }
    }

    /// Gives back memory that is not counted any more: room for twice what waits is.
    fn shrink(&mut self) {
        if self.items.capacity() > 2 * self.items.len() {
            self.items.shrink_to_fit();
        }
    }

    /// Drops what waits of these subscriptions.
    pub(super) fn drop_slots(&mut self, slots: &[u32]) {
        self.items
            .retain(|item| !slots.contains(&item.slot) && !item.is_hole());
        self.holes = 0;
        self.bytes = self.items.iter().map(Queued::cost).sum();
        // numbers become smaller, never larger: a state is then at worst taken for one from before an event, and goes behind
        let numbered = self.items.iter().zip(self.gone + 1..);
        self.states = numbered
            .filter_map(|(item, number)| Some(((item.slot, item.frame.state()?.clone()), number)))
            .collect();
        self.shrink();
    }

    /// The subscriptions of which something waits, and how many bytes, those with the most first.
    pub(super) fn by_size(&self) -> Vec<(u32, usize)> {
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        for item in self.items.iter().filter(|item| item.slot != 0) {
            *sizes.entry(item.slot).or_default() += item.cost();
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        sizes
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.take(usize::MAX);
    }

    /// Whether a message of the connection itself shows what its viewer may see.
    pub(super) fn has_content(&self) -> bool {
        self.items.iter().any(|item| item.frame.has_content())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of memory that it holds at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that it holds indeed, but for the index.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let frames: usize = self.items.iter().map(|item| item.frame.whole().len()).sum();
        frames + self.items.capacity() * size_of::<Queued>()
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.items.capacity() + self.states.len()
    }
}
