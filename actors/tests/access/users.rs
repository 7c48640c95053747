use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::Value;
use signalbox_actors::session_keeper::Options;
use signalbox_actors::user_cache::{Seen, UserCache};
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::id::UserId;
use signalbox_core::testing::{self, TestStore};
use signalbox_core::users::{UserChange, service};

use crate::stage::*;

/// Somebody who holds `permissions` on everything.
fn holding(test: &TestStore, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

fn json(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

/// A node that hears others, and its cache.
async fn node(test: &TestStore, options: Options) -> (Node, UserCache) {
    let node = Node::on(test, options).await;
    let cache = UserCache::start(&node.store, &node.keeper);
    (node, cache)
}

async fn until_current(node: &Node) {
    until("the node hears", || node.keeper.is_current()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_served_from_memory_to_each_viewer_as_they_may_see_it() {
    let test = test().await;
    let (node, cache) = node(&test, Options::default()).await;
    until_current(&node).await;
    let user = test.person().await;
    let (some, all) = (
        holding(&test, &["users:read"]),
        holding(&test, &["users:read", "users:read_pii", "users:ban"]),
    );
    cache.get(&some, user).await.unwrap();
    let _nobody_reads = test.lock("users").await;
    let soon = |ctx| tokio::time::timeout(Duration::from_secs(5), cache.get(ctx, user));
    for _ in 0..2 {
        let (less, more) = (
            soon(&some).await.unwrap().unwrap(),
            soon(&all).await.unwrap().unwrap(),
        );
        assert_eq!(json(&less)["email"], Value::Null);
        assert_eq!(json(&less)["can"], serde_json::json!([]));
        assert!(
            json(&more)["email"]
                .as_str()
                .is_some_and(|email| email.contains('@'))
        );
        assert_eq!(json(&more)["can"], serde_json::json!(["users.ban"]));
        assert_ne!(
            json(&less)["epoch"],
            json(&more)["epoch"],
            "each is told the place in its own way"
        );
    }
    let nothing = soon(&holding(&test, &["jobs:read"])).await.unwrap().unwrap_err();
    assert_eq!(nothing.code, "permission.missing");
    let mut elsewhere = some.clone();
    elsewhere.organization = signalbox_core::kernel::id::OrganizationId::new();
    tokio::select! {
        strange = cache.get(&elsewhere, user) => {
            panic!("another organization's viewer is answered from memory: {strange:?}")
        }
        () = until_blocked(&test, 1) => {}
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_a_version_older_than_one_they_or_this_nodes_writer_have_seen() {
    let test = test().await;
    let (node, cache) = node(&test, Options::default()).await;
    until_current(&node).await;
    let user = test.person().await;
    let committed = Arc::new(AtomicI64::new(1));
    let reader = |n: usize| {
        let (cache, store, committed) = (cache.clone(), node.store.clone(), Arc::clone(&committed));
        let ctx = holding(&test, &["users:read"]);
        async move {
            let (mut last, mut reads) = (0, 0);
            while committed.load(SeqCst) < 300 {
                let floor = committed.load(SeqCst).max(last);
                reads += 1;
                last = if (n + reads).is_multiple_of(5) {
                    service::get(&store, &ctx, user).await.unwrap().user.version
                } else {
                    cache.get(&ctx, user).await.unwrap().version
                };
                assert!(last >= floor, "{last} after {floor}");
                tokio::task::yield_now().await;
            }
        }
    };
    let readers: Vec<_> = (0..6).map(|n| tokio::spawn(reader(n))).collect();
    let ctx = holding(&test, &["users:read", "users:update"]);
    for n in 2..=300 {
        let change = UserChange {
            name: Some(Some(format!("Person {n}"))),
            ..UserChange::default()
        };
        let item = service::update(&node.store, &ctx, user, None, &change)
            .await
            .unwrap();
        assert_eq!(item.version, n);
        committed.store(n, SeqCst);
        let own = cache.get(&ctx, user).await.unwrap();
        assert_eq!(own.version, n, "one's own write");
    }
    for reader in readers {
        reader.await.unwrap();
    }
    node.end().await;
}

/// Statements as another node makes them, with what then stands in the row.
fn writes(test: &TestStore, user: UserId) -> [(&'static str, String, &'static str); 6] {
    let organization = test.organization;
    let role = "(SELECT id FROM roles WHERE name = 'auditor' OR name = 'Auditor of books' LIMIT 1)";
    [
        ("department", format!("UPDATE users SET department = 'Books', version = version + 1 WHERE id = '{user}'"), "\"Books\""),
        ("last_login_at", format!("UPDATE users SET last_login_at = '2026-01-01' WHERE id = '{user}'"), "2026-01-01T"),
        (
            "roles",
            format!("INSERT INTO roles (id, organization_id, name) VALUES (gen_random_uuid(), '{organization}', 'auditor');
                     INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{user}', {role})"),
            "\"auditor\"",
        ),
        ("a role's name", "UPDATE roles SET name = 'Auditor of books' WHERE name = 'auditor'".to_owned(), "Auditor of books"),
        ("roles, gone", format!("DELETE FROM user_roles WHERE user_id = '{user}'"), "\"roles\":[]"),
        (
            "teams",
            format!("INSERT INTO teams (id, organization_id, name) VALUES (gen_random_uuid(), '{organization}', 'Team');
                     INSERT INTO team_members (organization_id, team_id, user_id, role)
                     SELECT '{organization}', id, '{user}', 'lead' FROM teams"),
            "\"role\":\"lead\"",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_another_node_writes_of_a_row_is_seen_though_no_message_comes() {
    let test = test().await;
    let (node, cache) = node(&test, Options::default()).await;
    until_current(&node).await;
    let user = test.person().await;
    let ctx = holding(&test, &["users:read"]);
    for (what, sql, then) in writes(&test, user) {
        cache.get(&ctx, user).await.unwrap();
        test.sql(sql).await;
        testing::eventually(what, async || {
            let seen = cache.get(&ctx, user).await.unwrap();
            String::from_utf8_lossy(&seen.body).contains(then)
        })
        .await;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_hear_the_others_asks_the_database_each_time() {
    let test = test().await;
    let deaf = Options {
        trust: Duration::ZERO,
        ..Options::default()
    };
    let (node, cache) = node(&test, deaf).await;
    let user = test.person().await;
    let ctx = holding(&test, &["users:read"]);
    for (_, sql, then) in writes(&test, user) {
        cache.get(&ctx, user).await.unwrap();
        test.sql(sql).await;
        let seen = cache.get(&ctx, user).await.unwrap();
        assert!(String::from_utf8_lossy(&seen.body).contains(then), "{then}");
    }
    node.end().await;
}
