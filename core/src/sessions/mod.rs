//! Sessions: one sign-in of a person, and what ends it.
//!
//! Tables: `user_sessions`, `revocations` (written by `Change::revoke`, read here), the row `sessions` of
//! `organization_settings`, and of `users` and `organizations` the column `sessions_not_before`.
//!
//! Invariant: somebody is let in because their session is known good, read from the primary; never because it is
//! missing from a list of bad ones.
//! Invariant: "not before" never moves back.
//!
//! Events, on `feed:sessions` and the person's own inbox: `session.created`, `session.revoked`, `session.succeeded`,
//! `session.others_revoked`, `session.all_revoked`; on `feed:sessions` alone `session.timeouts_changed`.

mod bulk;
pub mod device;
mod expire;
mod forget;
pub mod impersonation;
mod list;
pub mod place;
pub mod revocations;
mod service;
pub mod standing;
mod succeed;
mod timeouts;
pub mod warm;

pub use bulk::{EndedSessions, NotBefore, Whose, end_all, end_others};
pub use expire::expire;
pub use forget::forget_revocations;
pub use list::{Listed, Owner, Query, SessionList, from_address, list, list_all};
pub use service::{created, end, ended, revoke};
pub use succeed::{HANDOVER, Successor, succeed};
pub use timeouts::timeouts_changed;

/// Wire channel of the sessions' events.
pub const CHANNEL: &str = "feed:sessions";

#[cfg(test)]
mod acts_tests;
#[cfg(test)]
mod tests;
