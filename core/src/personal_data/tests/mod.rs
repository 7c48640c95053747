mod close;
mod erasure;
mod export;

use super::held::{Erase, HELD, LEFT_OUT};
use super::*;
use crate::api_keys::{self, NewApiKey};
use crate::bulk;
use crate::connections::{self, Connection};
use crate::files::Upload;
use crate::jobs::JobState;
use crate::kernel::ctx::Ctx;
use crate::kernel::id::{ApiKeyId, JobId, UserId};
use crate::sessions::{self, NotBefore, Whose};
use crate::testing::{self, TestStore};
use crate::users::{NewUser, UserItem, service};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An organization with an owner, who asks.
struct World {
    test: TestStore,
    owner: Ctx,
}

impl World {
    async fn new() -> Self {
        let test = testing::store().await;
        let owner = test.with_owner().await;
        Self {
            owner: test.acting(owner).await,
            test,
        }
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
        self.said_of(user.id).await;
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

    /// Reasons that are given about them, one way and another.
    async fn said_of(&self, user: UserId) {
        let store = &self.test.store;
        for (action, reason) in [("suspend", Some("canary-bulk")), ("reinstate", None)] {
            let new = json!({"action": action, "reason": reason, "ids": [user]});
            let new = serde_json::from_value(new).unwrap();
            let done = bulk::start(store, &self.owner, &new).await.unwrap();
            assert_eq!(done.done, 1);
        }
        let wanted = NotBefore {
            not_before: None,
            reason: Some("canary-sessions".to_owned()),
        };
        sessions::end_all(store, &self.owner, Whose::Person(user), &wanted)
            .await
            .unwrap();
        let key = ApiKeyId::new();
        self.test
            .sql(format!(
                "INSERT INTO api_keys (id, organization_id, name, owner_id, hint, hash, scopes)
                 VALUES ('{key}', '{}', 'canary-revoked-key', '{user}', 'sbx', 'revoked', '{{users:read}}')",
                self.test.organization
            ))
            .await;
        let called = serde_json::from_value(json!({"name": "canary-renamed-key"})).unwrap();
        api_keys::update(store, &self.owner, key, None, &called)
            .await
            .unwrap();
        api_keys::revoke(store, &self.owner, key, "canary-revoked")
            .await
            .unwrap();
        let connection = Connection {
            client: "c".to_owned(),
            organization: self.test.organization,
            user: user.to_string(),
        };
        connections::disconnect(store, &self.owner, &connection, "canary-disconnected", false)
            .await
            .unwrap();
        self.made_a_key(user).await;
    }

    /// A key that they made themselves, which comes to its end.
    async fn made_a_key(&self, user: UserId) {
        let mut ctx = self.test.acting(user).await;
        ctx.permissions = ["api_keys:manage", "users:read"].into_iter().collect();
        let end = self.test.store.clock.now() + time::Duration::days(3);
        let new: NewApiKey = serde_json::from_value(json!({
            "name": "canary-own-key", "scopes": ["users:read"],
            "expires_at": end.format(&time::format_description::well_known::Rfc3339).unwrap()}))
        .unwrap();
        api_keys::create(&self.test.store, &ctx, "live", &new)
            .await
            .unwrap();
        assert!(api_keys::tend(&self.test.store).await.unwrap());
    }

    async fn work(&self, job: JobId, export: bool) -> JobState {
        let run = self.test.worker().claim(job).await.unwrap();
        let outcome = if export {
            run_export(&self.test.store, &run).await
        } else {
            run_erasure(&self.test.store, &run).await
        };
        self.test.worker().settle(&run, &outcome).await
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
             WHERE c.table_schema = 'public' AND (r.relkind IN ('r', 'p') OR r.relname = 'held_roles') AND NOT r.relispartition AND c.data_type = 'uuid'
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
