//! Supervision seen from outside: every promise of `docs/SUPERVISION.md` has its test here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking, and some cause panics on purpose"
)]

mod export;
mod freeze;
mod mailbox;
mod panic;
mod stop;
mod storm;
mod subject;
mod whole_tree;
