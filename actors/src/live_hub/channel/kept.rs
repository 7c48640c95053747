//! Publications that a channel keeps for a while, with the bytes that they take.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::publication::Publication;

/// Bytes that a channel keeps at most of each kind: publications may have a MiB.
const BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Kept {
    all: VecDeque<Arc<Publication>>,
    bytes: usize,
}

impl Kept {
    pub(super) fn push(&mut self, publication: Arc<Publication>) {
        self.bytes += publication.size();
        self.all.push_back(publication);
    }

    /// Forgets the oldest.
    pub(super) fn drop_first(&mut self) {
        self.bytes -= self.all.pop_front().map_or(0, |first| first.size());
    }

    /// Whether it is more than `count`, or more than may be kept.
    pub(super) fn exceeds(&self, count: usize) -> bool {
        self.all.len() > count || self.bytes > BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn first(&self) -> Option<&Arc<Publication>> {
        self.all.front()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Publication>> + Clone {
        self.all.iter()
    }

    /// All of it, oldest first; nothing is kept any more.
    pub(super) fn take(&mut self) -> VecDeque<Arc<Publication>> {
        std::mem::take(self).all
    }
}
