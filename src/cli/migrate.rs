//! `signalbox migrate`.

use secrecy::ExposeSecret;
use signalbox_core::db;

use super::{block_on, say};
use crate::config::Settings;
use crate::servers::Servers;

/// Brings the database to this version. `serve` does so by itself; this is for those who migrate as another role
/// or before a roll-out.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let servers = Servers::reach(settings)?;
    let state = block_on(db::migrate(servers.owner_url.expose_secret()))??;
    say(format_args!(
        "the database is up to date: {} migrations applied",
        state.applied
    ));
    if state.newer > 0 {
        say(format_args!(
            "{} more come from a newer Signalbox; this one works beside them",
            state.newer
        ));
    }
    servers.stop();
    Ok(())
}
