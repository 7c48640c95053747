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

/// Every connection of a hub holds this advisory lock, shared, for as long as it lives: whoever has it alone knows that no hub, on
/// whatever machine, works in the database.
const IN_USE: i64 = 0x73_69_67_6e_61_6c;

/// Says that the connection's owner works in the database; an error while somebody has it alone.
pub(super) async fn join(connection: &mut PgConnection) -> sqlx::Result<()> {
    let joined = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock_shared($1) AS "joined!""#, IN_USE)
        .fetch_one(connection)
        .await?;
    if joined {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(
        "a backup is being put back into this database".into(),
    ))
}

/// The database without anybody else in it, and nobody comes in, until this is dropped.
#[derive(Debug)]
pub struct Alone(PgConnection);

impl Alone {
    /// Lets others in.
    pub async fn leave(self) -> Result<()> {
        Ok(self.0.close().await?)
    }
}

/// Takes the database at `url` for oneself; `None` while a hub, or a command beside one, works in it.
pub async fn alone(url: &str) -> Result<Option<Alone>> {
    let mut connection = PgConnection::connect(url).await?;
    let alone = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "alone!""#, IN_USE)
        .fetch_one(&mut connection)
        .await?;
    Ok(alone.then_some(Alone(connection)))
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

/// The default partitions of the logs that hold entries; asked as the tables' owner. Each entry in one came for a month that nobody had
/// made in time.
pub async fn default_partitions_used(owner_url: &str) -> Result<Vec<String>> {
    let mut connection = PgConnection::connect(owner_url).await?;
    let used = sqlx::query_scalar!(
        r#"SELECT name AS "name!" FROM (VALUES
             ('audit_logs_default', EXISTS (SELECT FROM audit_logs_default)),
             ('activity_logs_default', EXISTS (SELECT FROM activity_logs_default))) AS parts (name, used)
           WHERE used"#
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    Ok(used)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, Options};
    use crate::testing;

    #[tokio::test]
    async fn a_default_partition_with_an_entry_in_it_is_named() {
        let test = testing::store().await;
        assert_eq!(default_partitions_used(&test.admin_url).await.unwrap(), [""; 0]);
        let entry = "INSERT INTO activity_logs (id, organization_id, at, action, subject_kind, subject_id, text)
             SELECT gen_random_uuid(), id, now() + interval '10 years', 'x.y', 'user', id, 'x' FROM organizations LIMIT 1";
        test.sql(entry).await;
        let used = default_partitions_used(&test.admin_url).await.unwrap();
        assert_eq!(used, ["activity_logs_default"]);
    }

    #[tokio::test]
    async fn nobody_has_a_database_alone_while_a_hub_is_in_it_and_no_hub_comes_in_while_somebody_has() {
        let test = testing::store().await;
        assert!(alone(&test.admin_url).await.unwrap().is_none());
        test.store.db.close().await;
        let mut had = None;
        testing::eventually("the hub's connections are closed", async || {
            had = alone(&test.admin_url).await.unwrap();
            had.is_some()
        })
        .await;
        let mut late = PgConnection::connect(&test.admin_url).await.unwrap();
        assert!(join(&mut late).await.is_err());
        assert!(crate::db::migrate(&test.admin_url).await.is_err());
        had.unwrap().leave().await.unwrap();
        let options = Options {
            url: test.admin_url.clone(),
            replica_url: None,
            max_connections: 1,
        };
        testing::eventually("a hub comes in again", async || {
            Db::connect(&options).await.is_ok()
        })
        .await;
    }
}
