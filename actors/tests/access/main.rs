//! SessionKeeper, PermissionCache and UserCache on a real PostgreSQL and Redis.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and callers are tasks of their own"
)]

mod keys;
mod permissions;
mod sessions;
mod settings;
mod stage;
mod system_feed;
mod users;
