//! Sign-in through others: OpenID Connect providers, and issuers whose tokens are taken as they are.
//!
//! Tables: `identity_providers`, `provider_role_mappings`, `linked_accounts`, `provider_sign_ins`, `provider_logout_tokens`.
//! Events: `provider.created`, `.updated`, `.deleted`, `.signed_out` on [`CHANNEL`]; `user.account_linked`,
//! `user.account_unlinked` on the person's inbox.
//!
//! Rules from OpenID Connect Core 1.0, Discovery 1.0 and Back-Channel Logout 1.0, OAuth 2.1, RFC 9207, RFC 9700, RFC 8725.
//!
//! Invariant: who somebody is, is the pair of provider and subject; an e-mail address links once at most, only where the
//! provider is set to be trusted for that, only when verified, and never to somebody who may do more than whoever set it so.
//! Invariant: what decides who a subject is (issuer, keys, audience, the subject's claim) is never changed: for another there
//! is another provider, with links of its own.
//! Invariant: nobody maps a claim to a role that holds more than they do, nor changes a provider that maps to such a role.
//! Invariant: the client's secret is sealed and never shown.

mod admit;
mod check;
mod claims;
mod directory;
mod discovery;
mod envelope;
mod external;
mod flow;
mod id_token;
mod input;
mod jwt;
mod linked;
mod logout;
mod model;
mod service;
mod standing;
mod store;

pub use directory::Directory;
pub use external::Verified;
pub use flow::{Returned, Started};
pub use input::{NewProvider, ProviderChange};
pub use linked::{
    Available, LinkedAccount, LinkedAccounts, finish_link, linked, start_link, unlink, ways_in,
};
pub use logout::{LoggedOut, log_out};
pub use model::{ClaimNames, Listed, Mapping, OneProvider, ProviderItem, ProviderKind, ProviderList, Tested};
pub use service::{create, delete, get, list, listed, test, update};
pub use standing::standing;

mod sign_in;
pub use sign_in::{finish, start};

/// Wire channel of the providers.
pub const CHANNEL: &str = "feed:providers";

/// Providers of one organization at most.
pub const MOST: i64 = 50;

#[cfg(test)]
mod tests;
