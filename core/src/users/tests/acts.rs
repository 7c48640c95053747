//! What each act leaves behind.

use super::{World, new_user};
use crate::audit::search as audit;
use crate::kernel::ctx::Credential;
use crate::kernel::error::Kind;
use crate::kernel::id::{ApiKeyId, LinkedAccountId, SessionId};
use crate::kernel::permission::{PermissionSet, Reach, Resource, Rows, Subject};
use crate::users::{NewUser, UserChange, UserStatus, lines, service};
use serde_json::{Value, json};
use uuid::Uuid;

fn change(value: Value) -> UserChange {
    serde_json::from_value(value).unwrap()
}

/// Types of the outbox's events about `id`, in order, and what they add to counters.
async fn events(world: &World, id: crate::kernel::id::UserId) -> Vec<(String, Value)> {
    let mut tx = world.test.store.db.read(world.test.organization).await.unwrap();
    sqlx::query!(
        "SELECT type AS kind, counters FROM outbox WHERE subject_id = $1 ORDER BY seq",
        id.0
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap()
    .into_iter()
    .map(|row| (row.kind, row.counters))
    .collect()
}

async fn session(world: &World, user: crate::kernel::id::UserId) -> Uuid {
    let id = Uuid::now_v7();
    let mut tx = world.test.store.db.bookkeeping().await.unwrap();
    sqlx::query!(
        "INSERT INTO user_sessions (id, organization_id, user_id, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')",
        id,
        world.test.organization.0,
        user.0
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

async fn ended(world: &World, session: Uuid) -> Option<String> {
    let mut tx = world.test.store.db.read(world.test.organization).await.unwrap();
    sqlx::query_scalar!(
        "SELECT revoked_reason FROM user_sessions WHERE id = $1 AND revoked_at IS NOT NULL",
        session
    )
    .fetch_optional(&mut *tx)
    .await
    .unwrap()
    .flatten()
}

#[tokio::test]
async fn a_life_of_acts_is_told_in_order_and_each_that_bites_ends_the_sessions() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Owner").await;
    let user = service::create(store, &ctx, &new_user("Bob")).await.unwrap();
    let mut heard = Vec::new();
    let (send, hear) = std::sync::mpsc::channel();
    store
        .signals
        .on_revoked(move |revocation| send.send(revocation.clone()).unwrap());
    for reason in ["banned", "password_reset", "email_changed", "deleted"] {
        let open = session(&world, user.id).await;
        match reason {
            "banned" => {
                let banned = service::ban(store, &ctx, user.id, " spam ").await.unwrap();
                assert_eq!(banned.status, UserStatus::Banned);
                assert_eq!(banned.ban_reason.as_deref(), Some("spam"));
                assert!(banned.can.contains(&"users.unban".to_owned()));
                let again = service::ban(store, &ctx, user.id, "spam").await.unwrap_err();
                assert_eq!(again.code, "user.already_banned");
                service::unban(store, &ctx, user.id).await.unwrap();
            }
            "password_reset" => {
                let reset = service::reset_password(store, &ctx, user.id).await.unwrap();
                assert!(reset.one_time_password.len() > 20);
            }
            "email_changed" => {
                let moved = change(json!({"email": " Bob@Example.ORG "}));
                let moved = service::update(store, &ctx, user.id, None, &moved).await.unwrap();
                assert_eq!(moved.email.as_deref(), Some("bob@example.org"));
            }
            _ => service::delete(store, &ctx, user.id, None).await.unwrap(),
        }
        assert_eq!(ended(&world, open).await.as_deref(), Some(reason));
        let revocation = hear.try_recv().unwrap();
        assert_eq!(revocation.subject, user.id.0);
        heard.push(revocation.access_version.unwrap());
    }
    assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
    assert_eq!(
        service::get(store, &ctx, user.id).await.unwrap_err().kind,
        Kind::NotFound
    );
    assert_eq!(
        events(&world, user.id).await,
        [
            (
                "user.created".to_owned(),
                json!({"users_total": 1, "users_active": 1})
            ),
            (
                "user.banned".to_owned(),
                json!({"users_banned": 1, "users_active": -1, "sessions_active": -1})
            ),
            (
                "user.unbanned".to_owned(),
                json!({"users_banned": -1, "users_active": 1})
            ),
            ("user.password_reset".to_owned(), json!({"sessions_active": -1})),
            ("user.updated".to_owned(), json!({"sessions_active": -1})),
            (
                "user.deleted".to_owned(),
                json!({"users_total": -1, "users_active": -1, "sessions_active": -1})
            ),
        ]
    );
}

#[tokio::test]
async fn of_two_who_change_one_version_one_wins_and_the_other_gets_what_is_now() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Owner").await;
    let user = service::create(store, &ctx, &new_user("Bob")).await.unwrap();
    let (sales, legal) = (
        change(json!({"department": "Sales"})),
        change(json!({"department": "Legal"})),
    );
    let (one, two) = tokio::join!(
        service::update(store, &ctx, user.id, Some(1), &sales),
        service::update(store, &ctx, user.id, Some(1), &legal),
    );
    let (won, lost) = match (one, two) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("exactly one wins: {both:?}"),
    };
    assert_eq!(lost.kind, Kind::Stale);
    assert_eq!(lost.current.unwrap()["department"], json!(won.department));
    assert_eq!((won.version, won.can.len() > 1), (2, true));
    let stale = service::delete(store, &ctx, user.id, Some(1)).await.unwrap_err();
    assert_eq!(stale.kind, Kind::Stale);
    service::delete(store, &ctx, user.id, Some(2)).await.unwrap();
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let world = World::new().await;
    let (_, ctx) = world.person("owner", "Owner").await;
    let user = service::create(&world.test.store, &ctx, &new_user("Bob"))
        .await
        .unwrap();
    let same = change(json!({"name": " Bob ", "department": ""}));
    let after = service::update(&world.test.store, &ctx, user.id, None, &same)
        .await
        .unwrap();
    assert_eq!(after.version, 1);
    assert_eq!(events(&world, user.id).await.len(), 1);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once_and_nothing_is_written() {
    let world = World::new().await;
    let (_, ctx) = world.person("owner", "Owner").await;
    let new: NewUser = serde_json::from_value(json!({
        "email": "nobody", "name": " ", "password": "short", "phone": "1\u{7}", "department": "x".repeat(201),
        "profile_image": "ftp://x", "employment_equity": [], "metadata": {"a": "\u{0}"},
    }))
    .unwrap();
    let error = service::create(&world.test.store, &ctx, &new).await.unwrap_err();
    let fields: std::collections::BTreeSet<&str> = error.errors.iter().map(|it| it.field.as_str()).collect();
    let all = [
        "email",
        "name",
        "password",
        "phone",
        "department",
        "profile_image",
        "employment_equity",
        "metadata",
    ];
    assert_eq!(fields, all.into_iter().collect());
    let unknown = NewUser {
        roles: vec![crate::kernel::id::RoleId::new()],
        ..new_user("Bob")
    };
    let error = service::create(&world.test.store, &ctx, &unknown)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.errors[0].field.as_str()),
        (Kind::Invalid, "roles")
    );
    for bad in [
        json!({"nickname": "x"}),
        json!({"name": 1}),
        json!({"status": "banned"}),
    ] {
        assert!(
            serde_json::from_value::<UserChange>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn an_address_belongs_to_one_person_also_when_two_ask_for_it_at_once_and_after_a_deletion() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Owner").await;
    let upper = NewUser {
        email: " BOB@example.com".to_owned(),
        ..new_user("Bob")
    };
    let bob = new_user("Bob");
    let (one, two) = tokio::join!(
        service::create(store, &ctx, &bob),
        service::create(store, &ctx, &upper)
    );
    let (bob, taken) = match (one, two) {
        (Ok(bob), Err(taken)) | (Err(taken), Ok(bob)) => (bob, taken),
        both => panic!("one address, one person: {both:?}"),
    };
    assert_eq!(
        (taken.kind, taken.code.as_ref(), taken.errors[0].field.as_str()),
        (Kind::Conflict, "user.email_taken", "email")
    );
    service::delete(store, &ctx, bob.id, None).await.unwrap();
    let again = service::create(store, &ctx, &new_user("Bob")).await.unwrap_err();
    assert_eq!(again.code, "user.email_taken");
}

#[tokio::test]
async fn the_audit_list_names_people_and_hides_what_the_viewer_may_not_see() {
    let world = World::new().await;
    let store = &world.test.store;
    let (owner, as_owner) = world.person("owner", "Olga Owner").await;
    let (_, as_viewer) = world.person("viewer", "Vera Viewer").await;
    let bob = service::create(store, &as_owner, &new_user("Bob")).await.unwrap();
    let moved = change(json!({"email": "moved@example.org", "name": "Robert"}));
    service::update(store, &as_owner, bob.id, None, &moved)
        .await
        .unwrap();
    let query = audit::Query {
        subject: Some(bob.id.0),
        ..audit::Query::default()
    };
    let full = audit::list(store, &as_owner, &query).await.unwrap();
    assert_eq!(full.items.len(), 2);
    let entry = &full.items[0];
    assert_eq!(entry.action, "users.update");
    assert_eq!(entry.actor.name.as_deref(), Some("Olga Owner"));
    assert_eq!(entry.subject.label.as_deref(), Some("Robert"));
    assert_eq!(
        entry.changes["email"],
        json!({"before": "bob@example.com", "after": "moved@example.org"})
    );
    let masked = audit::list(store, &as_viewer, &query).await.unwrap();
    let text = serde_json::to_string(&masked).unwrap();
    assert!(!text.contains("example.") && text.contains("Robert"), "{text}");
    assert_eq!(masked.items[0].masked, ["email"]);
    let one = audit::Query {
        limit: Some(1),
        actor: Some(owner.id.0),
        action: Some("users.create".to_owned()),
        ..audit::Query::default()
    };
    let first = audit::list(store, &as_owner, &one).await.unwrap();
    assert_eq!((first.items.len(), first.next_cursor), (1, None));
    let (_, none) = world.person("user", "Nora Nobody").await;
    assert_eq!(
        audit::list(store, &none, &query).await.unwrap_err().kind,
        Kind::Forbidden
    );
}

#[tokio::test]
async fn audit_pages_join_without_a_gap_while_entries_are_added() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, ctx) = world.person("owner", "Owner").await;
    let user = service::create(store, &ctx, &new_user("Bob")).await.unwrap();
    for n in 0..6 {
        let next = change(json!({"department": format!("D{n}")}));
        service::update(store, &ctx, user.id, None, &next).await.unwrap();
    }
    let mut query = audit::Query {
        subject: Some(user.id.0),
        limit: Some(2),
        ..audit::Query::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = audit::list(store, &ctx, &query).await.unwrap();
        seen.extend(
            page.items
                .iter()
                .map(|item| item.changes["department"]["after"].clone()),
        );
        let later = change(json!({"phone": format!("{}", seen.len())}));
        service::update(store, &ctx, user.id, None, &later).await.unwrap();
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..6)
        .rev()
        .map(|n| json!(format!("D{n}")))
        .chain([Value::Null])
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_no_longer_counts_of_a_persons_sessions_never_counts_again() {
    let world = World::new().await;
    let (_, ctx) = world.person("owner", "Olga Owner").await;
    let (bob, _) = world.person("user", "Bob").await;
    // by a node whose clock is ahead, or by a change that began later and ended sooner
    let later = "SELECT count(*) FROM users WHERE sessions_not_before = '2999-01-01'";
    world
        .test
        .sql(format!(
            "UPDATE users SET sessions_not_before = '2999-01-01' WHERE id = '{}'",
            bob.id
        ))
        .await;
    service::ban(&world.test.store, &ctx, bob.id, "spam")
        .await
        .unwrap();
    assert_eq!(world.test.count(later).await, 1);
}

#[tokio::test]
async fn a_persons_activity_is_what_they_did_and_what_was_done_to_them_and_nothing_of_others() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, as_owner) = world.person("owner", "Olga Owner").await;
    let (mia, as_mia) = world.person("moderator", "Mia Moderator").await;
    let (bob, _) = world.person("user", "Bob").await;
    service::ban(store, &as_mia, bob.id, "spam").await.unwrap();
    service::reset_password(store, &as_owner, bob.id).await.unwrap();
    let mut cursor = None;
    let mut acts = Vec::new();
    loop {
        let page = lines::of(store, &as_owner, mia.id, Some(1), cursor.as_deref())
            .await
            .unwrap();
        acts.extend(
            page.items
                .into_iter()
                .map(|item| (item.action, item.actor.name, item.subject.label)),
        );
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(
        acts,
        [
            ("users.ban".to_owned(), named("Mia Moderator"), named("Bob")),
            ("users.create".to_owned(), named("test"), named("Mia Moderator")),
        ]
    );
    let all = lines::of_all(store, &as_owner, None, None).await.unwrap();
    assert_eq!(all.items.len(), 5);
    assert_eq!(all.items[0].action, "users.reset_password");
}

#[tokio::test]
async fn a_program_chooses_nobodys_password_and_adds_people_without_one() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, mut ctx) = world.person("owner", "Olga Owner").await;
    let with = NewUser {
        password: Some("plum tractor voyage".into()),
        ..new_user("Newcomer")
    };
    for credential in [
        Credential::ApiKey(ApiKeyId::new()),
        Credential::External(LinkedAccountId::new()),
    ] {
        ctx.credential = credential;
        let refused = service::create(store, &ctx, &with).await.unwrap_err();
        assert_eq!(
            (refused.kind, &*refused.code),
            (Kind::Forbidden, "auth.session_required")
        );
    }
    service::create(store, &ctx, &new_user("Newcomer")).await.unwrap();
    ctx.credential = Credential::Session(SessionId::new());
    let another = NewUser {
        email: "another@example.com".to_owned(),
        ..with
    };
    service::create(store, &ctx, &another).await.unwrap();
}

#[tokio::test]
async fn the_activity_of_all_names_nobody_whom_the_viewer_may_not_see() {
    let world = World::new().await;
    let store = &world.test.store;
    let (olga, as_owner) = world.person("owner", "Olga Owner").await;
    let (bob, _) = world.person("user", "Bob").await;
    service::ban(store, &as_owner, bob.id, "spam").await.unwrap();
    let mut viewer = world.acting(olga.id).await;
    viewer.actor = crate::kernel::ctx::Actor::User(crate::kernel::id::UserId::new());
    viewer.permissions = ["overview:read"].into_iter().collect();
    let seen = lines::of_all(store, &viewer, None, None).await.unwrap();
    assert!(seen.items.iter().any(|line| line.action == "users.ban"));
    let told = serde_json::to_string(&seen).unwrap();
    for hidden in ["Olga", "Bob", &olga.id.to_string(), &bob.id.to_string()] {
        assert!(!told.contains(hidden), "{hidden} in {told}");
    }
    // whom they may see is named
    viewer.permissions = PermissionSet::of(
        Subject {
            organization: world.test.organization,
            user: olga.id,
            teams: Vec::new(),
        },
        [
            ("overview:read".to_owned(), everywhere()),
            ("users:read".to_owned(), on(bob.id)),
        ]
        .into(),
    );
    let told = serde_json::to_string(&lines::of_all(store, &viewer, None, None).await.unwrap()).unwrap();
    assert!(told.contains("Bob") && !told.contains("Olga"), "{told}");
}

fn everywhere() -> Reach {
    let rows = Rows {
        everywhere: true,
        ..Rows::default()
    };
    Reach::of(rows).unwrap()
}

/// This one person.
fn on(id: crate::kernel::id::UserId) -> Reach {
    let row = Resource {
        kind: "user".to_owned(),
        id: id.0,
    };
    let rows = Rows {
        single: [row].into(),
        ..Rows::default()
    };
    Reach::of(rows).unwrap()
}

#[tokio::test]
async fn roles_and_permissions_of_somebody_who_changed_meanwhile_stay_as_they_are() {
    let world = World::new().await;
    let store = &world.test.store;
    let (_, owner) = world.person("owner", "Olga Owner").await;
    let (bob, _) = world.person("user", "Bob").await;
    let roles = [world.roles["viewer"]];
    let seen = crate::roles::of_user(store, &owner, bob.id).await.unwrap();
    assert_eq!(seen.version, bob.version);
    let after = crate::roles::assign(store, &owner, bob.id, Some(seen.version), &roles)
        .await
        .unwrap();
    assert!(after.version > seen.version);
    let direct =
        serde_json::from_value(json!({"statements": [{"permission": "jobs:read", "effect": "grant"}]}))
            .unwrap();
    let refused = [
        crate::roles::assign(store, &owner, bob.id, Some(seen.version), &[])
            .await
            .err(),
        crate::roles::set_of_user(store, &owner, bob.id, Some(seen.version), &direct)
            .await
            .err(),
    ];
    for refused in refused {
        let refused = refused.unwrap();
        assert_eq!((refused.kind, &*refused.code), (Kind::Stale, "user.stale"));
        assert_eq!(refused.current.unwrap()["version"], after.version);
    }
    let set = crate::roles::set_of_user(store, &owner, bob.id, Some(after.version), &direct)
        .await
        .unwrap();
    let now = service::get(store, &owner, bob.id).await.unwrap().user;
    assert_eq!((set.version, now.roles.len()), (now.version, 1));
}
