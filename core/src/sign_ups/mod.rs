//! Signing oneself up, where an organization lets people.
//!
//! Table: `sign_ups`. Event: `user.created`.
//!
//! Invariant: whoever asks is answered the same, after the same time, whether or not the address has an account; who reads
//! its mailbox is told which.
//! Invariant: a link works once, for 24 hours, and only as long as sign-up is open to the address.

mod service;

pub use service::{OpenTo, ask, confirm, open_to};

#[cfg(test)]
mod tests;
