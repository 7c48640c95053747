//! Live delivery on this node: who follows which channel, and what waits to be written to whom.
//!
//! Invariant: a connection's queue is bounded in bytes, and no client can make another one wait.
//! Invariant: once a subscription or a connection has ended, nothing of it is queued any more; what a subject
//! may no longer see is dropped before the end is written.
//! Invariant: a follower gets every event after the place it began at, once, in order, or is told that it lost its place.
//! Invariant: an event is masked and encoded once for each (encoding, view class) on the node, and shared as bytes.
//!
//! `outlet` is a connection's queue, `roster` who they are of, `publication` an event with its frames (`filter` and `fossil` are
//! what some of them need, `bases` what patches are made of), `channel` the rules of delivery as plain
//! state (`due` what its members are still to be given), `shard` the actor around it, `inlet` what a shard keeps over restarts, `history` what Redis still has, `map` what stands in
//! maps, `lapse` what takes their keys away in time, `hub` the handle, `connections` all that end when the node cannot vouch for itself. Which protocol a client speaks is no concern of this folder: it brings its `Encoding`.

mod bases;
mod census;
mod channel;
mod connections;
mod disconnect;
mod due;
mod filter;
mod fossil;
mod history;
mod hub;
mod inlet;
mod lapse;
mod local;
mod map;
mod outlet;
mod publication;
mod roster;
mod shard;
#[cfg(test)]
mod tests;

pub use connections::{Connected, Transport};
pub use disconnect::Disconnect;
pub use filter::{Comparison, Filter};
#[cfg(test)]
pub(crate) use fossil::apply;
pub use history::{Keeps, Past};
pub use hub::{FollowError, Following, LiveHub, Membership, Wish};
pub use map::{MapChanges, MapPage};
pub use outlet::{
    ConnectionOrder, Frame, ORDERED_BYTES, Outlet, Queued, Signal, Subscriber, Taken, most_at_once,
};
pub use publication::{ChannelKey, Encoding, Item, Place, Publication, View};
pub use roster::{Arrival, Entry, Most, Present};
