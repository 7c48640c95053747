//! `signalbox admin`: an owner from the command line, and IP rules taken away, for who has lost every way in.

use anyhow::Context;
use clap::Subcommand;
use signalbox_core::auth::{self, Bootstrapped};
use signalbox_core::{Store, ip_rules};

use super::{block_on, say, say_how_to_sign_in};
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
    /// Let everybody in from any address again: takes all IP rules away; works beside a running hub
    ClearIpRules,
}

pub(super) fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let done = block_on(async {
        let store = store::open(settings, &servers).await?;
        let done = carry_out(command, &store).await;
        store.db.close().await;
        done
    });
    servers.stop();
    match done?? {
        Done::Created(owner) => say_how_to_sign_in(&owner),
        Done::Cleared(rules) => say(format_args!(
            "Took {rules} IP rules away: everybody is let in from any address"
        )),
    }
    Ok(())
}

enum Done {
    Created(Bootstrapped),
    Cleared(u64),
}

async fn carry_out(command: &Command, store: &Store) -> anyhow::Result<Done> {
    match command {
        Command::Create { email } => Ok(Done::Created(auth::create_owner(store, email, None).await?)),
        Command::ClearIpRules => {
            let organization = auth::organization(store).await?;
            let organization = organization.context("there is no organization yet: start the hub first")?;
            Ok(Done::Cleared(ip_rules::clear(store, organization).await?))
        }
    }
}
