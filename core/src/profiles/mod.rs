//! What people say of themselves, who sees it, and the wallets that are theirs.
//!
//! Tables: `profiles`, `privacy_settings`, `wallet_links`. Events: `profile.updated`, `profile.deleted`, on `feed:users` and
//! the person's inbox. They name the fields and hold no value: a value is shown by [`seen`](model::seen) alone, which asks
//! what each viewer may see at that moment.
//!
//! Whoever is deleted leaves nothing here: `users` takes it away in the same statement.
//!
//! Invariant: one rule says who sees which field ([`privacy::Audience::admits`]); every answer goes through it.
//! Invariant: of an organization nobody has the wallet of another, and an address whose checksum is wrong is nobody's.

mod address;
mod check;
pub mod model;
mod privacy;
mod service;
mod store;
mod wallets;

pub use address::Chain;
pub use check::ProfileChange;
pub use model::{ProfileItem, WalletItem};
pub use privacy::{Audience, Privacy, PrivacyChange, privacy, set_privacy};
pub use service::{get, remove, update};
pub use wallets::{NewWallet, link, unlink};

#[cfg(test)]
mod tests;
