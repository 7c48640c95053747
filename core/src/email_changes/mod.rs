//! Another address for oneself, confirmed by whoever reads the old mailbox and whoever reads the new one.
//!
//! Table: `email_changes`, one row at a time for each person. Events: `user.email_change_asked`, `user.email_change_confirmed`,
//! `user.email_change_refused` on the person's inbox; `user.updated` on `feed:users` when it happens.
//!
//! Invariant: nothing changes before both have confirmed, within 24 hours; either may refuse, and then nothing is left of it.
//! Invariant: whoever asks learns nothing of who else has the address they want.

mod confirm;
mod service;

pub use confirm::{Confirmed, confirm};
pub use service::{Pending, ask, pending, take_back};

#[cfg(test)]
mod tests;
