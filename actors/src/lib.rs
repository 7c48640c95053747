//! Signalbox floor 1: supervised state.
//!
//! Every long-lived piece of state in the process is an actor, every actor is a child of one
//! [`supervision::Tree`], and everybody else talks to it through an async handle. An actor is only ever
//! a cache of PostgreSQL or Redis: it can be lost at any instant and start empty.

pub mod audit_sequencer;
pub mod backplane;
mod leadership;
pub mod live_feed;
pub mod live_hub;
pub mod nodes;
pub mod outbox_relay;
#[cfg(test)]
mod own_redis;
pub mod permission_cache;
pub mod presence;
pub mod private_services;
pub mod session_keeper;
pub mod shared_poll;
pub mod socket_feed;
pub mod supervision;
pub mod system_feed;
pub mod user_cache;
