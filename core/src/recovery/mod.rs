//! A new password for whoever has forgotten theirs, by a link in a mail.
//!
//! Table: `password_resets`. Events: `user.reset_asked`, `user.password_changed`, on the person's inbox.
//!
//! Invariant: whoever asks is answered the same, after the same time, whether or not there is such an account.
//! Invariant: a link works once, for [`MINUTES`], and no longer than the mailbox is the person's: another address, a ban or
//! another new password makes it worthless.
//! Invariant: a new password ends every session, and takes no second factor away: who has one is asked for it.

mod forget;
mod forgot;
mod reset;

pub use forget::forget_links;
pub use forgot::forgot;
pub use reset::reset;

use std::time::Duration;

/// For how long a link is good.
pub const MINUTES: u32 = 30;

/// Links of one person that are good at the same time: beyond it nothing is sent, so that nobody's mailbox is filled.
const MOST: i64 = 3;

/// No asking is answered sooner, whatever was done for it. Also in [`crate::sign_ups`].
pub(crate) const ANSWERED_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
