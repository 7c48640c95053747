//! Live channels: their names and permissions, positions, history in Redis, and what each viewer may see of an event.
//!
//! Invariant: masking is [`view::ViewClass::mask`], for live, recovered, history and SSE frames and for REST alike.

pub mod announce;
pub mod application;
pub mod channel;
pub mod history;
pub mod position;
pub mod presence;
pub mod published;
pub mod view;

#[cfg(test)]
mod tests;
