//! Live channels: their names and permissions, positions, history in Redis, and what each viewer may see of an event.
//!
//! Invariant: masking is [`view::ViewClass::mask`], for live, recovered, history and SSE frames and for REST alike.
//! Invariant: which rows are shown is [`scope::Sight`], for all of them alike.

pub mod announce;
pub mod application;
pub mod channel;
pub mod history;
pub mod position;
pub mod presence;
pub mod published;
pub mod scope;
pub mod view;

#[cfg(test)]
mod tests;
