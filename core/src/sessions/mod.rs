//! Sessions: one sign-in of a person, and what ends it.
//!
//! Tables: `user_sessions`, `revocations` (written by `Change::revoke`, read here).
//!
//! Invariant: somebody is let in because their session is known good, read from the primary; never because it is
//! missing from a list of bad ones.
//!
//! Events: `session.created`, `session.revoked`, on the person's own inbox.

mod expire;
mod forget;
mod list;
pub mod revocations;
mod service;
pub mod standing;

pub use expire::expire;
pub use forget::forget_revocations;
pub use list::{Listed, list};
pub use service::{created, end, ended, revoke};

/// A session ends after this long, however often it is refreshed.
pub const ABSOLUTE: time::Duration = time::Duration::days(30);

#[cfg(test)]
mod tests;
