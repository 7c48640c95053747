//! Sessions: one sign-in of a person, and what ends it.
//!
//! Tables: `user_sessions`, `revocations` (written by `Change::revoke`, read here).
//!
//! Invariant: somebody is let in because their session is known good, read from the primary; never because it is
//! missing from a list of bad ones.

pub mod revocations;
pub mod standing;

#[cfg(test)]
mod tests;
