//! Roles: sets of permissions with a name, and who holds them; what is said of people directly; and why somebody may do
//! what they may.
//!
//! Tables: `roles`, `role_parents`, `role_permissions`, `user_roles`, `user_permissions`. Events: `role.created`,
//! `role.changed`, `role.deleted` on [`CHANNEL`]; `user.roles_changed`, `user.permissions_changed` on `feed:users`. The rules by
//! which all this is resolved stand in `users::rights::model`; docs/ACCESS.md tells them with examples.
//!
//! Invariant: nobody gives or takes a role of somebody who holds a permission they lack, nobody changes their own roles,
//! nobody gives (by a role, a parent, a condition, a single row, a lifted denial) what they do not hold that far, and the last
//! owner stays, whole.
//! Invariant: what changes somebody's rights bumps their version or the organization's epoch and writes a revocation, in the
//! same transaction: kept sets are too old and open streams are looked at again with the commit.

mod act;
mod assign;
mod direct;
mod doors;
mod explain;
mod given;
mod list;
mod manage;
mod members;
mod predefined;
mod proposal;
pub mod refusals;
mod statement;
mod update;
mod what_if;

pub use assign::{Bulk, BulkItem, adjust, apply, assign, assign_many};
pub use direct::{Direct, Held, OfUser, of_user, set_of_user};
pub use explain::{Explanation, Holder, HolderList, Question, explain, who_can};
pub use given::{Given, Giver};
pub use list::{Permission, Role, RoleItem, RoleList, get, list, permissions};
pub use manage::{NewRole, create, delete};
pub use members::{Member, MemberList, members};
pub use predefined::{May, PREDEFINED, predefine};
pub use proposal::{Proposal, RoleEdit};
pub use statement::{Single, Statement};
pub use update::{ChangedRoles, RoleChange, RoleChanges, update, update_many};
pub use what_if::{Pair, Preview, what_if};

/// Wire channel of what happens to roles themselves.
pub const CHANNEL: &str = "feed:roles";

#[cfg(test)]
mod tests;
