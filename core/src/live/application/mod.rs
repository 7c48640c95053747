//! Channels of the operator's own application: what their names mean, what a namespace allows, what travels on them.
//!
//! They belong to no organization, and live under [`APPLICATION`] beside the hub's own channels: same keys in Redis, same
//! fan, same stream of history. Their offsets are born in Redis.
//!
//! Invariant: nothing that is opened here opens one of the hub's own channels: their namespaces are reserved
//! ([`namespaces::RESERVED`]), and their organizations are never [`APPLICATION`].

mod access;
pub mod broker;
pub mod map;
pub mod map_options;
pub mod message;
pub mod namespaces;
pub mod options;
pub mod shared_poll;
pub mod span;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod token;

pub use map_options::{ClientKey, MapMode, MapOptions, SubscriptionType};
pub use message::{ClientInfo, Message, Publication};
pub use namespaces::{Name, Namespaces};
pub use options::{Format, Options, RecoveryMode};
pub use subscription::{Overrides, ServerSubscription};

use crate::kernel::id::OrganizationId;

/// Whose the application's channels are: nobody's. No organization has this id, for ids are made as UUIDv7.
pub const APPLICATION: OrganizationId = OrganizationId(uuid::Uuid::nil());
