//! People: who they are, what state they are in, and what they may do.
//!
//! Tables: `users`, and what hangs on a person when it changes with them (`user_roles` at creation, open rows of
//! `user_sessions` and links in mail at a ban, a deletion or a reset, `team_members`, what they say of themselves and an open
//! invitation at a deletion).
//! Events: `user.created`, `user.joined`, `user.updated`, `user.deleted`, `user.banned`, `user.unbanned`, `user.suspended`,
//! `user.reinstated`, `user.password_reset`, all on
//! [`CHANNEL`].
//!
//! Invariant: nobody rises by a side door: whoever holds a permission that the actor lacks is out of the actor's reach,
//! nobody bans or deletes themselves, and the last owner stays.

mod asked;
pub mod check;
pub mod deeds;
pub mod find;
mod input;
pub mod joining;
pub mod lines;
pub mod model;
pub mod rights;
pub mod search;
pub mod service;
mod sort;
pub mod store;
mod whole;

pub use input::{NewUser, UserChange};
pub use model::{InTeam, RoleName, TeamRole, User, UserItem, UserStatus};
pub use whole::{Alike, Whole};

/// Wire channel of everything that happens to people.
pub const CHANNEL: &str = "feed:users";

#[cfg(test)]
mod tests;
