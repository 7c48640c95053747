//! Wallets of a person.

use super::address::Chain;
use super::model::{ProfileItem, WalletItem};
use super::service::{begin, event, shown};
use super::store;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{UserId, WalletId};
use serde::Deserialize;
use serde_json::json;

/// Wallets of one person at most.
const MOST: usize = 20;
/// Longest label, in characters.
const LABEL: usize = 100;

/// A wallet to link.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWallet {
    /// On which chain.
    pub chain: Chain,
    /// Of Ethereum and its kin 0x and 40 hex digits, whose checksum (EIP-55) must be right where there is one; of Solana 32 bytes
    /// in base 58.
    pub address: String,
    /// What to call it, at most 100 characters.
    #[serde(default)]
    pub label: String,
}

/// Links a wallet: to oneself, or with `profiles:update` to somebody. Of an organization it is one person's.
pub async fn link(store: &Store, ctx: &Ctx, user: UserId, new: &NewWallet) -> Result<ProfileItem> {
    let address = new
        .chain
        .address(&new.address)
        .map_err(|(code, detail)| Error::field("address", code, detail))?;
    let label = new.label.trim();
    if label.chars().count() > LABEL || label.chars().any(char::is_control) {
        let detail = format!("At most {LABEL} characters, in one line.");
        return Err(Error::field("label", "unacceptable", detail));
    }
    let (mut change, user) = begin(store, ctx, user).await?;
    let there = store::wallets(change.tx(), ctx.organization, user.id).await?;
    if there.len() >= MOST {
        let why = format!("There are {MOST} wallets already. Unlink one first.");
        return Err(Error::new(Kind::Conflict, "wallet.too_many", why));
    }
    let wallet = WalletItem {
        id: WalletId::new(),
        chain: new.chain,
        address,
        label: label.to_owned(),
        created_at: change.at(),
    };
    store::link(change.tx(), ctx.organization, user.id, &wallet).await?;
    let text = "{actor} linked a wallet to {subject}";
    let event = event("profile.updated", "profiles.link_wallet", &user, text)
        .data("fields", json!(["wallets"]))
        .detail("wallet_id", json!(wallet.id))
        .detail("chain", wallet.chain.as_str());
    change.record(event).await?;
    let item = shown(change.tx(), ctx, &user).await?;
    change.answer(201, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Unlinks a wallet: of oneself, or with `profiles:update` of somebody.
pub async fn unlink(store: &Store, ctx: &Ctx, user: UserId, wallet: WalletId) -> Result<()> {
    let (mut change, user) = begin(store, ctx, user).await?;
    let chain = store::unlink(change.tx(), ctx.organization, user.id, wallet).await?;
    let chain = chain.ok_or_else(|| Error::not_found("wallet"))?;
    let text = "{actor} unlinked a wallet of {subject}";
    let event = event("profile.updated", "profiles.unlink_wallet", &user, text)
        .data("fields", json!(["wallets"]))
        .detail("wallet_id", json!(wallet))
        .detail("chain", chain);
    change.record(event).await?;
    change.commit().await
}
