//! `signalbox backup FILE` and `signalbox restore FILE`.

use std::path::Path;

use super::{block_on, say};
use crate::backup;
use crate::config::Settings;
use crate::servers::Servers;

pub(super) fn backup(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let size = block_on(backup::backup(settings, &servers, file));
    servers.stop();
    let size = size??;
    say(format_args!(
        "backup written to {} ({} KiB). It holds the installation's secret: keep it safe",
        file.display(),
        size / 1024
    ));
    Ok(())
}

pub(super) fn restore(settings: &Settings, file: &Path, replace: bool) -> anyhow::Result<()> {
    // Not `reach`: a hub that runs on the folder must be stopped first, and the lock says so.
    let servers = Servers::start(settings)?;
    let outcome = block_on(backup::restore(settings, &servers, file, replace));
    servers.stop();
    let manifest = outcome??;
    say(format_args!(
        "restored the backup of {} (Signalbox {})",
        manifest.made_at, manifest.signalbox
    ));
    if !settings.uses_private_servers() {
        say("Redis still holds what the old data said: empty its database (FLUSHDB) before the hub starts");
    }
    Ok(())
}
