//! Live delivery on this node: who follows which channel, and what waits to be written to whom.
//!
//! Invariant: a connection's queue is bounded in bytes, and no client can make another one wait.
//! Invariant: once a subscription or a connection has ended, nothing of it is queued any more; what a subject
//! may no longer see is dropped before the end is written.

mod disconnect;
mod outlet;

pub use disconnect::Disconnect;
pub use outlet::{Frame, Outlet, Queued, Signal, Subscriber, Taken, queued_bytes};
