//! What a shard shares with the rest of the node, and keeps over its restarts.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::census::Stats;
use super::outlet::Subscriber;
use super::publication::{ChannelKey, Publication};

/// Bytes that may wait for a shard. What comes on top is dropped, and read from history later.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Deliveries on their way to a shard, and everybody it serves.
///
/// Publications do not go through the mailbox: one wake-up takes all that wait, which is what makes fan-out fast, and
/// a mailbox bounded in messages says nothing about memory.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    waiting: Mutex<Waiting>,
    subscribers: Mutex<HashMap<usize, Arc<Subscriber>>>,
    channels: Mutex<HashMap<ChannelKey, Arc<Stats>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    publications: Vec<Arc<Publication>>,
    bytes: usize,
    overflowed: bool,
}

impl Inlet {
    /// Puts publications in. True when the shard must be woken.
    pub(super) fn put(&self, publications: &[Arc<Publication>]) -> bool {
        let mut waiting = self.waiting.lock();
        let was_empty = waiting.publications.is_empty() && !waiting.overflowed;
        for publication in publications {
            if waiting.bytes + publication.size() > WAITING_BYTES {
                waiting.overflowed = true;
                break;
            }
            waiting.bytes += publication.size();
            waiting.publications.push(publication.clone());
        }
        was_empty
    }

    /// All that waits, and whether something was dropped behind it.
    pub(super) fn take(&self) -> (Vec<Arc<Publication>>, bool) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        (waiting.publications, waiting.overflowed)
    }

    pub(super) fn add(&self, subscriber: &Arc<Subscriber>) {
        self.subscribers
            .lock()
            .insert(Arc::as_ptr(subscriber) as usize, subscriber.clone());
    }

    pub(super) fn remove(&self, subscriber: &Arc<Subscriber>) {
        self.subscribers
            .lock()
            .remove(&(Arc::as_ptr(subscriber) as usize));
    }

    /// A channel of the shard has its first follower.
    pub(super) fn opened(&self, channel: ChannelKey, stats: Arc<Stats>) {
        self.channels.lock().insert(channel, stats);
    }

    /// Nobody follows a channel any more.
    pub(super) fn closed(&self, channel: &ChannelKey) {
        self.channels.lock().remove(channel);
    }

    /// The shard's channels, with their followers and publications a second.
    pub(super) fn census(&self) -> Vec<(ChannelKey, u64, f64)> {
        let channels = self.channels.lock();
        let followed = channels.iter().filter(|(_, stats)| stats.members() > 0);
        followed
            .map(|(channel, stats)| (channel.clone(), stats.members() as u64, stats.rate()))
            .collect()
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.lock().len()
    }

    /// Tells every subscriber to come back: the shard that served them is gone.
    pub(super) fn lose_everybody(&self) {
        // out of the lock: losing wakes connections, which then remove themselves
        self.channels.lock().clear();
        let everybody: Vec<_> = self.subscribers.lock().drain().collect();
        for (_, subscriber) in everybody {
            subscriber.lose();
        }
    }
}
