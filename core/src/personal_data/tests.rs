use super::held::{Erase, HELD, LEFT_OUT};
use super::*;
use crate::change::ledger;
use crate::files::Upload;
use crate::jobs::{JobState, Node, Outcome, Run};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{BootId, JobId, SessionId, UserId};
use crate::testing::{self, TestStore};
use crate::users::{NewUser, UserItem, rights, service};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::Duration;

/// An organization with an owner, who asks.
struct World {
    test: TestStore,
    owner: Ctx,
    node: Node,
}

impl World {
    async fn new() -> Self {
        let test = testing::store().await;
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        crate::roles::predefine(&mut tx, test.organization, test.store.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let owner = test.person().await;
        let mut world = Self {
            owner: Ctx::system(test.organization, "test"),
            node: Node {
                name: "test".into(),
                boot: BootId::new(),
            },
            test,
        };
        world.hold(owner, "owner").await;
        world.owner = world.acting(owner).await;
        world
    }

    async fn hold(&self, user: UserId, role: &str) {
        let organization = self.test.organization;
        self.test
            .sql(format!(
                "INSERT INTO user_roles (organization_id, user_id, role_id)
                 SELECT '{organization}', '{user}', id FROM roles WHERE name = '{role}'"
            ))
            .await;
    }

    async fn acting(&self, user: UserId) -> Ctx {
        let mut ctx = Ctx::system(self.test.organization, "test");
        let mut tx = self.test.store.db.read(self.test.organization).await.unwrap();
        ctx.permissions = rights::of(&mut tx, self.test.organization, user).await.unwrap();
        ctx.actor = Actor::User(user);
        ctx.credential = Credential::Session(SessionId::new());
        ctx.authenticated_at = Some(self.test.store.clock.now());
        ctx
    }

    /// Somebody of whom much is held.
    async fn grace(&self) -> UserItem {
        let new: NewUser = serde_json::from_value(json!({
            "email": "Grace.Canary@example.com", "name": "Grace Canary", "phone": "+1 555 0199",
            "profile_image": "https://example.com/canary.png", "metadata": {"note": "canary-note"},
            "employment_equity": {"group": "canary-group"}}))
        .unwrap();
        let user = service::create(&self.test.store, &self.owner, &new)
            .await
            .unwrap();
        service::ban(&self.test.store, &self.owner, user.id, "canary-reason")
            .await
            .unwrap();
        service::unban(&self.test.store, &self.owner, user.id)
            .await
            .unwrap();
        self.test.session(user.id).await;
        let (organization, id) = (self.test.organization, user.id);
        self.test
            .sql(format!(
                "UPDATE user_sessions SET user_agent = 'canary-agent' WHERE user_id = '{id}';
                 INSERT INTO saved_filters (id, organization_id, page, name, query, owner_id, audience)
                 VALUES (gen_random_uuid(), '{organization}', 'users', 'canary-view', 'q=x', '{id}', 'me'),
                        (gen_random_uuid(), '{organization}', 'users', 'Other', 'q=grace.canary%40example.com', '{}', 'me');
                 INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
                 VALUES ('{organization}', gen_random_uuid(), 2, 'email', 'grace.canary@example.com', 'taken');
                 INSERT INTO idempotency (organization_id, actor_id, key, operation, request_hash, status, answer)
                 VALUES ('{organization}', gen_random_uuid(), 'k', 'POST /x', '', 201, '{{\"email\": \"grace.canary@example.com\", \"name\": \"Grace Canary\"}}');
                 INSERT INTO api_keys (id, organization_id, name, owner_id, hint, hash, scopes, last_used_ip)
                 VALUES (gen_random_uuid(), '{organization}', 'canary-key', '{id}', 'sbx_live_canary', 'h', '{{users:read}}', '192.0.2.99')",
                self.owner.actor.user().unwrap()
            ))
            .await;
        let mut upload = Upload::begin(&self.test.store, &self.owner, "people.csv", 1 << 24)
            .await
            .unwrap();
        // the address stands across the border of two chunks
        let mut bytes = vec![b'x'; (1 << 20) - 10];
        bytes.extend(b"\nGrace.Canary@Example.com,Grace Canary\n");
        upload.write(&bytes).await.unwrap();
        upload.finish().await.unwrap();
        let mut upload = Upload::begin(&self.test.store, &self.owner, "others.csv", 1 << 20)
            .await
            .unwrap();
        upload.write(b"email\nada@example.com\n").await.unwrap();
        upload.finish().await.unwrap();
        user
    }

    async fn claim(&self, job: JobId) -> Option<Run> {
        self.test
            .sql("UPDATE jobs SET run_at = now() - interval '1 second' WHERE state = 'waiting'")
            .await;
        ledger::claim(&self.test.store, &self.node, 6.0, &[job.0])
            .await
            .unwrap()
            .pop()
    }

    async fn settle(&self, run: &Run, outcome: &Outcome) -> JobState {
        ledger::settle(&self.test.store, run, outcome).await.unwrap()
    }

    async fn work(&self, job: JobId, export: bool) -> JobState {
        let run = self.claim(job).await.unwrap();
        let outcome = if export {
            run_export(&self.test.store, &run).await
        } else {
            run_erasure(&self.test.store, &run).await
        };
        self.settle(&run, &outcome).await
    }

    /// What is there in any column of any table, as text, that holds `word` in whatever case: `table.column`.
    async fn holding(&self, word: &str) -> Vec<String> {
        let columns = self
            .test
            .texts(
                "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
                 JOIN information_schema.tables t USING (table_schema, table_name)
                 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER' ORDER BY 1",
            )
            .await;
        assert!(columns.len() > 300, "{} columns", columns.len());
        let asked: Vec<String> = columns
            .iter()
            .map(|column| {
                let (table, name) = column.split_once('.').unwrap();
                format!(
                    "SELECT '{column}' WHERE EXISTS (SELECT FROM \"{table}\" t WHERE strpos(lower(t.\"{name}\"::text), lower('{word}')) > 0
                       OR strpos(t.\"{name}\"::text, encode(convert_to('{word}', 'UTF8'), 'hex')) > 0)"
                )
            })
            .collect();
        self.test.texts(asked.join(" UNION ALL ")).await
    }

    /// The lines of an export, by table.
    async fn lines(&self, ctx: &Ctx, id: crate::kernel::id::ExportId) -> Vec<Value> {
        let mut download = download(&self.test.store, ctx, id).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(part) = download.next().await.unwrap() {
            bytes.extend(part);
        }
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn every_column_that_points_at_a_person_is_handed_out_or_left_out_with_a_reason() {
    let test = testing::store().await;
    // by name, or by a foreign key to users; partitions are their parents'
    let found = test
        .texts(
            "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
             JOIN pg_class r ON r.relname = c.table_name AND r.relnamespace = 'public'::regnamespace
             WHERE c.table_schema = 'public' AND r.relkind IN ('r', 'p') AND NOT r.relispartition AND c.data_type = 'uuid'
               AND (c.column_name ~ '^(user_id|owner_id|actor_id|subject_id|requested_by|impersonated_by|on_behalf_of|.*_by)$'
                 OR EXISTS (SELECT FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY(f.conkey)
                            WHERE f.contype = 'f' AND f.confrelid = 'users'::regclass AND f.conrelid = r.oid AND a.attname = c.column_name))",
        )
        .await;
    assert!(found.len() > 20, "{found:?}");
    let mut known: BTreeSet<String> = BTreeSet::new();
    for held in HELD {
        known.extend(held.by.iter().map(|column| format!("{}.{column}", held.table)));
    }
    known.extend(LEFT_OUT.iter().map(|(table, column, reason)| {
        assert!(!reason.is_empty());
        format!("{table}.{column}")
    }));
    let forgotten: Vec<&String> = found.iter().filter(|column| !known.contains(*column)).collect();
    assert!(
        forgotten.is_empty(),
        "core/src/personal_data/held.rs says nothing of {forgotten:?}"
    );
    let found: BTreeSet<String> = found.into_iter().chain(["users.id".to_owned()]).collect();
    let gone: Vec<&String> = known.iter().filter(|column| !found.contains(*column)).collect();
    assert!(gone.is_empty(), "there is no {gone:?}");
    for held in HELD {
        if let Erase::Keep(why) = held.erase {
            assert!(!why.is_empty(), "{}", held.table);
        }
    }
}

#[tokio::test]
async fn everything_held_on_somebody_is_handed_to_whoever_asked_and_to_nobody_else() {
    let world = World::new().await;
    let grace = world.grace().await;
    let theirs = world.acting(grace.id).await;
    let asked = request(&world.test.store, &theirs, grace.id).await.unwrap();
    assert_eq!(
        &*request(&world.test.store, &theirs, grace.id)
            .await
            .unwrap_err()
            .code,
        "job.already_queued"
    );
    assert_eq!(
        &*download(&world.test.store, &theirs, asked.id)
            .await
            .unwrap_err()
            .code,
        "personal_data.not_ready"
    );
    assert_eq!(world.work(asked.job_id, true).await, JobState::Succeeded);
    let lines = world.lines(&theirs, asked.id).await;
    assert_eq!(lines[0]["user_id"], json!(grace.id));
    let of = |table: &str| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["table"] == table)
            .map(|line| &line["row"])
            .collect()
    };
    assert_eq!(of("users")[0]["email"], "grace.canary@example.com");
    assert_eq!(of("user_sessions")[0]["user_agent"], "canary-agent");
    assert_eq!(of("api_keys")[0]["name"], "canary-key");
    let whole = serde_json::to_string(&lines).unwrap();
    assert!(!whole.contains("password_hash") && !whole.contains("seal_salt") && !whole.contains("\"hash\""));
    let audited = of("audit_logs");
    let created = audited
        .iter()
        .find(|row| row["action"] == "users.create")
        .unwrap();
    assert_eq!(
        created["changes"]["email"]["after"], "grace.canary@example.com",
        "opened, for it is theirs"
    );
    assert!(
        !whole.contains("sealed:1:"),
        "nothing stays closed that is theirs"
    );
    for other in [world.owner.clone(), world.acting(world.test.person().await).await] {
        let refused = download(&world.test.store, &other, asked.id).await.err().unwrap();
        assert_eq!(refused.kind, Kind::NotFound);
    }
    assert_eq!(exports(&world.test.store, &theirs).await.unwrap().items.len(), 1);
    let fetched = world
        .test
        .count("SELECT count(*) FROM audit_logs WHERE action = 'personal_data.download'")
        .await;
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn what_stands_sealed_of_others_beside_ones_own_acts_stays_closed() {
    let world = World::new().await;
    world.grace().await;
    let owner = world.owner.actor.user().unwrap();
    let asked = request(&world.test.store, &world.owner, owner).await.unwrap();
    world.work(asked.job_id, true).await;
    let lines = world.lines(&world.owner, asked.id).await;
    let acts = lines.iter().filter(|line| line["table"] == "audit_logs").count();
    assert!(acts >= 3, "the owner's acts are there");
    let logs: Vec<&Value> = lines
        .iter()
        .filter(|line| {
            line["table"]
                .as_str()
                .is_some_and(|table| table.ends_with("_logs"))
        })
        .collect();
    let whole = serde_json::to_string(&logs).unwrap().to_lowercase();
    assert!(!whole.contains("grace") && !whole.contains("0199"), "{whole}");
}

#[tokio::test]
async fn another_is_handed_out_only_by_who_may_see_them_whole_reaches_over_them_and_has_proved_who_they_are()
{
    let world = World::new().await;
    let grace = world.grace().await;
    let plain = world.acting(world.test.person().await).await;
    assert_eq!(
        request(&world.test.store, &plain, grace.id)
            .await
            .unwrap_err()
            .kind,
        Kind::NotFound
    );
    let mut stale = world.owner.clone();
    stale.authenticated_at = Some(world.test.store.clock.now() - Duration::hours(1));
    assert_eq!(
        &*request(&world.test.store, &stale, grace.id)
            .await
            .unwrap_err()
            .code,
        "auth.step_up_needed"
    );
    let mut blind = world.owner.clone();
    blind.permissions = ["users:read", "users:export"].into_iter().collect();
    assert_eq!(
        &*request(&world.test.store, &blind, grace.id)
            .await
            .unwrap_err()
            .code,
        "permission.missing"
    );
    let admin = world.test.person().await;
    world.hold(admin, "admin").await;
    let admin = world.acting(admin).await;
    let owner = world.owner.actor.user().unwrap();
    assert_eq!(
        &*request(&world.test.store, &admin, owner).await.unwrap_err().code,
        "permission.outranked"
    );
    let asked = request(&world.test.store, &admin, grace.id).await.unwrap();
    world
        .test
        .sql(format!(
            "DELETE FROM user_roles WHERE user_id = '{}'",
            admin.actor.user().unwrap()
        ))
        .await;
    assert_eq!(
        world.work(asked.job_id, true).await,
        JobState::Failed,
        "rights are looked at again"
    );
    assert_eq!(
        world.test.count("SELECT count(*) FROM personal_data_parts").await,
        0
    );
}

#[tokio::test]
async fn an_export_cut_off_anywhere_goes_on_and_is_the_same() {
    let world = World::new().await;
    let grace = world.grace().await;
    world
        .test
        .sql(format!(
            "INSERT INTO activity_logs (id, organization_id, action, subject_kind, subject_id, text)
             SELECT gen_random_uuid(), '{}', 'tests.line' , 'user', '{}', 'n' FROM generate_series(1, 5300)",
            world.test.organization, grace.id
        ))
        .await;
    let theirs = world.acting(grace.id).await;
    let asked = request(&world.test.store, &theirs, grace.id).await.unwrap();
    let (mut cut, mut wait) = (0, 15);
    while let Some(run) = world.claim(asked.job_id).await {
        let work = run_export(&world.test.store, &run);
        if let Ok(outcome) = tokio::time::timeout(std::time::Duration::from_millis(wait), work).await {
            world.settle(&run, &outcome).await;
            continue;
        }
        (cut, wait) = (cut + 1, wait + 25);
        world
            .test
            .sql("UPDATE job_leases SET until = '-infinity'; UPDATE jobs SET crashes_in_a_row = 0")
            .await;
        testing::eventually("the lapsed run is taken over", async || {
            ledger::take_lapsed(&world.test.store).await.unwrap() == 1
        })
        .await;
    }
    assert!(cut >= 1, "the job was never cut off");
    let lines = world.lines(&theirs, asked.id).await;
    let ids: Vec<&Value> = lines
        .iter()
        .filter(|line| line["row"]["action"] == "tests.line")
        .map(|line| &line["row"]["id"])
        .collect();
    let once: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!((ids.len(), once.len()), (5_300, 5_300), "each line once");
}

#[tokio::test]
async fn an_export_can_be_fetched_for_a_week_and_is_then_gone() {
    let world = World::new().await;
    let owner = world.owner.actor.user().unwrap();
    let asked = request(&world.test.store, &world.owner, owner).await.unwrap();
    world.work(asked.job_id, true).await;
    assert!(!sweep(&world.test.store).await.unwrap());
    world
        .test
        .sql("UPDATE personal_data_exports SET expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(
        download(&world.test.store, &world.owner, asked.id)
            .await
            .err()
            .unwrap()
            .kind,
        Kind::NotFound
    );
    assert!(sweep(&world.test.store).await.unwrap());
    assert_eq!(
        world.test.count("SELECT count(*) FROM personal_data_parts").await,
        0
    );
}

const CANARIES: &[&str] = &[
    "grace.canary",
    "Grace Canary",
    "555 0199",
    "canary.png",
    "canary-",
    "192.0.2.99",
];

#[tokio::test]
async fn after_an_erasure_no_table_holds_a_value_of_the_person_and_the_proofs_still_hold() {
    let world = World::new().await;
    let grace = world.grace().await;
    let holding = world.holding("grace.canary").await;
    for column in [
        "users.email",
        "idempotency.answer",
        "import_rejects.value",
        "saved_filters.query",
    ] {
        assert!(
            holding.contains(&column.to_owned()),
            "the search finds what is there: {holding:?}"
        );
    }
    let hashes = "SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM audit_logs a";
    let before = world.test.texts(hashes).await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    assert!(
        erasure.due_at > erasure.created_at + Duration::days(1),
        "there is time to think again"
    );
    let audited_then = world.test.count("SELECT count(*) FROM audit_logs").await;
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Succeeded);
    for canary in CANARIES {
        assert_eq!(world.holding(canary).await, [] as [&str; 0], "{canary}");
    }
    let after = world.test.texts(format!("SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM (SELECT * FROM audit_logs ORDER BY id LIMIT {}) a", audited_then - 1)).await;
    assert_eq!(before, after, "no entry was touched");
    let kept = world
        .test
        .count(
            "SELECT count(*) FROM file_chunks c JOIN files f ON f.id = c.file_id WHERE f.name = 'others.csv'",
        )
        .await;
    assert_eq!(kept, 1, "files that name others only stay");
    let last = world
        .test
        .texts("SELECT action || ' ' || actor_id FROM audit_logs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(
        last,
        [format!("users.erase {}", world.owner.actor.user().unwrap())]
    );
    let query = crate::audit::search::Query {
        subject: Some(grace.id.0),
        ..Default::default()
    };
    let read = crate::audit::search::list(&world.test.store, &world.owner, &query)
        .await
        .unwrap();
    let created = read
        .items
        .iter()
        .find(|entry| entry.action == "users.create")
        .unwrap();
    assert_eq!(
        created.changes["email"]["after"],
        Value::Null,
        "nobody can open it any more"
    );
    let free: NewUser =
        serde_json::from_value(json!({"email": "grace.canary@example.com", "name": "Another"})).unwrap();
    service::create(&world.test.store, &world.owner, &free)
        .await
        .unwrap();
    let done = super::erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((done.state, done.reason.as_str()), (ErasureState::Done, ""));
}

#[tokio::test]
async fn an_address_is_barred_where_the_organization_says_so_and_only_as_a_hash() {
    let world = World::new().await;
    let grace = world.grace().await;
    world
        .test
        .sql(format!(
            "INSERT INTO organization_settings (organization_id, key, value) VALUES ('{}', 'personal_data', '{{\"bar_addresses\": true, \"cooling_days\": 0}}')",
            world.test.organization
        ))
        .await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    assert_eq!(erasure.due_at, erasure.created_at);
    world.work(erasure.job_id, false).await;
    assert_eq!(world.holding("grace.canary").await, [] as [&str; 0]);
    let barred: NewUser =
        serde_json::from_value(json!({"email": "Grace.Canary@example.com", "name": "Another"})).unwrap();
    let refused = service::create(&world.test.store, &world.owner, &barred)
        .await
        .unwrap_err();
    assert_eq!(&*refused.code, "user.email_erased");
}

#[tokio::test]
async fn an_erasure_is_for_who_may_reaches_over_them_and_has_proved_who_they_are_and_the_last_owner_stays() {
    let world = World::new().await;
    let owner = world.owner.actor.user().unwrap();
    assert_eq!(
        &*erase_later(&world.test.store, &world.owner, owner, "x")
            .await
            .unwrap_err()
            .code,
        "user.not_oneself"
    );
    let second = world.test.person().await;
    world.hold(second, "owner").await;
    let ctx = world.acting(second).await;
    let erasure = erase_later(&world.test.store, &ctx, owner, "Left").await.unwrap();
    let waiting = erase_later(&world.test.store, &ctx, owner, "Left")
        .await
        .unwrap_err();
    assert_eq!(&*waiting.code, "user.erasure_waiting");
    // by the time it is due, nobody else is an owner
    world
        .test
        .sql(format!(
            "UPDATE users SET status = 'suspended' WHERE id = '{second}'"
        ))
        .await;
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Failed);
    assert_eq!(
        world
            .test
            .count(&format!(
                "SELECT count(*) FROM users WHERE id = '{owner}' AND deleted_at IS NULL"
            ))
            .await,
        1
    );
    let admin = world.test.person().await;
    world.hold(admin, "admin").await;
    let admin = world.acting(admin).await;
    assert_eq!(
        &*erase_later(&world.test.store, &admin, owner, "x")
            .await
            .unwrap_err()
            .code,
        "permission.outranked"
    );
    let grace = world.grace().await;
    let mut stale = admin.clone();
    stale.authenticated_at = None;
    assert_eq!(
        &*erase_later(&world.test.store, &stale, grace.id, "x")
            .await
            .unwrap_err()
            .code,
        "auth.step_up_needed"
    );
    let manager = world.test.person().await;
    world.hold(manager, "manager").await;
    let manager = world.acting(manager).await;
    assert_eq!(
        &*erase_later(&world.test.store, &manager, grace.id, "x")
            .await
            .unwrap_err()
            .code,
        "permission.missing"
    );
}

#[tokio::test]
async fn while_it_waits_an_erasure_can_be_taken_back_and_nothing_was_touched() {
    let world = World::new().await;
    let grace = world.grace().await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    let run_at = world
        .test
        .count("SELECT count(*) FROM jobs WHERE queue = 'users.erase' AND run_at > now() + interval '1 day'")
        .await;
    assert_eq!(run_at, 1);
    let back = cancel_erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap();
    assert_eq!(back.state, ErasureState::Cancelled);
    assert!(world.claim(erasure.job_id).await.is_none());
    let again = cancel_erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap_err();
    assert_eq!(&*again.code, "user.no_erasure_waiting");
    assert!(
        world
            .holding("grace.canary")
            .await
            .contains(&"users.email".to_owned())
    );
}

#[tokio::test]
async fn an_erasure_cut_off_anywhere_goes_on_to_the_end() {
    let world = World::new().await;
    let grace = world.grace().await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    let (mut cut, mut wait) = (0, 10);
    while let Some(run) = world.claim(erasure.job_id).await {
        let work = run_erasure(&world.test.store, &run);
        if let Ok(outcome) = tokio::time::timeout(std::time::Duration::from_millis(wait), work).await {
            world.settle(&run, &outcome).await;
            continue;
        }
        (cut, wait) = (cut + 1, wait + 20);
        world
            .test
            .sql("UPDATE job_leases SET until = '-infinity'; UPDATE jobs SET crashes_in_a_row = 0")
            .await;
        testing::eventually("the lapsed run is taken over", async || {
            ledger::take_lapsed(&world.test.store).await.unwrap() == 1
        })
        .await;
    }
    assert!(cut >= 1, "the job was never cut off");
    for canary in CANARIES {
        assert_eq!(world.holding(canary).await, [] as [&str; 0], "{canary}");
    }
    let told = world
        .test
        .count("SELECT count(*) FROM audit_logs WHERE action = 'users.erase' AND details ? 'erasure_id'")
        .await;
    assert_eq!(told, 1, "once");
}
