//! `signalbox admin create`: an owner from the command line, for who has lost every way in.

use clap::Subcommand;
use signalbox_core::auth;

use super::{block_on, say_how_to_sign_in};
use crate::config::Settings;
use crate::servers::Servers;
use crate::store;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Add an owner and print their one-time password; works beside a running hub
    Create {
        /// Their e-mail address
        email: String,
    },
}

pub(super) fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    let Command::Create { email } = command;
    let servers = Servers::reach(settings)?;
    let made = block_on(async {
        let store = store::open(settings, &servers).await?;
        let made = auth::create_owner(&store, email, None).await;
        store.db.close().await;
        anyhow::Ok(made?)
    });
    servers.stop();
    say_how_to_sign_in(&made??);
    Ok(())
}
