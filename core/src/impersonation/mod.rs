//! Acting as somebody else, to see what they see: for an hour at most, for a reason that they can read, and read-only unless it
//! is elevated for ten minutes.
//!
//! Table: of `user_sessions` the columns `impersonated_by`, `impersonator_session`, `impersonation_reason`, `elevated_until`.
//! Acts: `users.impersonate`, `me.elevate`, `impersonation.end`. Events: `user.impersonated`, `user.impersonation_elevated` on the
//! person's own inbox, and `session.revoked` at the end; each in their activity.
//!
//! Invariant: nobody acts as themselves, as an equal, or as somebody above; nobody through a key, and nobody while acting as
//! somebody. What was true at the beginning is asked again whenever the session is read (`sessions::standing`), so it ends with the
//! operator's own session, their account, or their permission, on every node within the bound of revocations.
//! Invariant: everything that is done so is recorded as the person's act with the operator beside it (`on_behalf_of`).
//! The token says so too (`act`, RFC 8693 §4.1), and an older node takes no token of its type.

mod service;
#[cfg(test)]
mod tests;

pub use service::{Acting, Begun, Operator, acting, begin, elevate, end};

pub use crate::sessions::impersonation::LONGEST;

use time::Duration;

/// For so long things may be changed too, once that was asked for.
pub const ELEVATED: Duration = Duration::minutes(10);
/// A reason says something.
pub const SHORTEST_REASON: usize = 10;
