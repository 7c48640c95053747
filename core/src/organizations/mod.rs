//! An organization itself: its name, and what it has set.
//!
//! Tables: `organizations`, `organization_settings` (read by `settings`, written here). Events: `organization.updated`,
//! `organization.settings_changed`, both on [`CHANNEL`].
//!
//! Invariant: a change of settings holds on every node with its commit, as far as nodes can hear of it; what each keeps is
//! dropped by the same way as a revocation.
//! Invariant: nobody lets newcomers have a role that they could not give themselves, has links in mail lead to where owners' tokens
//! would be theirs, or reads the mail of whoever may do more than they.

mod outbox;
mod service;
mod settings;

pub use outbox::development_outbox;
pub use service::{Organization, OrganizationChange, get, update};
pub use settings::{SettingsNow, settings, update_settings};

/// Wire channel of an organization and its settings.
pub const CHANNEL: &str = "feed:settings";

#[cfg(test)]
mod tests;
