use super::*;
use crate::Store;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{ApiKeyId, RoleId, SavedFilterId, SessionId, TeamId, UserId};
use crate::testing::{self, TestStore};
use proptest::prelude::*;
use serde_json::{Value, json};

fn as_of(test: &TestStore, user: UserId, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

fn new(more: Value) -> NewSavedFilter {
    let mut whole = json!({"page": "users", "name": "Banned", "query": "status=banned"});
    whole
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

async fn names(store: &Store, ctx: &Ctx) -> Vec<String> {
    let listed = list(store, ctx, "users").await.unwrap();
    listed.items.into_iter().map(|item| item.name).collect()
}

#[tokio::test]
async fn a_view_is_seen_by_its_owner_its_team_holders_of_its_role_or_everybody_and_by_no_other() {
    let test = testing::store().await;
    let [ada, bob, eve] = [test.person().await, test.person().await, test.person().await];
    let (team, role, child) = (TeamId::new(), RoleId::new(), RoleId::new());
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{organization}', 'Support');
         INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{organization}', '{team}', '{ada}'), ('{organization}', '{team}', '{bob}');
         INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{organization}', 'r'), ('{child}', '{organization}', 'c');
         INSERT INTO role_parents (organization_id, role_id, parent_id) VALUES ('{organization}', '{child}', '{role}');
         INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{ada}', '{role}'), ('{organization}', '{eve}', '{child}')"
    ))
    .await;
    let ctx = as_of(&test, ada, &["saved_filters:share"]);
    for (name, audience, id) in [
        ("Mine", "me", None),
        ("Team", "team", Some(team.0)),
        ("Role", "role", Some(role.0)),
        ("All", "everyone", None),
    ] {
        let wanted = new(json!({"name": name, "audience": audience, "audience_id": id}));
        create(&test.store, &ctx, &wanted).await.unwrap();
    }
    assert_eq!(names(&test.store, &ctx).await, ["All", "Mine", "Role", "Team"]);
    let bob = as_of(&test, bob, &[]);
    assert_eq!(names(&test.store, &bob).await, ["All", "Team"]);
    let eve = as_of(&test, eve, &[]);
    assert_eq!(
        names(&test.store, &eve).await,
        ["All", "Role"],
        "by a role that inherits"
    );
    assert!(list(&test.store, &ctx, "jobs").await.unwrap().items.is_empty());
    let mut foreign = ctx.clone();
    foreign.organization = crate::kernel::id::OrganizationId::new();
    assert!(names(&test.store, &foreign).await.is_empty());
}

#[tokio::test]
async fn sharing_takes_belonging_or_the_permission_and_a_program_has_no_views() {
    let test = testing::store().await;
    let ada = test.person().await;
    let team = TeamId::new();
    test.sql(format!(
        "INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{}', 'Support')",
        test.organization
    ))
    .await;
    let ctx = as_of(&test, ada, &[]);
    for wanted in [
        json!({"audience": "everyone"}),
        json!({"audience": "team", "audience_id": team}),
    ] {
        let refused = create(&test.store, &ctx, &new(wanted)).await.unwrap_err();
        assert_eq!(
            (refused.kind, &*refused.code),
            (Kind::Forbidden, "permission.missing")
        );
    }
    let may = as_of(&test, ada, &["saved_filters:share"]);
    create(
        &test.store,
        &may,
        &new(json!({"audience": "team", "audience_id": team})),
    )
    .await
    .unwrap();
    let unknown = json!({"audience": "team", "audience_id": TeamId::new()});
    assert_eq!(
        create(&test.store, &may, &new(unknown)).await.unwrap_err().errors[0].field,
        "audience_id"
    );
    let mut program = may.clone();
    program.credential = Credential::ApiKey(ApiKeyId::new());
    assert_eq!(
        &*list(&test.store, &program, "users").await.unwrap_err().code,
        "auth.session_required"
    );
    for wrong in [
        json!({"page": "Users!"}),
        json!({"name": " "}),
        json!({"query": "?q=1"}),
        json!({"query": "a\nb"}),
        json!({"audience": "team"}),
        json!({"audience_id": team}),
    ] {
        let refused = create(&test.store, &may, &new(wrong.clone())).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Invalid, "{wrong}");
    }
}

#[tokio::test]
async fn a_view_is_changed_by_its_owner_or_once_shared_by_who_may_share_and_only_at_the_version_seen() {
    let test = testing::store().await;
    let [ada, bob] = [test.person().await, test.person().await];
    let ctx = as_of(&test, ada, &["saved_filters:share"]);
    let view = create(&test.store, &ctx, &new(json!({"audience": "everyone"})))
        .await
        .unwrap();
    let own = create(&test.store, &ctx, &new(json!({"name": "Own"})))
        .await
        .unwrap();
    let plain = as_of(&test, bob, &[]);
    let change = |value: Value| -> SavedFilterChange { serde_json::from_value(value).unwrap() };
    let renamed = change(json!({"name": "Shut out"}));
    let refused = update(&test.store, &plain, view.id, None, &renamed)
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
    let sharer = as_of(&test, bob, &["saved_filters:share"]);
    let hidden = update(&test.store, &sharer, own.id, None, &renamed)
        .await
        .unwrap_err();
    assert_eq!(
        hidden.kind,
        Kind::NotFound,
        "what is only hers is not there for others"
    );
    let after = update(&test.store, &sharer, view.id, Some(1), &renamed)
        .await
        .unwrap();
    assert_eq!(
        (after.name.as_str(), after.version, after.owner_id),
        ("Shut out", 2, ada)
    );
    let stale = update(&test.store, &ctx, view.id, Some(1), &renamed)
        .await
        .unwrap_err();
    assert!(stale.kind == Kind::Stale && stale.current.is_some());
    let private = change(json!({"audience": "me"}));
    update(&test.store, &ctx, view.id, None, &private).await.unwrap();
    assert!(names(&test.store, &sharer).await.is_empty());
    delete(&test.store, &ctx, view.id, None).await.unwrap();
    assert_eq!(
        delete(&test.store, &ctx, view.id, None).await.unwrap_err().kind,
        Kind::NotFound
    );
    assert_eq!(names(&test.store, &ctx).await, ["Own"]);
}

#[tokio::test]
async fn a_page_opens_with_one_view_for_each_person_and_loses_it_with_the_view() {
    let test = testing::store().await;
    let [ada, bob] = [test.person().await, test.person().await];
    let ctx = as_of(&test, ada, &["saved_filters:share"]);
    let first = create(
        &test.store,
        &ctx,
        &new(json!({"name": "A", "audience": "everyone"})),
    )
    .await
    .unwrap();
    let second = create(&test.store, &ctx, &new(json!({"name": "B"})))
        .await
        .unwrap();
    let defaults = async |ctx: &Ctx| -> Vec<String> {
        let items = list(&test.store, ctx, "users").await.unwrap().items;
        items
            .into_iter()
            .filter(|item| item.is_default)
            .map(|item| item.name)
            .collect()
    };
    set_default(&test.store, &ctx, first.id, true).await.unwrap();
    set_default(&test.store, &ctx, second.id, true).await.unwrap();
    let other = as_of(&test, bob, &[]);
    set_default(&test.store, &other, first.id, true).await.unwrap();
    assert_eq!(
        (defaults(&ctx).await, defaults(&other).await),
        (vec!["B".to_owned()], vec!["A".to_owned()])
    );
    assert_eq!(
        set_default(&test.store, &other, second.id, true)
            .await
            .unwrap_err()
            .kind,
        Kind::NotFound
    );
    set_default(&test.store, &ctx, second.id, false).await.unwrap();
    delete(&test.store, &ctx, first.id, None).await.unwrap();
    assert!(defaults(&ctx).await.is_empty() && defaults(&other).await.is_empty());
}

#[tokio::test]
async fn others_are_told_that_a_page_has_other_views_and_nothing_of_them() {
    let test = testing::store().await;
    let ada = test.person().await;
    let ctx = as_of(&test, ada, &["saved_filters:share"]);
    create(&test.store, &ctx, &new(json!({"name": "Secret own"})))
        .await
        .unwrap();
    create(
        &test.store,
        &ctx,
        &new(json!({"name": "Secret shared", "audience": "everyone"})),
    )
    .await
    .unwrap();
    let told = test.texts("SELECT channels[1] FROM outbox ORDER BY seq").await;
    assert_eq!(told, [format!("inbox:{ada}"), CHANNEL.to_owned()]);
    assert_eq!(
        test.count("SELECT count(*) FROM outbox WHERE event::text LIKE '%Secret%'")
            .await,
        0
    );
    let audited = test.texts("SELECT details->>'audience' FROM audit_logs").await;
    assert_eq!(
        audited,
        ["everyone"],
        "what is only one's own is nobody's business"
    );
}

#[tokio::test]
async fn nobody_keeps_more_views_than_fit() {
    let test = testing::store().await;
    let ada = test.person().await;
    test.sql(format!(
        "INSERT INTO saved_filters (id, organization_id, page, name, query, owner_id, audience)
         SELECT gen_random_uuid(), '{}', 'users', 'n' || n, '', '{ada}', 'me' FROM generate_series(1, {MOST}) n",
        test.organization
    ))
    .await;
    let ctx = as_of(&test, ada, &[]);
    let refused = create(&test.store, &ctx, &new(json!({}))).await.unwrap_err();
    assert_eq!(&*refused.code, "saved_filter.too_many");
    assert_eq!(
        delete(&test.store, &ctx, SavedFilterId::new(), None)
            .await
            .unwrap_err()
            .kind,
        Kind::NotFound
    );
}

proptest! {
    #[test]
    fn whatever_is_written_is_checked_or_refused_and_never_panics(page in ".{0,60}", name in ".{0,120}", query in ".{0,80}") {
        let written = input::Written { page, name, query, audience: AudienceKind::Me, audience_id: None };
        if let Ok(written) = written.checked() {
            prop_assert!(written.page.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            prop_assert!((1..=100).contains(&written.name.chars().count()));
            prop_assert!(!written.query.starts_with('?'));
        }
    }
}
