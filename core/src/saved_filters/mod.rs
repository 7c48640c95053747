//! Views that people keep: the query of a page under a name, for oneself, a team, holders of a role, or everybody.
//!
//! Tables: `saved_filters`, `saved_filter_defaults`. A view is only what a page is asked for: whoever opens it sees what they may see.
//! Events: `saved_filter.saved`, `saved_filter.deleted`, on the owner's inbox for one's own, else on [`CHANNEL`], which all people
//! of the organization may follow: so an event says that a page's views have changed, never what they are called or ask for.
//!
//! Invariant: a view is seen by its owner and its audience, and changed by its owner, or, once it is shared, by whoever holds
//! `saved_filters:share`.

mod input;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use input::{NewSavedFilter, SavedFilterChange};
pub use model::{Audience, AudienceKind, SavedFilter, SavedFilterList};
pub use service::{create, delete, list, set_default, update};

/// Wire channel of what is shared.
pub const CHANNEL: &str = "feed:saved_filters";
/// What it takes to share with everybody, and to change what others share.
const SHARE: &str = "saved_filters:share";
/// Views of one person at most.
const MOST: i64 = 200;
