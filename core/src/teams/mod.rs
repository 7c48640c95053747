//! Teams: people who work together.
//!
//! Tables: `teams`, `team_members`, `team_roles`. Events: `team.created`, `team.updated`, `team.deleted`, `team.roles_changed` (without
//! the team also in its members' inboxes) on [`CHANNEL`], and `user.teams_changed` on `feed:users` and the person's inbox.
//!
//! Who is in a team is told with the people alone, never with the team: whoever sees a team need not see its people.
//!
//! Invariant: who is in a team decides who sees a person and whom that person sees. So every change of it is a change of
//! the person's row, with the facts before and after, and has their rights looked at again with its commit.
//! Invariant: nobody puts somebody (or themselves) where they may do more than whoever puts them there.
//! Invariant: to give a team a role, and to put somebody into a team that carries one, asks for what giving the role to each of them
//! asks for; and no team carries the owner role, so that the last owner is counted among people alone.

mod members;
mod model;
mod roles;
mod service;
mod store;

pub use members::{add_member, remove_member};
pub use model::{NewTeam, OneTeam, Team, TeamChange, TeamItem, TeamList};
pub use roles::{give_role, take_role};
pub use service::{create, delete, get, list, update};

/// Wire channel of what happens to teams themselves.
pub const CHANNEL: &str = "feed:teams";

/// Teams of one organization at most: they are listed at once.
pub const TEAMS: i64 = 1_000;

/// People in one team at most: a team is deleted with what hangs on it in one transaction.
pub const MEMBERS: i64 = 500;

/// Teams of one person at most: they stand in the person's row, and in every event about it.
pub const TEAMS_OF_ONE: usize = 20;

/// Roles of one team at most: each reaches all of its people.
pub const ROLES_OF_ONE: usize = 20;

#[cfg(test)]
mod tests;
