//! Supervision seen from outside: every promise of `docs/SUPERVISION.md` has its test here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, some cause panics on purpose, and callers are tasks of their own"
)]

mod export;
mod freeze;
mod mailbox;
mod panic;
mod stop;
mod storm;
mod subject;
mod whole_tree;
