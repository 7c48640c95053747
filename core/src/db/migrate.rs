//! Migrations: forward only, run as the owner, expand first and contract later.

use super::whole::join;
use crate::kernel::error::{Error, Result};
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// What is applied and what is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// Applied and known to this binary.
    pub applied: usize,
    /// Known to this binary and not applied.
    pub pending: usize,
    /// Applied by a newer binary: fine, because migrations expand first.
    pub newer: usize,
}

/// Applies what is missing, under a lock, so that nodes starting together do it once; then makes the log partitions of
/// the coming months. Refused while a backup is being put back.
pub async fn migrate(owner_url: &str) -> Result<MigrationState> {
    let mut connection = PgConnection::connect(owner_url).await?;
    join(&mut connection).await?;
    let mut migrator = Migrator { ..Migrator::DEFAULT };
    migrator.migrations.clone_from(&MIGRATIONS.migrations);
    // a newer node may have migrated already, and this older one must still start beside it
    migrator.set_ignore_missing(true);
    migrator.run(&mut connection).await.map_err(Error::internal)?;
    sqlx::query_scalar!("SELECT signalbox_make_partitions(3)")
        .fetch_one(&mut connection)
        .await?;
    let state = state(&mut connection).await?;
    connection.close().await?;
    Ok(state)
}

/// Compares what is applied with what this binary knows, changing nothing.
pub async fn migration_state(url: &str) -> Result<MigrationState> {
    let mut connection = PgConnection::connect(url).await?;
    let state = state(&mut connection).await?;
    connection.close().await?;
    Ok(state)
}

async fn state(connection: &mut PgConnection) -> Result<MigrationState> {
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    // the table is sqlx's own and does not exist before the first run, so this statement cannot be checked
    let applied: Vec<i64> = match sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(&mut *connection)
        .await
    {
        Ok(versions) => versions,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let both = known.iter().filter(|version| applied.contains(version)).count();
    Ok(MigrationState {
        applied: both,
        pending: known.len() - both,
        newer: applied.len() - both,
    })
}

/// Changes with the migrations: names the tests' template database.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> u64 {
    MIGRATIONS
        .iter()
        .flat_map(|migration| migration.checksum.iter())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
