use super::place::Places;
use super::standing::{Refused, read};
use super::*;
use crate::Store;
use crate::bus::control::RevocationKind;
use crate::kernel::clock::Clock;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::id::{RoleId, SessionId, UserId};
use crate::organizations::update_settings;
use crate::testing::{self, TestStore};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A store whose time is the test's, a minute after all that was there before.
async fn stage() -> (TestStore, Store) {
    let test = testing::store().await;
    let mut store = test.store.clone();
    store.clock = Clock::manual(test.store.clock.now() + Duration::minutes(1));
    (test, store)
}

/// Somebody with a session, who may do `permissions`.
async fn caller(test: &TestStore, permissions: &[&str]) -> Ctx {
    let user = test.person().await;
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(test.session(user).await);
    ctx.authenticated_at = Some(test.store.clock.now());
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

async fn good(store: &Store, session: SessionId, user: UserId) -> bool {
    read(&store.db, session, user).await.unwrap().is_ok()
}

fn mine(ctx: &Ctx) -> SessionId {
    match ctx.credential {
        Credential::Session(session) => session,
        _ => panic!("no session"),
    }
}

async fn grant(test: &TestStore, user: UserId, permission: &str) {
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{user}', '{permission}')",
        test.organization
    ))
    .await;
}

#[tokio::test]
async fn all_of_a_persons_sessions_end_in_one_act_and_none_from_before_ever_counts_again() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &["sessions:revoke"]).await;
    let person = test.person().await;
    let sessions = [test.session(person).await, test.session(person).await];
    let ended = end_all(&store, &ctx, Whose::Person(person), &NotBefore::default())
        .await
        .unwrap();
    assert_eq!((ended.sessions, ended.people), (2, 1));
    for session in sessions {
        assert!(!good(&store, session, person).await);
    }
    assert!(
        good(&store, mine(&ctx), ctx.actor.user().unwrap()).await,
        "nobody else's"
    );
    // one that another node was writing at that moment began before, and is over although its row is open
    let late = test.session(person).await;
    assert!(!good(&store, late, person).await);
    assert!(
        list(
            &store,
            &caller(&test, &["sessions:read"]).await,
            &Places::default(),
            person
        )
        .await
        .unwrap()
        .is_empty()
    );
    let acts = test.texts("SELECT action FROM audit_logs").await;
    assert_eq!(acts, ["sessions.revoke_of_user"], "one act");
    let counted = "SELECT coalesce(sum((counters ->> 'sessions_active')::bigint), 0)::bigint FROM outbox";
    assert_eq!(test.count(counted).await, -2);
}

#[tokio::test]
async fn an_instant_in_the_past_spares_what_began_after_it_and_one_in_the_future_is_refused() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &["sessions:revoke"]).await;
    let person = test.person().await;
    let (old, new) = (test.session(person).await, test.session(person).await);
    test.sql(format!(
        "UPDATE user_sessions SET created_at = now() - interval '2 hours' WHERE id = '{old}'"
    ))
    .await;
    let wanted = |at| NotBefore {
        not_before: Some(at),
        reason: Some(" a laptop was lost ".to_owned()),
    };
    let now = store.clock.now();
    let hour_ago = now - Duration::hours(1);
    let ended = end_all(&store, &ctx, Whose::Person(person), &wanted(hour_ago))
        .await
        .unwrap();
    assert_eq!(ended.sessions, 1);
    assert!(!good(&store, old, person).await && good(&store, new, person).await);
    // it never moves back
    end_all(
        &store,
        &ctx,
        Whose::Person(person),
        &wanted(now - Duration::days(1)),
    )
    .await
    .unwrap();
    test.sql(format!(
        "UPDATE user_sessions SET revoked_at = NULL WHERE id = '{old}'"
    ))
    .await;
    assert!(!good(&store, old, person).await);
    let future = end_all(
        &store,
        &ctx,
        Whose::Person(person),
        &wanted(now + Duration::minutes(1)),
    )
    .await;
    assert_eq!(future.unwrap_err().errors[0].code, "in_future");
}

#[tokio::test]
async fn nobody_ends_sessions_of_those_who_hold_more_and_of_many_then_none_ends() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &["sessions:revoke", "settings:update"]).await;
    let role = RoleId::new();
    let (plain, above) = (test.person().await, test.person().await);
    grant(&test, above, "roles:manage").await;
    test.sql(format!(
        "INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{}', 'crew')",
        test.organization
    ))
    .await;
    for user in [plain, above] {
        test.sql(format!(
            "INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{}', '{user}', '{role}')",
            test.organization
        ))
        .await;
    }
    let (low, high) = (test.session(plain).await, test.session(above).await);
    for whose in [Whose::Person(above), Whose::Role(role), Whose::Organization] {
        let refused = end_all(&store, &ctx, whose, &NotBefore::default())
            .await
            .unwrap_err();
        assert_eq!(refused.code, "permission.outranked", "{whose:?}");
    }
    assert!(good(&store, low, plain).await && good(&store, high, above).await);
    let mut ctx = ctx;
    ctx.permissions = ["sessions:revoke", "settings:update", "roles:manage"]
        .into_iter()
        .collect();
    let ended = end_all(&store, &ctx, Whose::Role(role), &NotBefore::default())
        .await
        .unwrap();
    assert_eq!((ended.sessions, ended.people), (2, 2));
    assert_eq!(
        test.texts("SELECT action FROM audit_logs").await,
        ["sessions.revoke_of_role"]
    );
    let none = end_all(&store, &ctx, Whose::Role(RoleId::new()), &NotBefore::default()).await;
    assert_eq!(none.unwrap_err().kind, crate::kernel::error::Kind::NotFound);
}

#[tokio::test]
async fn everybodys_sessions_end_with_the_callers_own_and_only_for_who_may_change_settings() {
    let (test, store) = stage().await;
    let may = |permissions: &'static [&'static str]| caller(&test, permissions);
    let ctx = may(&["sessions:revoke"]).await;
    let refused = end_all(&store, &ctx, Whose::Organization, &NotBefore::default()).await;
    assert_eq!(refused.unwrap_err().code, "permission.missing");
    let other = test.person().await;
    let others = test.session(other).await;
    let ctx = may(&["sessions:revoke", "settings:update"]).await;
    let ended = end_all(&store, &ctx, Whose::Organization, &NotBefore::default())
        .await
        .unwrap();
    assert_eq!((ended.sessions, ended.people), (3, 3));
    assert!(!good(&store, others, other).await);
    assert!(!good(&store, mine(&ctx), ctx.actor.user().unwrap()).await);
    // of another organization nobody was touched
    test.sql("INSERT INTO organizations (id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'Other')")
        .await;
    assert_eq!(
        test.count("SELECT count(*) FROM organizations WHERE sessions_not_before IS NOT NULL")
            .await,
        1
    );
}

#[tokio::test]
async fn ones_other_sessions_end_and_the_one_that_asks_stays() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &[]).await;
    let user = ctx.actor.user().unwrap();
    let others = [test.session(user).await, test.session(user).await];
    let stranger = test.person().await;
    let strangers = test.session(stranger).await;
    assert_eq!(end_others(&store, &ctx).await.unwrap().sessions, 2);
    assert_eq!(end_others(&store, &ctx).await.unwrap().sessions, 0);
    assert!(good(&store, mine(&ctx), user).await && good(&store, strangers, stranger).await);
    for session in others {
        assert!(!good(&store, session, user).await);
    }
    // one's own need no permission, others' do
    let own = end_all(&store, &ctx, Whose::Person(user), &NotBefore::default())
        .await
        .unwrap();
    assert_eq!(own.sessions, 1);
    let theirs = end_all(&store, &ctx, Whose::Person(stranger), &NotBefore::default()).await;
    assert_eq!(theirs.unwrap_err().code, "permission.missing");
}

#[tokio::test]
async fn a_session_is_succeeded_by_one_that_ends_no_later_and_runs_out_itself_without_its_tokens() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &[]).await;
    let (old, user) = (mine(&ctx), ctx.actor.user().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    store
        .signals
        .on_revoked(move |revocation| sink.lock().push((revocation.kind, revocation.subject)));
    let before = read(&store.db, old, user).await.unwrap().unwrap();
    let tokens = format!("SELECT count(*) FROM auth_tokens WHERE session_id = '{old}'");
    test.sql(format!(
        "INSERT INTO auth_tokens (hash, organization_id, session_id, expires_at)
         VALUES ('\\x00', '{}', '{old}', now() + interval '1 day')",
        ctx.organization
    ))
    .await;
    assert_eq!(test.count(&tokens).await, 1);
    let mut change = crate::change::Change::begin(&store, &ctx).await.unwrap();
    let next = succeed(&mut change, old, user, "otp").await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(next.expires_at, before.expires_at);
    assert!(next.id != old && good(&store, next.id, user).await);
    let mut listed = list(&store, &ctx, &Places::default(), user).await.unwrap();
    listed.retain(|session| session.id == next.id);
    let mut methods = listed[0].methods.clone();
    methods.sort();
    assert_eq!(methods, ["otp", "pwd"]);
    assert!(listed[0].authenticated_at > before.authenticated_at);
    assert_eq!(test.count(&tokens).await, 0, "nobody refreshes the one before");
    let old_end = read(&store.db, old, user).await.unwrap().unwrap().expires_at;
    assert!(
        old_end <= store.clock.now() + HANDOVER,
        "what is under way comes to its end"
    );
    assert_eq!(
        *heard.lock(),
        [(RevocationKind::Access, user.0)],
        "every node looks again"
    );
    let told = test
        .texts(format!(
            "SELECT concat_ws(' ', type, subject_id = '{old}', array_to_string(channels, ',')) FROM outbox
             ORDER BY seq DESC LIMIT 1"
        ))
        .await;
    assert_eq!(
        told,
        [format!(
            "session.succeeded t inbox:{user},feed:sessions,feed:audit"
        )]
    );
    test.sql(format!(
        "UPDATE user_sessions SET expires_at = now() WHERE id = '{old}'"
    ))
    .await;
    let mut change = crate::change::Change::begin(&store, &ctx).await.unwrap();
    let again = succeed(&mut change, old, user, "otp").await.unwrap_err();
    assert_eq!(again.code, "auth.session_expired", "nothing follows what is over");
}

#[tokio::test]
async fn an_organizations_times_hold_for_sessions_that_are_open_already() {
    let (test, store) = stage().await;
    let ctx = caller(&test, &["settings:read", "settings:update"]).await;
    let (session, user) = (mine(&ctx), ctx.actor.user().unwrap());
    let began = OffsetDateTime::now_utc() - Duration::minutes(40);
    test.sql(
        "UPDATE user_sessions SET created_at = now() - interval '40 minutes', last_seen_at = now() - interval '10 minutes'",
    )
    .await;
    let day = Duration::DAY;
    let standing = async || read(&store.db, session, user).await.unwrap().unwrap();
    let now = OffsetDateTime::now_utc();
    assert_eq!(standing().await.check_time(now, day), Ok(()));
    let set = async |idle_seconds: Option<u32>, absolute_seconds: Option<u32>| {
        let times = json!({"idle_seconds": idle_seconds, "absolute_seconds": absolute_seconds});
        let wanted = json!({ "sessions": times });
        update_settings(&store, &ctx, None, wanted.as_object().unwrap()).await
    };
    set(Some(300), None).await.unwrap();
    assert_eq!(standing().await.check_time(now, day), Err(Refused::Idle));
    set(None, Some(1_800)).await.unwrap();
    let short = standing().await;
    assert_eq!(short.check_time(now, day), Err(Refused::Expired));
    assert!((short.expires_at - began - Duration::minutes(30)).abs() < Duration::seconds(5));
    assert!(
        list(&store, &ctx, &Places::default(), user)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(expire(&store).await.unwrap(), "it is closed, and recorded");
    let wrong = set(Some(10), Some(1)).await.unwrap_err();
    let fields: Vec<_> = wrong.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["sessions.idle_seconds", "sessions.absolute_seconds"]);
    let heard = test.texts("SELECT kind || ' ' || coalesce(access_version::text, 'none') FROM revocations WHERE reason = 'session_timeouts_changed'").await;
    assert_eq!(
        heard,
        ["organization none", "organization none"],
        "every node looks again"
    );
}

#[tokio::test]
async fn the_list_of_everybodys_is_paged_filtered_and_says_how_many_of_how_many_people() {
    let (test, store) = stage().await;
    let reader = caller(&test, &["sessions:read", "users:read"]).await;
    let role = RoleId::new();
    let person = test.person().await;
    test.sql(format!(
        "INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{0}', 'crew');
         INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{0}', '{person}', '{role}')",
        test.organization
    ))
    .await;
    let mut theirs = Vec::new();
    for _ in 0..5 {
        theirs.push(test.session(person).await);
    }
    let all = async |query: Query| {
        list_all(&store, &reader, &Places::default(), &query)
            .await
            .unwrap()
    };
    let mut query = Query {
        limit: Some(2),
        ..Query::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = all(query.clone()).await;
        assert_eq!((page.total, page.people), (6, 2));
        seen.extend(page.items.iter().map(|item| item.id));
        let Some(next) = page.next_cursor else { break };
        query.cursor = Some(next);
    }
    theirs.reverse();
    assert_eq!(seen[..5], theirs, "newest first");
    assert_eq!(seen.len(), 6);
    for query in [
        Query {
            user: Some(person),
            ..Query::default()
        },
        Query {
            role: Some(role),
            ..Query::default()
        },
    ] {
        let page = all(query).await;
        assert_eq!((page.total, page.people, page.items.len()), (5, 1, 5));
        assert_eq!(page.items[0].user.name.as_deref(), Some("Test Person"));
    }
    let blind = caller(&test, &["sessions:read"]).await;
    let page = list_all(&store, &blind, &Places::default(), &Query::default())
        .await
        .unwrap();
    assert!(page.items.iter().any(|item| item.user.name.is_none()));
    let refused = list_all(
        &store,
        &caller(&test, &[]).await,
        &Places::default(),
        &Query::default(),
    )
    .await;
    assert_eq!(refused.unwrap_err().code, "permission.missing");
}
