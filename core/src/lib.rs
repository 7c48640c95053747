//! Floor 0: what Signalbox knows and promises, without transport, actors or workers.
//!
//! Nothing here calls up: core writes rows and events, and whoever cares listens. Floors inside core, each of which
//! may name only those before it: `kernel fault outbound db bus settings` < `people` < `outbox audit activity jobs files live` <
//! `change outbox_relay` < `messages` < `users ip_rules` < `roles sessions connections teams
//! profiles` < `api_keys factors` < `auth organizations` < `recovery` < `invitations email_changes sign_ups` < `imports
//! providers bulk saved_filters impersonation personal_data`.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "tests make ids, times and tasks as they like"
    )
)]

pub mod activity;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod bulk;
pub mod bus;
pub mod change;
pub mod connections;
pub mod db;
pub mod email_changes;
pub mod factors;
pub mod fault;
pub mod files;
pub mod impersonation;
pub mod imports;
pub mod invitations;
pub mod ip_rules;
pub mod jobs;
pub mod kernel;
pub mod live;
pub mod messages;
pub mod organizations;
pub mod outbound;
pub mod outbox;
pub mod outbox_relay;
pub mod overview;
pub mod people;
pub mod personal_data;
pub mod profiles;
pub mod providers;
pub mod recovery;
pub mod roles;
pub mod saved_filters;
pub mod sessions;
pub mod settings;
pub mod sign_ups;
pub mod teams;
#[cfg(feature = "testing")]
pub mod testing;
pub mod users;

mod store;
pub use store::{KeepsRows, Signals, Store};
