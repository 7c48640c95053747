//! Backup and restore: one tar file with everything an installation is, apart from its programs.
//!
//! ```text
//! manifest.json   what made it, when, and the dump's hash
//! database.dump   pg_dump's custom format: any newer PostgreSQL restores it
//! secrets.hex     the installation's secret; without it personal values in the audit log are lost
//! ```
//!
//! Redis is not in it: it is rebuilt from PostgreSQL.
//!
//! Invariant: a backup file appears whole or not at all, and nobody but its owner can read it.
//! Invariant: a restore happens in one transaction, never over data unless told, and never under a hub that runs.
//! Invariant: what a killed backup or restore leaves, the next one beside it takes away.

mod archive;
mod programs;

use std::path::Path;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use signalbox_actors::private_services::{PostgresBinaries, forget_redis};
use signalbox_core::db;
use signalbox_core::kernel::clock::Clock;

use crate::config::Settings;
use crate::secrets;
use crate::servers::Servers;
use archive::{Manifest, Scratch};
use programs::{dump, load};

/// Writes a backup of a running or a stopped hub to `file`; returns its size in bytes.
///
/// # Errors
/// The file exists, a server cannot be reached, or `pg_dump` failed.
pub async fn backup(settings: &Settings, servers: &Servers, file: &Path) -> anyhow::Result<u64> {
    ensure!(
        !file.exists(),
        "{} exists; choose another name, a backup is never overwritten",
        file.display()
    );
    let url = &servers.admin_url;
    let facts = db::server_facts(url.expose_secret()).await?;
    let binaries = tools_for(facts.version_number / 10_000)?;
    let secret_file = secrets::path(&settings.data_dir()?);
    let secret = std::fs::read(&secret_file).with_context(|| {
        format!(
            "cannot read {}; give the data folder of the hub with --data",
            secret_file.display()
        )
    })?;
    let scratch = Scratch::beside(file)?;
    dump(&binaries, url, &scratch.path().join("database.dump"))?;
    let manifest = Manifest::of(&scratch, &secret, Clock::system().now(), facts.version)?;
    archive::pack(&scratch, &manifest, &secret, file)
}

/// Puts a backup into the database and the data folder of a hub that is not running.
///
/// # Errors
/// The file is no backup or damaged; a hub works in the database; it holds data and `replace` is false; `pg_restore` failed.
pub async fn restore(
    settings: &Settings,
    servers: &Servers,
    file: &Path,
    replace: bool,
) -> anyhow::Result<Manifest> {
    let dir = settings.data_dir()?;
    let scratch = Scratch::beside(&dir.join("restore"))?;
    let (manifest, secret) = archive::unpack(file, &scratch)?;
    let admin = servers.admin_url.expose_secret();
    let Some(alone) = db::alone(admin).await? else {
        bail!(
            "a hub works in this database, here or on another machine, so nothing was changed. Stop it on every node, and \
             restore then"
        );
    };
    if !db::is_empty(admin).await? && !replace {
        bail!(
            "the database is not empty, so nothing was changed. To throw away what is in it and put the backup of {} \
             in its place, say `signalbox restore {} --replace`",
            manifest.made_at,
            file.display()
        );
    }
    let facts = db::server_facts(admin).await?;
    let binaries = tools_for(facts.version_number / 10_000)?;
    let dump = scratch.path().join("database.dump");
    // all that can be wrong is looked at before anything is thrown away
    programs::check(&binaries, &dump)?;
    let path = secrets::path(&dir);
    let present = std::fs::read(&path).ok();
    let is_other = present.is_some_and(|present| present != secret);
    ensure!(
        replace || !is_other,
        "{} holds another installation's secret. Restore into a new folder with --data, or say --replace",
        path.display()
    );
    if replace {
        db::clear(admin).await?;
    }
    load(&binaries, &servers.admin_url, servers.private.is_some(), &dump)?;
    // the secret belongs to the data; an other one that is already there is kept beside it, never lost
    if is_other {
        keep_beside(&path)?;
    }
    if !path.exists() {
        secrets::write(&path, &secret)?;
    }
    alone.leave().await?;
    if servers.private.is_some() {
        servers.stop();
        forget_redis(&dir)?;
    }
    Ok(manifest)
}

/// Tools at least as new as the server: `pg_dump` refuses a newer one.
fn tools_for(server_major: u32) -> anyhow::Result<PostgresBinaries> {
    let binaries = PostgresBinaries::find(Some(server_major))?;
    ensure!(
        binaries.major >= server_major,
        "the database is PostgreSQL {server_major}, and the tools here are of version {}; install \
         postgresql-client-{server_major}",
        binaries.major
    );
    Ok(binaries)
}

/// Under a name that nothing has yet: a link fails where something has it.
fn keep_beside(path: &Path) -> anyhow::Result<()> {
    let mut names = (1..1_000).map(|n| path.with_file_name(format!("secrets.before-restore-{n}.hex")));
    let free = names.find(|kept| std::fs::hard_link(path, kept).is_ok());
    ensure!(
        free.is_some() && std::fs::remove_file(path).is_ok(),
        "cannot keep {} under another name; put it away yourself, and restore then",
        path.display()
    );
    Ok(())
}
