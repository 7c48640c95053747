//! PostgreSQL, the truth. Every transaction names the organization it works for, which row-level security then holds.
//!
//! Invariant: nothing outside core names a table; nothing outside this folder opens a transaction.

use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use std::str::FromStr;
use std::time::Duration;

mod finish;
pub mod leader;
mod migrate;
mod partitions;
mod whole;
#[cfg(feature = "testing")]
pub(crate) use migrate::fingerprint;
pub use migrate::{MigrationState, migrate, migration_state};
pub use whole::{Alone, ServerFacts, alone, clear, default_partitions_used, is_empty, server_facts};

/// An open transaction; dropped without commit it rolls back.
pub type Tx = Transaction<'static, Postgres>;
/// What a store function writes through.
pub use sqlx::PgConnection;

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct Options {
    /// `postgres://` URL of the hub's own role.
    pub url: String,
    /// A read-only replica's URL, if there is one.
    pub replica_url: Option<String>,
    /// Connections at most, per pool; to the primary two more are kept free for revocations, and [`BESIDE`] may be opened beside.
    pub max_connections: u32,
}

/// The pools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    primary: PgPool,
    /// Two connections that no request can take: one, and one for when that hangs.
    kept_free: PgPool,
    /// For transactions that are open while their own request waits for others of its own: out of one pool they would wait for
    /// each other.
    beside: PgPool,
    replica: Option<PgPool>,
}

impl Db {
    /// Connects; fails when the server cannot be reached within 10 s.
    pub async fn connect(options: &Options) -> Result<Self> {
        let primary = pool(&options.url, options.max_connections).await?;
        let replica = match &options.replica_url {
            Some(url) => Some(pool(url, options.max_connections).await?),
            None => None,
        };
        Ok(Self {
            primary,
            kept_free: pool(&options.url, 2).await?,
            beside: beside(&options.url)?,
            replica,
        })
    }

    /// A snapshot to read `organization` from: the replica where there is one.
    pub async fn read(&self, organization: OrganizationId) -> Result<Tx> {
        begin(
            self.replica.as_ref().unwrap_or(&self.primary),
            SNAPSHOT,
            &organization.to_string(),
        )
        .await
    }

    /// A snapshot of the primary, for what must not be stale by a replica's lag: who may get in.
    pub async fn primary(&self, organization: OrganizationId) -> Result<Tx> {
        begin(&self.primary, SNAPSHOT, &organization.to_string()).await
    }

    /// A snapshot of the primary across organizations, for the hub's own eyes: sign-in by e-mail, relay.
    pub async fn snapshot(&self) -> Result<Tx> {
        begin(&self.primary, SNAPSHOT, "*").await
    }

    /// As [`Db::snapshot`], on connections of their own: reading revocations must not wait behind requests, however many.
    pub(crate) async fn snapshot_kept_free(&self) -> Result<Tx> {
        begin(&self.kept_free, SNAPSHOT, "*").await
    }

    /// What the machine notes about itself, across organizations. Which tables and columns may be written so is a list
    /// that tidy holds; everything a person or program changes goes through `Change`.
    pub async fn bookkeeping(&self) -> Result<Tx> {
        begin(&self.primary, "", "*").await
    }

    /// As [`Db::bookkeeping`], and the server ends it when its client stands still for 2 s.
    pub(crate) async fn brief(&self) -> Result<Tx> {
        let sql = "BEGIN; SET LOCAL signalbox.organization = '*'; SET LOCAL idle_in_transaction_session_timeout = '2s'";
        open(&self.primary, sql.to_owned()).await
    }

    /// For `Change` alone.
    pub(crate) async fn begin(&self, organization: OrganizationId) -> Result<Tx> {
        begin(&self.primary, "", &organization.to_string()).await
    }

    /// For `Change` alone: stays open while its request does its work in other transactions, and without a snapshot, so that
    /// it is in nobody's way. The server ends it when that takes longer than any request.
    pub(crate) async fn begin_beside(&self, organization: OrganizationId) -> Result<Tx> {
        let sql = format!(
            "BEGIN; SET LOCAL signalbox.organization = '{organization}'; SET LOCAL idle_in_transaction_session_timeout = '10min'"
        );
        open(&self.beside, sql).await
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query_scalar!(r#"SELECT 1 AS "one!""#)
            .fetch_one(&self.primary)
            .await?;
        Ok(())
    }

    /// The server's version, such as `15.18`.
    pub async fn server_version(&self) -> Result<String> {
        Ok(
            sqlx::query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#)
                .fetch_one(&self.primary)
                .await?,
        )
    }

    /// Closes every connection; later calls answer `database.unavailable`.
    pub async fn close(&self) {
        self.primary.close().await;
        self.kept_free.close().await;
        self.beside.close().await;
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
    }
}

/// Connections found dead one after another before a caller is told: a server that was restarted, or a thread that is gone
/// and with it what its connections waited on, leaves some of them in the pool.
const DEAD_CONNECTIONS: usize = 5;

const SNAPSHOT: &str = " ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One round trip opens the transaction and names the organization. `organization` is a UUID or `*`, never a person's
/// text, so it may stand in the statement.
async fn begin(pool: &PgPool, mode: &str, organization: &str) -> Result<Tx> {
    let sql = format!("BEGIN{mode}; SET LOCAL signalbox.organization = '{organization}'");
    open(pool, sql).await
}

async fn open(pool: &PgPool, sql: String) -> Result<Tx> {
    let mut tries = 0;
    loop {
        let (pool, sql) = (pool.clone(), sql.clone());
        let beginning = async move { pool.begin_with(AssertSqlSafe(sql)).await };
        match finish::Finish::new(beginning).await {
            // nothing was begun, so nothing is done twice
            Err(sqlx::Error::Io(_)) if tries < DEAD_CONNECTIONS => tries += 1,
            begun => return Ok(begun?),
        }
    }
}

/// Connections for transactions that are open beside others of their own request; they are opened when they are needed.
const BESIDE: u32 = 4;

async fn pool(url: &str, max_connections: u32) -> Result<PgPool> {
    let pool = pool_options(max_connections).min_connections(1);
    Ok(pool.connect_with(connection(url)?).await?)
}

fn beside(url: &str) -> Result<PgPool> {
    Ok(pool_options(BESIDE).connect_lazy_with(connection(url)?))
}

fn connection(url: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url)?
        .application_name("signalbox")
        .options([
            ("statement_timeout", "60s"),
            ("lock_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]))
}

fn pool_options(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(10))
        // a dead connection shows itself at the first statement; asking first costs a round trip each time
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(whole::join(connection)))
}
