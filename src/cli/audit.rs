//! `signalbox audit`: the proof of the audit log.

use anyhow::ensure;
use clap::Subcommand;
use signalbox_core::Store;
use signalbox_core::audit::chain::{self, Verified};
use signalbox_core::kernel::id::OrganizationId;

use super::{block_on, say};
use crate::config::Settings;
use crate::servers::Servers;
use crate::store;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Compute the audit log's hashes again and check its signatures, entry by entry; works beside a running hub
    Verify,
}

pub(super) fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let done = block_on(async {
        let store = store::open(settings, &servers).await?;
        let done = match command {
            Command::Verify => verify(&store).await,
        };
        store.db.close().await;
        done
    });
    servers.stop();
    done?
}

async fn verify(store: &Store) -> anyhow::Result<()> {
    let verified = chain::verify_all(store).await?;
    for (organization, verified) in &verified {
        say(line(*organization, verified));
    }
    let broken = verified.iter().filter(|(_, verified)| verified.broken.is_some());
    let broken = broken.count();
    ensure!(
        broken == 0,
        "the audit log of {broken} of {} organizations is not as the hub wrote it: somebody else wrote to the database. Keep it as it \
         is, and compare it with a backup",
        verified.len()
    );
    Ok(())
}

fn line(organization: OrganizationId, verified: &Verified) -> String {
    let (entries, checkpoints) = (verified.entries, verified.checkpoints);
    match &verified.broken {
        None => format!(
            "ok     organization {organization}: {entries} entries and {checkpoints} signed checkpoints hold"
        ),
        Some(broken) if broken.position == 0 => {
            format!("wrong  organization {organization}: {}", broken.what)
        }
        Some(broken) => format!(
            "wrong  organization {organization}: at position {} {}; the {entries} entries before it hold",
            broken.position, broken.what
        ),
    }
}
