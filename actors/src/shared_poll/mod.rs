//! Shared poll: keys of which the operator's server tells the value when it is asked, and which this node asks for all of its
//! clients at once.
//!
//! Invariant: a channel has one question out at a time, and a node [`QUESTIONS`]; what is asked, kept and pushed is bounded by the
//! keys that clients track.
//! Invariant: a client is pushed a value once, and none that is older than what it has; as a patch only of what it was pushed.
//! Nothing is kept of a key that nobody tracks.
//!
//! [`Here`] is what other nodes say to this one: beside what its connections are told, which keys have new values.

#[cfg(test)]
mod any_order;
mod ask;
mod keys;
mod poller;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, Question};
use signalbox_core::kernel::id::EventId;
use signalbox_core::live::application::Namespaces;
use signalbox_core::live::application::shared_poll::PollMode;

use crate::live_hub::{Item, LiveHub, Outlet, Subscriber, View};
use crate::nodes::Local;
use crate::session_keeper::SessionKeeper;
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

    /// The generation of a channel's versions: those that this node makes itself are of this node; else as the application
    /// said last, and empty where it has said nothing.
    pub fn epoch(&self, channel: &str) -> Arc<str> {
        match self
            .board
            .options(channel)
            .map(|options| options.shared_poll.mode)
        {
            Some(PollMode::Versionless) => self.epoch.clone(),
            _ => self.board.epoch(channel),
        }
    }

    /// Somebody who may track keys of `channel`, until that is dropped.
    pub fn tracker(&self, channel: &Arc<str>, outlet: &Arc<Outlet>, slot: u32, view: View) -> Tracker {
        Tracker {
            board: self.board.clone(),
            channel: channel.clone(),
            subscriber: Subscriber::new(outlet.clone(), slot),
            view,
        }
    }
}

/// This node, as others speak to it.
#[derive(Debug)]
pub struct Here {
    /// Its connections.
    pub hub: LiveHub,
    /// The keys they track.
    pub polls: SharedPolls,
    /// The sessions they hang on.
    pub sessions: SessionKeeper,
}

impl Local for Here {
    fn carry_out(&self, order: Order) {
        match order {
            Order::Poll {
                channel,
                key,
                version,
                epoch,
                data,
            } => {
                let board = &self.polls.board;
                board.published(&channel, &key, version, &epoch, Bytes::from(data));
            }
            order => self.hub.carry_out(order),
        }
    }

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Sockets { organizations } => Answer::Sockets {
                rows: self.sessions.sockets(organizations),
            },
            question => self.hub.answer(question),
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
    view: View,
}

impl Tracker {
    /// Tracks keys, or has others of their versions. Answers what is known already and newer; the rest is pushed.
    ///
    /// # Errors
    /// [`TrackError`]; then none of them is tracked that was not before.
    pub fn track(&self, wanted: &[Wanted]) -> Result<Vec<Item>, TrackError> {
        self.board
            .track(&self.channel, &self.subscriber, &self.view, wanted)
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
