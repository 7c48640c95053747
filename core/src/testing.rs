//! A database and a Redis prefix of its own for each test, on the private servers that `bin/test` starts.
//!
//! `TEST_DATABASE_URL` is a superuser's URL on a Unix socket, `TEST_REDIS_URL` a Redis to share: each test has a key and
//! channel prefix of its own, and one that flushes or stops Redis starts its own.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test support module fails by panicking"
)]

pub mod providers;

use crate::Store;
use crate::auth::Client;
use crate::bus::Bus;
use crate::change::{Change, ledger};
use crate::db::{Db, Options, fingerprint};
use crate::jobs::{Node, Run};
use crate::kernel::clock::Clock;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{BootId, OrganizationId, SessionId, UserId};
use crate::kernel::password::Passwords;
use crate::kernel::seal::Sealer;
use crate::messages;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;

mod acting;
pub mod authenticator;
mod stalls;

pub use acting::Worker;
pub use stalls::Stalls;

/// The secret every test installation has.
pub const SECRET: [u8; 32] = [42; 32];

/// Connections at most of each pool of a [`TestStore`].
pub const CONNECTIONS: u32 = 12;

/// A store on an empty, migrated database with one organization.
#[derive(Debug)]
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// The organization made for the test.
    pub organization: OrganizationId,
    /// URL of the hub's role on this test's database.
    pub app_url: String,
    /// URL of a superuser on this test's database.
    pub admin_url: String,
    /// URL of the shared Redis.
    pub redis_url: String,
    /// This test's prefix in it.
    pub prefix: String,
}

impl TestStore {
    /// Runs `sql` (one statement or several) as a superuser: arranges what a test begins with, or what goes wrong.
    pub async fn sql(&self, sql: impl Into<String>) {
        let mut connection = PgConnection::connect(&self.admin_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.into()))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// What a query of one number says, read as a superuser.
    pub async fn count(&self, sql: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.admin_url).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// The one text column of every row of `sql`, read as a superuser: what is really there.
    pub async fn texts(&self, sql: impl Into<String>) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.admin_url).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.into()))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// A lock on `table` that everything else waits for, until it is dropped.
    pub async fn lock(&self, table: &str) -> impl Send {
        let mut connection = PgConnection::connect(&self.admin_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; LOCK TABLE {table}")))
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }

    /// Runs a command on the Redis that the store uses, and says what list of texts came back, if it was one.
    pub async fn redis(&self, command: &[&str]) -> Vec<String> {
        let mut call = redis::cmd(command[0]);
        call.arg(&command[1..]);
        let answer: redis::Value = call.query_async(&mut self.store.bus.shared()).await.unwrap();
        redis::from_redis_value(answer).unwrap_or_default()
    }

    /// An active person without roles.
    pub async fn person(&self) -> UserId {
        let user = UserId::new();
        let organization = self.organization;
        self.sql(format!(
            "INSERT INTO users (id, organization_id, email, name) VALUES ('{user}', '{organization}', '{user}@example.com', 'Test Person')"
        ))
        .await;
        user
    }

    /// As many active people without roles.
    pub async fn people(&self, count: usize) -> Vec<UserId> {
        let organization = self.organization;
        self.texts(format!(
            "INSERT INTO users (id, organization_id, email, name)
             SELECT id, '{organization}', id || '@example.com', 'Test Person'
             FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {count})) made RETURNING id::text"
        ))
        .await
        .iter()
        .map(|id| id.parse().unwrap())
        .collect()
    }

    /// A session of theirs that lasts an hour.
    pub async fn session(&self, user: UserId) -> SessionId {
        let session = SessionId::new();
        let organization = self.organization;
        self.sql(format!(
            "INSERT INTO user_sessions (id, organization_id, user_id, expires_at) VALUES ('{session}', '{organization}', '{user}', now() + interval '1 hour')"
        ))
        .await;
        session
    }
}

/// Claims the oldest waiting job of `queue` as a worker would.
pub async fn claim(test: &TestStore, queue: &str) -> Run {
    let ids: Vec<uuid::Uuid> = test
        .texts(format!(
            "SELECT id::text FROM jobs WHERE queue = '{queue}' AND state IN ('waiting', 'retrying') ORDER BY id LIMIT 1"
        ))
        .await
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    let node = Node {
        name: "test".to_owned(),
        boot: BootId::new(),
    };
    let mut runs = ledger::claim(&test.store, &node, 60.0, &ids).await.unwrap();
    runs.pop().expect("a job waits")
}

/// A message that was sent, had there been a provider.
#[derive(Clone, Debug)]
pub struct Mailed {
    /// Address.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

impl Mailed {
    /// The token of the one link in the text.
    pub fn token(&self) -> String {
        let (_, rest) = self.text.split_once('#').expect("there is a link");
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

/// Runs every job that waits to send a mail, and says what went out, oldest first.
pub async fn mailed(test: &TestStore) -> Vec<Mailed> {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(UserId::new());
    ctx.credential = Credential::Session(SessionId::new());
    ctx.permissions = ["settings:read", "settings:update"].into_iter().collect();
    let waiting = format!(
        "SELECT count(*) FROM jobs WHERE queue = '{}' AND state IN ('waiting', 'retrying')",
        messages::MAIL
    );
    let mut mails = Vec::new();
    while test.count(&waiting).await > 0 {
        let run = claim(test, messages::MAIL).await;
        let outcome = messages::send_mail(&test.store, &run).await;
        ledger::settle(&test.store, &run, &outcome).await.unwrap();
        let kept = messages::list(&test.store, &ctx, Some(1_000), None)
            .await
            .unwrap();
        let kept = kept.items.into_iter().find(|kept| kept.id == run.job.id.0);
        let kept = kept.unwrap_or_else(|| panic!("a mail did not go out: {outcome:?}"));
        mails.push(Mailed {
            to: kept.to.unwrap(),
            subject: kept.subject.unwrap(),
            text: kept.text.unwrap(),
        });
    }
    mails
}

/// Within an open change: takes `user`'s row, gives it its next version and records that. What the change then comes to
/// (held open, rolled back, committed) is the caller's.
pub async fn touch(change: &mut Change, user: UserId) -> Result<i64> {
    let version: i64 =
        sqlx::query_scalar("UPDATE users SET version = version + 1 WHERE id = $1 RETURNING version")
            .bind(user)
            .fetch_one(change.tx())
            .await?;
    let subject = Subject {
        kind: "user".into(),
        id: user.0,
        version,
    };
    let event = Event::new(
        "user.updated",
        "users.update",
        subject,
        "feed:users",
        "{actor} changed {subject}",
    )
    .patch(serde_json::json!({"id": user, "version": version}), vec![]);
    change.record(event).await?;
    Ok(version)
}

/// Within an open change: it may stand open for as long as a test wants, where a request's is ended after a minute.
pub async fn hold_open(change: &mut Change) -> Result<()> {
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(change.tx())
        .await?;
    Ok(())
}

/// Makes one.
pub async fn store() -> TestStore {
    let admin = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL: run bin/test, or set it to a superuser's URL");
    store_on(&admin).await
}

/// Makes one on another PostgreSQL than the shared: `admin` is a superuser's URL.
pub async fn store_on(admin: &str) -> TestStore {
    let redis_url =
        std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL: run bin/test, or set it to a Redis URL");
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(admin).await.unwrap();
    let template = template(&mut connection, admin).await;
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER signalbox_owner");
    for _ in 0..200 {
        match sqlx::query(AssertSqlSafe(sql.clone()))
            .execute(&mut connection)
            .await
        {
            Ok(_) => break,
            // somebody else copies the template at this moment
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55006") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let app_url = url(admin, "signalbox_app", &name);
    let db = Db::connect(&Options {
        url: app_url.clone(),
        replica_url: None,
        max_connections: CONNECTIONS,
    })
    .await
    .unwrap();
    let bus = Bus::connect(&redis_url, &name).await.unwrap();
    let organization = OrganizationId::new();
    let mut tx = db.bookkeeping().await.unwrap();
    sqlx::query!(
        "INSERT INTO organizations (id, name) VALUES ($1, 'Test')",
        organization.0
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let store = Store {
        db,
        bus,
        sealer: Sealer::new(&SECRET),
        // the least argon2 takes: a test is about what hangs on a password, not about its strength
        passwords: Passwords::new(8, 1).unwrap(),
        clock: Clock::system(),
        signals: crate::store::Signals::default(),
        outside: crate::outbound::Outside::default(),
    };
    let admin_url = url(admin, "", &name);
    TestStore {
        store,
        organization,
        app_url,
        admin_url,
        redis_url,
        prefix: name,
    }
}

/// The migrated template, named after the migrations it holds; made by whoever comes first.
async fn template(connection: &mut PgConnection, admin: &str) -> String {
    let name = format!("template_{:x}", fingerprint());
    sqlx::query("SELECT pg_advisory_lock(7001)")
        .execute(&mut *connection)
        .await
        .unwrap();
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    if !there {
        for role in ["signalbox_owner LOGIN CREATEROLE", "signalbox_app LOGIN"] {
            // exists already where another test run shares the cluster
            let _ = sqlx::query(AssertSqlSafe(format!("CREATE ROLE {role}")))
                .execute(&mut *connection)
                .await;
        }
        let making = format!("{name}_making");
        for sql in [
            format!("DROP DATABASE IF EXISTS {making}"),
            format!("CREATE DATABASE {making} OWNER signalbox_owner"),
        ] {
            sqlx::query(AssertSqlSafe(sql))
                .execute(&mut *connection)
                .await
                .unwrap();
        }
        crate::db::migrate(&url(admin, "signalbox_owner", &making))
            .await
            .unwrap();
        sqlx::query(AssertSqlSafe(format!("ALTER DATABASE {making} RENAME TO {name}")))
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    sqlx::query("SELECT pg_advisory_unlock(7001)")
        .execute(&mut *connection)
        .await
        .unwrap();
    name
}

/// `admin` with another user (unless empty) and database: `postgres://user@localhost/db?host=/socket`.
fn url(admin: &str, user: &str, database: &str) -> String {
    let (head, query) = admin.split_once('?').unwrap_or((admin, ""));
    let rest = head
        .strip_prefix("postgres://")
        .expect("TEST_DATABASE_URL begins with postgres://");
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let (old, host) = authority.split_once('@').unwrap_or(("", authority));
    let user = if user.is_empty() { old } else { user };
    format!("postgres://{user}@{host}/{database}?{query}")
}

/// Waits until `condition` holds, looking again every 10 ms; panics with `what` after 20 s.
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A program that somebody uses, of whom nothing is known.
pub fn client() -> Client {
    Client {
        ip: None,
        user_agent: None,
        trace_id: "0".repeat(32),
        by_cookie: false,
        replaces: None,
    }
}

/// The code that an authenticator app with this secret shows at `at`.
pub fn code(secret: &str, at: time::OffsetDateTime) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(at.unix_timestamp().unsigned_abs()).to_string()
}
