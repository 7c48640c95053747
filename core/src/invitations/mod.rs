//! Invitations: people who are asked to come, and how they come in.
//!
//! Table: `invitations`. Events: `invitation.created`, `.resent`, `.withdrawn`, `.accepted` on [`CHANNEL`]; and of the person
//! `user.invited`, `user.joined`, `user.deleted` on `feed:users`.
//!
//! Whoever is invited has their row of `users`, roles and all, from then on, in the state `invited`, in which nobody signs in.
//!
//! Invariant: a link works once, for as long as it was said, and not any more when another was sent or the invitation was
//! taken back. Of two who use it at once, one comes in.
//! Invariant: nobody invites somebody to more than they may themselves.
//! Invariant: whoever sends a wrong token learns nothing: not whether it ever was one, nor what became of it.

mod accept;
mod list;
mod model;
mod service;
mod store;

pub use accept::{Accepted, Look, accept, look};
pub use list::{InvitationList, list};
pub use model::{Invitation, InvitationItem, InvitationState, NewInvitation};
pub use service::{create, resend, withdraw};

/// Wire channel of invitations.
pub const CHANNEL: &str = "feed:invitations";

#[cfg(test)]
mod tests;
