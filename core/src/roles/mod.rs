//! Roles: sets of permissions with a name, and who holds them.
//!
//! Tables: `roles`, `role_parents`, `role_permissions`, `user_roles`. Event: `user.roles_changed`, on `feed:users`.
//!
//! Invariant: nobody gives or takes a role of somebody who holds a permission they lack, nobody changes their own roles,
//! and the last owner stays.

mod assign;
mod list;
mod predefined;

pub use assign::assign;
pub use list::{Permission, Role, list, permissions};
pub use predefined::{May, PREDEFINED, predefine};

#[cfg(test)]
mod tests;
