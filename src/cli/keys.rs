//! `signalbox keys`: the keys that sign tokens.

use anyhow::Context;
use clap::Subcommand;
use signalbox_core::Store;
use signalbox_core::auth::{self, Auth, SigningKey};
use signalbox_core::kernel::ctx::Ctx;
use time::format_description::well_known::Rfc3339;

use super::{block_on, say};
use crate::config::Settings;
use crate::http::state::lives;
use crate::servers::Servers;
use crate::store;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Have tokens signed with a new key, without signing anybody out; works beside a running hub
    Rotate,
}

pub(super) fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let done = block_on(async {
        let store = store::open(settings, &servers).await?;
        let done = match command {
            Command::Rotate => rotate(settings, &store).await,
        };
        store.db.close().await;
        done
    });
    servers.stop();
    let key = done??;
    let from = key.active_from.unwrap_or(key.created_at).format(&Rfc3339)?;
    say(format_args!(
        "The key {} ({}) signs tokens from {from} on",
        key.kid, key.algorithm
    ));
    say("The key before it verifies until the last token that it signed has run out");
    Ok(())
}

async fn rotate(settings: &Settings, store: &Store) -> anyhow::Result<SigningKey> {
    let organization = auth::organization(store).await?;
    let organization = organization.context("there is no organization yet: start the hub first")?;
    let auth = Auth::start_with(store, lives(settings), settings.auth.token_algorithm).await?;
    Ok(auth.rotate_unasked(&Ctx::system(organization, "keys")).await?)
}
