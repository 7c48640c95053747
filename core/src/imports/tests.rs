mod faults;
mod oracle;
mod rights;
mod semantics;
mod stages;

use super::service::NEEDED;
use super::*;
use crate::change::ledger;
use crate::files::{StoredFile, Upload};
use crate::jobs::{Job, JobState, Node, Outcome, Run};
use crate::kernel::ctx::{Actor, Ctx};
use crate::kernel::error::Result;
use crate::kernel::id::{BootId, ImportId, JobId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::testing::{self, TestStore};
use sqlx::{Connection, PgConnection};

/// A store with somebody who may import.
struct Hub {
    test: TestStore,
    ctx: Ctx,
    node: Node,
}

impl Hub {
    async fn new() -> Self {
        let test = testing::store().await;
        let mut ctx = Ctx::system(test.organization, "test");
        let names = [
            "imports:create",
            "imports:read",
            "users:import",
            "users:read",
            "users:read_pii",
            "jobs:cancel",
        ];
        ctx.permissions = names.into_iter().collect();
        let importer = UserId::new();
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        sqlx::query!(
            "INSERT INTO users (id, organization_id, email, name) VALUES ($1, $2, 'importer@hub.example', 'Ida')",
            importer.0,
            test.organization.0
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        for permission in NEEDED.into_iter().chain(["users:update"]) {
            sqlx::query!(
                "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ($1, $2, $3)",
                test.organization.0,
                importer.0,
                permission
            )
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        // the invariant of every import: no commit, of whichever stage, gets past it
        test.sql("ALTER TABLE imports ADD CONSTRAINT sum CHECK (total = inserted + updated + unchanged + rejected)")
            .await;
        ctx.actor = Actor::User(importer);
        let node = Node {
            name: "test".into(),
            boot: BootId::new(),
        };
        Self { test, ctx, node }
    }

    fn without(&self, permission: &str) -> Ctx {
        let left: PermissionSet = self
            .ctx
            .permissions
            .iter()
            .filter(|name| *name != permission)
            .collect();
        let mut ctx = self.ctx.clone();
        ctx.permissions = left;
        ctx
    }

    async fn upload(&self, bytes: &[u8]) -> StoredFile {
        let mut upload = Upload::begin(&self.test.store, &self.ctx, "people.csv", 1 << 29)
            .await
            .unwrap();
        upload.write(bytes).await.unwrap();
        upload.finish().await.unwrap()
    }

    async fn submit(&self, bytes: &[u8], mode: Mode) -> Result<Submitted> {
        let file = self.upload(bytes).await;
        submit(&self.test.store, &self.ctx, &file, mode, None).await
    }

    async fn claim(&self, job: Option<JobId>) -> Option<Run> {
        let ids = [job.unwrap().0];
        ledger::claim(&self.test.store, &self.node, 6.0, &ids)
            .await
            .unwrap()
            .pop()
    }

    /// Runs to the end what was submitted.
    async fn work(&self, submitted: Submitted) -> Import {
        let claimed = self.claim(submitted.job_id).await.unwrap();
        let outcome = run(&self.test.store, &claimed).await;
        ledger::settle(&self.test.store, &claimed, &outcome)
            .await
            .unwrap();
        self.look(submitted.id).await
    }

    async fn import(&self, bytes: &[u8], mode: Mode) -> Import {
        let submitted = self.submit(bytes, mode).await.unwrap();
        let import = self.work(submitted).await;
        assert_eq!(import.state, JobState::Succeeded, "{:?}", import.error);
        let counts = import.counts;
        assert_eq!(
            counts.total,
            counts.inserted + counts.updated + counts.unchanged + counts.rejected,
            "{counts:?}"
        );
        import
    }

    async fn look(&self, id: ImportId) -> Import {
        get(&self.test.store, &self.ctx, id).await.unwrap()
    }

    async fn job(&self, id: Option<JobId>) -> Job {
        let mut tx = self.test.store.db.primary(self.test.organization).await.unwrap();
        crate::jobs::store::get(&mut tx, self.test.organization, id.unwrap())
            .await
            .unwrap()
            .unwrap()
    }

    /// True when nobody but the asker is in a transaction in this test's database.
    async fn idle(&self) -> bool {
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        let busy = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"#
        );
        busy.fetch_one(&mut *tx).await.unwrap() == 0
    }

    /// Whoever inserts a row into `table` of which `when` is true waits until this is dropped.
    async fn hold(&self, table: &str, when: &str) -> PgConnection {
        self.test
            .sql(format!(
                "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   IF {when} THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;
                   RETURN NEW;
                 END $$;
                 CREATE TRIGGER hold BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION hold()"
            ))
            .await;
        let mut holder = PgConnection::connect(&self.test.admin_url).await.unwrap();
        sqlx::query!("SELECT pg_advisory_lock(1) AS held")
            .fetch_one(&mut holder)
            .await
            .unwrap();
        holder
    }

    /// Somebody waits for what [`Hub::hold`] holds.
    async fn waits(&self) -> bool {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        self.test.count(waiting).await > 0
    }

    /// The report, without its header: line, column, value, reason.
    async fn report(&self, ctx: &Ctx, id: ImportId) -> Vec<[String; 4]> {
        let mut report = rejects(&self.test.store, ctx, id).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = report.next().await.unwrap() {
            bytes.extend(piece);
        }
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let rows = reader.records().map(|row| {
            let row = row.unwrap();
            std::array::from_fn(|n| row[n].to_owned())
        });
        rows.collect()
    }

    /// Everybody but the importer, by address, with what an import may and may not touch.
    async fn people(&self) -> Vec<Person> {
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        sqlx::query_as!(
            Person,
            r#"SELECT email, name, phone, department, profile_image, status, deleted_at IS NOT NULL AS "deleted!", version,
                 last_import_id FROM users WHERE email <> 'importer@hub.example' ORDER BY email"#
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap()
    }

    async fn add(&self, person: &Person) {
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        sqlx::query!(
            "INSERT INTO users (id, organization_id, email, name, phone, department, profile_image, status, deleted_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END, $10)",
            UserId::new().0,
            self.test.organization.0,
            person.email,
            person.name,
            person.phone,
            person.department,
            person.profile_image,
            person.status,
            person.deleted,
            person.version
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// Event types and audit flags in the outbox, in order.
    async fn events(&self, like: &str) -> Vec<(String, serde_json::Value, Vec<String>)> {
        let mut tx = self.test.store.db.bookkeeping().await.unwrap();
        let rows = sqlx::query!(
            "SELECT type AS kind, event, channels FROM outbox WHERE type LIKE $1 ORDER BY seq",
            like
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        rows.into_iter()
            .map(|row| (row.kind, row.event, row.channels))
            .collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    email: String,
    name: String,
    phone: Option<String>,
    department: Option<String>,
    profile_image: Option<String>,
    status: String,
    deleted: bool,
    version: i64,
    last_import_id: Option<uuid::Uuid>,
}

impl Person {
    fn new(email: &str, name: &str) -> Self {
        Self {
            email: email.into(),
            name: name.into(),
            phone: None,
            department: None,
            profile_image: None,
            status: "active".into(),
            deleted: false,
            version: 1,
            last_import_id: None,
        }
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}
