//! API keys: how programs act as a person, within scopes.
//!
//! Table: `api_keys`. Events, on `feed:api_keys`: `api_key.created`, `.updated`, `.rotated`, `.revoked`, `.expiring`,
//! `.policy_changed`; and, as a state, `api_key.used`: when and from where one was used.
//!
//! Invariant: a key may do what its owner may do at this moment and its scopes name, and nothing that needs a signed-in
//! person (`Ctx::require_session`): a key that leaks can neither make another nor choose a password.
//! Invariant: the secret is shown once and kept as a hash.
//! Invariant: nobody but the owner gets a secret of a key: whoever has one acts as that person.

mod expiry;
mod input;
mod model;
mod policy;
pub mod secret;
mod service;
mod standing;
mod store;

pub use expiry::tend;
pub use input::{ApiKeyChange, NewApiKey, Rotation};
pub use model::{ApiKey, ApiKeyItem, ApiKeyList, KeyOwner, KeyState, OneApiKey, Revealed};
pub use policy::{policy, policy_changed};
pub use service::{Query, by_prefix, create, get, life, list, revoke, rotate, update};
pub use standing::{Use, find, find_by_hash, note_used, refused};

/// Wire channel of the keys.
pub const CHANNEL: &str = "feed:api_keys";

/// Keys of one owner that are not revoked, at most.
pub const MOST: i64 = 100;

#[cfg(test)]
mod tests;
