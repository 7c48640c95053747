//! The database as a whole, for backup, restore and the doctor: never part of the hub's work.

use crate::kernel::error::Result;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Such as `150018` for 15.18.
    pub version_number: u32,
    /// Such as `15.18`.
    pub version: String,
    /// Its clock.
    pub now: OffsetDateTime,
}

/// Asks the server at `url`.
pub async fn server_facts(url: &str) -> Result<ServerFacts> {
    let mut connection = PgConnection::connect(url).await?;
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version_num')::int AS "number!",
                  split_part(current_setting('server_version'), ' ', 1) AS "version!",
                  clock_timestamp() AS "now!""#
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(ServerFacts {
        version_number: u32::try_from(row.number).unwrap_or_default(),
        version: row.version,
        now: row.now,
    })
}

/// Whether the database holds no table at all, so that a restore loses nothing.
pub async fn is_empty(url: &str) -> Result<bool> {
    let mut connection = PgConnection::connect(url).await?;
    let empty = sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (
             SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                AND n.nspname NOT LIKE 'pg\_toast%') AS "empty!""#
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(empty)
}

/// Removes everything the hub ever made in the database. For a restore that was told to replace.
pub async fn clear(owner_url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(owner_url).await?;
    let mut tx = connection.begin().await?;
    sqlx::query!("DROP SCHEMA public CASCADE")
        .execute(&mut *tx)
        .await?;
    sqlx::query!("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
        .execute(&mut *tx)
        .await?;
    sqlx::query!("GRANT USAGE ON SCHEMA public TO PUBLIC")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}
