//! The list: every row once, and only rows that one may find.

use super::{World, new_user};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Kind;
use crate::kernel::id::UserId;
use crate::users::search::{Query, Sort, Total};
use crate::users::{UserItem, UserStatus, service};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeSet;

pub(super) const SORTS: [Sort; 8] = [
    Sort::CreatedAt,
    Sort::CreatedAtFalling,
    Sort::Name,
    Sort::NameFalling,
    Sort::Email,
    Sort::EmailFalling,
    Sort::LastLoginAt,
    Sort::LastLoginAtFalling,
];

/// One person: name (few, so that many are alike), minutes since some day (few too), whether they ever signed in.
type Person = (usize, i32, bool);

const NAMES: [&str; 6] = ["Ada", "ada", "Ångström", "Zoe", "Bo_b", "Bo%b"];

async fn insert(world: &World, people: &[Person]) -> BTreeSet<UserId> {
    let mut tx = world.test.store.db.bookkeeping().await.unwrap();
    let mut ids = BTreeSet::new();
    for (name, minutes, signed_in) in people {
        let id = UserId::new();
        sqlx::query(
            "INSERT INTO users (id, organization_id, email, name, created_at, last_login_at, department)
             VALUES ($1, $2, $3, $4, timestamptz '2025-01-01' + make_interval(mins => $5),
                     CASE WHEN $6 THEN timestamptz '2025-06-01' + make_interval(mins => $5) END, $7)",
        )
        .bind(id)
        .bind(world.test.organization)
        .bind(format!(
            "{}.{id}@mail.example",
            ["x", "Y", "z"][*name % 3].to_lowercase()
        ))
        .bind(NAMES[*name])
        .bind(minutes)
        .bind(signed_in)
        .bind((name % 2 == 0).then_some("Operations"))
        .execute(&mut *tx)
        .await
        .unwrap();
        ids.insert(id);
    }
    tx.commit().await.unwrap();
    ids
}

async fn clear(world: &World) {
    let mut tx = world.test.store.db.bookkeeping().await.unwrap();
    sqlx::query("DELETE FROM users").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// Walks all pages, letting `between` happen after each.
async fn walk(world: &World, ctx: &Ctx, mut query: Query, mut between: impl AsyncFnMut()) -> Vec<UserItem> {
    let mut seen = Vec::new();
    loop {
        let page = service::list(&world.test.store, ctx, &query).await.unwrap();
        assert!(page.items.len() <= query.limit.unwrap_or(50) as usize);
        seen.extend(page.items);
        between().await;
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return seen,
        }
    }
}

#[test]
fn walking_the_pages_under_every_sort_meets_each_row_once_while_rows_are_added() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let ctx = runtime.block_on(world.hub());
    let person = || (0..NAMES.len(), 0..4, any::<bool>());
    let case = (
        prop::collection::vec(person(), 0..14),
        prop::collection::vec(person(), 1..4),
        1..5_u32,
        prop::option::of(prop::sample::select(vec!["ada", "o", "operations", "mail"])),
    );
    let mut runner = TestRunner::new(Config::with_cases(12));
    runner
        .run(&case, |(people, newcomers, limit, q)| {
            for sort in SORTS {
                runtime.block_on(async {
                    clear(&world).await;
                    let there = insert(&world, &people).await;
                    let query = Query {
                        q: q.map(str::to_owned),
                        sort,
                        limit: Some(limit),
                        ..Query::default()
                    };
                    let expected: BTreeSet<UserId> = if q.is_none() {
                        there.clone()
                    } else {
                        let whole = Query {
                            limit: Some(1000),
                            ..query.clone()
                        };
                        walk(&world, &ctx, whole, async || {})
                            .await
                            .iter()
                            .map(|item| item.id)
                            .collect()
                    };
                    let mut once = true;
                    let seen = walk(&world, &ctx, query, async || {
                        if std::mem::take(&mut once) {
                            insert(&world, &newcomers).await;
                        }
                    })
                    .await;
                    let ids: Vec<UserId> = seen.iter().map(|item| item.id).collect();
                    let distinct: BTreeSet<UserId> = ids.iter().copied().collect();
                    assert_eq!(distinct.len(), ids.len(), "{sort:?}: a row came twice");
                    let old: BTreeSet<UserId> = distinct.intersection(&there).copied().collect();
                    assert_eq!(old, expected, "{sort:?}: a row was lost");
                    assert_sorted(sort, &seen);
                });
            }
            Ok(())
        })
        .unwrap();
}

fn assert_sorted(sort: Sort, items: &[UserItem]) {
    let name = |item: &UserItem| item.name.to_lowercase();
    let login = |item: &UserItem| item.last_login_at;
    let sorted = match sort {
        Sort::CreatedAt => items.is_sorted_by_key(|item| (item.created_at, item.id)),
        Sort::CreatedAtFalling => items
            .iter()
            .rev()
            .is_sorted_by_key(|item| (item.created_at, item.id)),
        Sort::Name => items.is_sorted_by_key(|item| (name(item), item.id)),
        Sort::NameFalling => items.iter().rev().is_sorted_by_key(|item| (name(item), item.id)),
        Sort::Email => items.is_sorted_by_key(|item| item.email.clone()),
        Sort::EmailFalling => items.iter().rev().is_sorted_by_key(|item| item.email.clone()),
        // nobody comes before anybody
        Sort::LastLoginAt => items.is_sorted_by_key(|item| (login(item), item.id)),
        Sort::LastLoginAtFalling => items.iter().rev().is_sorted_by_key(|item| (login(item), item.id)),
    };
    assert!(sorted, "{sort:?}");
}

#[tokio::test]
async fn a_search_finds_what_a_plain_look_through_all_finds_and_never_by_a_hidden_address() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut blind = hub.clone();
    blind.permissions = hub
        .permissions
        .iter()
        .filter(|name| *name != "users:read_pii")
        .collect();
    let people: Vec<Person> = (0..60).map(|n| (n % NAMES.len(), n as i32, n % 3 == 0)).collect();
    insert(&world, &people).await;
    let all = walk(&world, &hub, Query::default(), async || {}).await;
    assert_eq!(all.len(), 60);
    for q in [
        "ada", "ÅNG", "mail.ex", "oper", "o_b", "o%b", "a", "o", "x.", "zo", "op", "  Zoe ", "b_", "nothing",
        "\\",
    ] {
        for (ctx, sees) in [(&hub, true), (&blind, false)] {
            let query = Query {
                q: Some(q.to_owned()),
                limit: Some(7),
                ..Query::default()
            };
            let found = walk(&world, ctx, query, async || {}).await;
            let found: BTreeSet<UserId> = found.iter().map(|item| item.id).collect();
            let expected: BTreeSet<UserId> = all
                .iter()
                .filter(|item| matches(item, q, sees))
                .map(|item| item.id)
                .collect();
            assert_eq!(found, expected, "{q:?}, address visible: {sees}");
        }
    }
    let sorted = Query {
        sort: Sort::Email,
        ..Query::default()
    };
    let refused = service::list(&world.test.store, &blind, &sorted)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind, refused.errors[0].field.as_str()),
        (Kind::Invalid, "sort")
    );
    let masked = service::list(&world.test.store, &blind, &Query::default())
        .await
        .unwrap();
    assert!(!serde_json::to_string(&masked).unwrap().contains("mail.example"));
    assert!(
        masked
            .items
            .iter()
            .all(|item| item.masked == ["email", "phone", "employment_equity"])
    );
}

fn matches(item: &UserItem, q: &str, sees_email: bool) -> bool {
    let q = q.trim().to_lowercase();
    let (name, department) = (
        item.name.to_lowercase(),
        item.department.clone().unwrap_or_default().to_lowercase(),
    );
    let mut fields = vec![name, department];
    if sees_email {
        fields.extend(item.email.clone());
    }
    if q.chars().count() < 3 {
        fields.iter().any(|field| field.starts_with(&q))
    } else {
        fields.iter().any(|field| field.contains(&q))
    }
}

#[tokio::test]
async fn the_total_says_how_many_of_it_the_events_behind_its_position_will_tell_again() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Olga").await;
    let ordered = async || {
        let mut tx = store.db.bookkeeping().await.unwrap();
        sqlx::query("UPDATE outbox SET ordered_at = now() WHERE ordered_at IS NULL")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    let total = async |query: Query| service::list(store, &ctx, &query).await.unwrap().total;
    let one = Query {
        limit: Some(1),
        ..Query::default()
    };
    ordered().await;
    let before = total(one.clone()).await;
    service::create(store, &ctx, &new_user("Bob")).await.unwrap();
    service::create(store, &ctx, &new_user("Eve")).await.unwrap();
    let after = total(one.clone()).await;
    assert_eq!((before.ahead, after.ahead, after.value - before.value), (0, 2, 2));
    assert_eq!(total(Query::default()).await, after, "a page that holds them all");
    let filtered = Query {
        status: Some(UserStatus::Active),
        ..one.clone()
    };
    assert_eq!(total(filtered).await.ahead, 0);
    ordered().await;
    assert_eq!(total(one).await, Total { ahead: 0, ..after });
}

#[tokio::test]
async fn filters_narrow_the_list_and_the_total_counts_what_is_left() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Olga").await;
    let (bob, _) = world.person("user", "Bob").await;
    insert(&world, &(0..9).map(|n| (n % 6, 0, false)).collect::<Vec<_>>()).await;
    service::ban(store, &ctx, bob.id, "spam").await.unwrap();
    let list = async |query: Query| service::list(store, &ctx, &query).await.unwrap();
    let banned = list(Query {
        status: Some(UserStatus::Banned),
        ..Query::default()
    })
    .await;
    assert_eq!(
        (banned.items.len(), banned.items[0].id, banned.total.value),
        (1, bob.id, 1)
    );
    let held = list(Query {
        role: Some(world.roles["owner"]),
        ..Query::default()
    })
    .await;
    assert_eq!(
        held.items
            .iter()
            .map(|item| item.name.as_str())
            .collect::<Vec<_>>(),
        ["Olga"]
    );
    let one = Query {
        department: Some("OPERATIONS".to_owned()),
        limit: Some(1),
        ..Query::default()
    };
    let department = list(one.clone()).await;
    assert_eq!(
        (
            department.items.len(),
            department.total.value,
            department.total.estimate
        ),
        (1, 5, false)
    );
    let elsewhere = Query {
        department: None,
        cursor: department.next_cursor,
        ..one
    };
    let refused = service::list(store, &ctx, &elsewhere).await.unwrap_err();
    assert_eq!(refused.errors[0].field, "cursor");
    for bad in [
        Query {
            limit: Some(0),
            ..Query::default()
        },
        Query {
            limit: Some(1001),
            ..Query::default()
        },
        Query {
            q: Some("a\0b".to_owned()),
            ..Query::default()
        },
        Query {
            q: Some("x".repeat(201)),
            ..Query::default()
        },
        Query {
            cursor: Some("%%%".to_owned()),
            ..Query::default()
        },
        Query {
            department: Some("\0".to_owned()),
            ..Query::default()
        },
    ] {
        assert_eq!(
            service::list(store, &ctx, &bad).await.unwrap_err().kind,
            Kind::Invalid,
            "{bad:?}"
        );
    }
}
