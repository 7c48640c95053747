//! Shared poll: keys of which the operator's server tells the value when it is asked, and which this node asks for all of its
//! clients at once.
//!
//! Invariant: a channel has one question out at a time, and a node [`QUESTIONS`]; what is asked, kept and pushed is bounded by the
//! keys that clients track.
//! Invariant: a client is pushed a value once, and none that is older than what it has.
//! Nothing is kept of a key that nobody tracks.

mod ask;
mod keys;
mod poller;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use signalbox_core::kernel::id::EventId;
use signalbox_core::live::application::Namespaces;
use signalbox_core::live::application::shared_poll::PollMode;

use crate::live_hub::{Encoding, Item, Outlet, Subscriber};
use crate::supervision::{Spec, StartError, Tree};
use keys::Board;
use poller::Poller;

/// Questions of one node that are out at the same time.
const QUESTIONS: usize = 64;

/// What this node polls. Cheap to clone.
#[derive(Clone)]
pub struct SharedPolls {
    board: Arc<Board>,
    epoch: Arc<str>,
}

impl std::fmt::Debug for SharedPolls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedPolls")
    }
}

/// Why keys are not tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackError {
    /// More than one connection may track.
    TooMany,
    /// The subscription has ended, or its channel is not polled.
    Over,
}

impl SharedPolls {
    /// Adds the actor to the tree, where some namespace is polled.
    ///
    /// # Errors
    /// When the tree has one already.
    pub fn supervise(tree: &Tree, namespaces: Arc<Namespaces>) -> Result<Self, StartError> {
        let board = Arc::new(Board::new(namespaces));
        if board.has_any() {
            let kept = board.clone();
            tree.child(Spec::named("shared_poll").order(45), move || {
                Poller::new(kept.clone())
            })?;
        }
        Ok(Self {
            board,
            epoch: EventId::new().to_string().into(),
        })
    }

    /// The generation of a channel's versions: those that this node makes itself are of this node.
    pub fn epoch(&self, channel: &str) -> &str {
        match self
            .board
            .options(channel)
            .map(|options| options.shared_poll.mode)
        {
            Some(PollMode::Versionless) => &self.epoch,
            _ => "",
        }
    }

    /// Somebody who may track keys of `channel`, until that is dropped.
    pub fn tracker(
        &self,
        channel: &Arc<str>,
        outlet: &Arc<Outlet>,
        slot: u32,
        encoding: &'static dyn Encoding,
    ) -> Tracker {
        Tracker {
            board: self.board.clone(),
            channel: channel.clone(),
            subscriber: Subscriber::new(outlet.clone(), slot),
            encoding,
        }
    }
}

/// A key that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: String,
    /// What of it they have; 0 is nothing.
    pub version: u64,
    /// Until when; for good, where nothing is said.
    pub until: Option<Instant>,
}

/// One subscription that tracks keys. Dropped, it tracks none.
pub struct Tracker {
    board: Arc<Board>,
    channel: Arc<str>,
    subscriber: Arc<Subscriber>,
    encoding: &'static dyn Encoding,
}

impl Tracker {
    /// Tracks keys, or has others of their versions. Answers what is known already and newer; the rest is pushed.
    ///
    /// # Errors
    /// [`TrackError`]; then none of them is tracked that was not before.
    pub fn track(&self, wanted: &[Wanted]) -> Result<Vec<Item>, TrackError> {
        self.board
            .track(&self.channel, &self.subscriber, self.encoding, wanted)
    }

    /// Ceases to track keys.
    pub fn untrack(&self, keys: &[String]) {
        self.board.untrack(&self.channel, &self.subscriber, Some(keys));
    }

    /// Ends it, for whoever still holds it as well.
    pub fn close(&self) {
        self.subscriber.close();
        self.board.untrack(&self.channel, &self.subscriber, None);
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.close();
    }
}
