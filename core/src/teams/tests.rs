mod roles;

use super::*;
use crate::kernel::ctx::{Actor, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{TeamId, UserId};
use crate::testing::{self, TestStore};
use crate::users::{TeamRole, rights};

/// The hub's own hands, with these permissions on everything.
fn hands(test: &TestStore, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

const MANAGING: &[&str] = &["teams:read", "teams:manage", "users:read"];

async fn team(test: &TestStore, name: &str) -> TeamId {
    let new = NewTeam {
        name: name.to_owned(),
        description: String::new(),
    };
    create(&test.store, &hands(test, MANAGING), &new)
        .await
        .unwrap()
        .id
}

async fn facts(test: &TestStore) -> Vec<String> {
    let told = "SELECT type || ' ' || coalesce(scope_before->>'teams', '-') || ' ' || coalesce(scope_after->>'teams', '-')
        FROM outbox WHERE subject_kind = 'user' ORDER BY seq";
    test.texts(told).await
}

#[tokio::test]
async fn who_comes_and_goes_changes_the_row_the_facts_and_the_rights_of_the_person_at_once() {
    let test = testing::store().await;
    let (ctx, user) = (hands(&test, MANAGING), test.person().await);
    let (one, two) = (team(&test, "One").await, team(&test, "Two").await);
    let item = add_member(&test.store, &ctx, two, user, TeamRole::Member)
        .await
        .unwrap();
    assert_eq!((item.version, item.teams.len()), (2, 1));
    add_member(&test.store, &ctx, one, user, TeamRole::Lead)
        .await
        .unwrap();
    // nothing changes, nothing is told
    add_member(&test.store, &ctx, one, user, TeamRole::Lead)
        .await
        .unwrap();
    let led = add_member(&test.store, &ctx, one, user, TeamRole::Member)
        .await
        .unwrap();
    assert!(led.teams.iter().all(|team| team.role == TeamRole::Member));
    remove_member(&test.store, &ctx, two, user).await.unwrap();
    remove_member(&test.store, &ctx, two, user).await.unwrap();
    let told = |before: &str, after: &str| format!("user.teams_changed {before} {after}");
    let [only_one, only_two] = [one, two].map(|team| format!("[\"{team}\"]"));
    let both = format!("[\"{one}\", \"{two}\"]");
    assert_eq!(
        facts(&test).await,
        [
            told("-", &only_two),
            told(&only_two, &both),
            told(&both, &both),
            told(&both, &only_one)
        ]
    );
    let looked_at = "SELECT kind || ' ' || access_version FROM revocations ORDER BY seq";
    assert_eq!(
        test.texts(looked_at).await,
        ["access 2", "access 3", "access 4", "access 5"]
    );
}

#[tokio::test]
async fn a_deleted_team_leaves_nobody_in_it_and_tells_of_each() {
    let test = testing::store().await;
    let ctx = hands(&test, MANAGING);
    let (gone, kept) = (team(&test, "Gone").await, team(&test, "Kept").await);
    let people = test.people(3).await;
    for user in &people {
        for team in [gone, kept] {
            add_member(&test.store, &ctx, team, *user, TeamRole::Member)
                .await
                .unwrap();
        }
    }
    delete(&test.store, &ctx, gone, None).await.unwrap();
    let told = facts(&test).await;
    let left = format!("[\"{kept}\"]");
    assert_eq!(
        told.iter().filter(|told| told.ends_with(&left)).count(),
        3,
        "{told:?}"
    );
    assert_eq!(test.count("SELECT count(*) FROM team_members").await, 3);
    let missing = get(&test.store, &ctx, gone).await.unwrap_err();
    assert_eq!((missing.kind, &*missing.code), (Kind::NotFound, "team.not_found"));
    assert_eq!(list(&test.store, &ctx).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_deleted_person_is_in_no_team_any_more() {
    let test = testing::store().await;
    let ctx = hands(&test, &[MANAGING, &["users:delete"]].concat());
    let (team, user) = (team(&test, "One").await, test.person().await);
    add_member(&test.store, &ctx, team, user, TeamRole::Member)
        .await
        .unwrap();
    crate::users::service::delete(&test.store, &ctx, user, None)
        .await
        .unwrap();
    assert_eq!(test.count("SELECT count(*) FROM team_members").await, 0);
    let told = facts(&test).await;
    assert_eq!(told.last().unwrap(), &format!("user.deleted [\"{team}\"] -"));
}

#[tokio::test]
async fn what_is_too_much_taken_stale_or_not_there_is_refused_with_the_reason() {
    let test = testing::store().await;
    let ctx = hands(&test, MANAGING);
    let (one, user) = (team(&test, "Support").await, test.person().await);
    let new = |name: &str| NewTeam {
        name: name.to_owned(),
        description: String::new(),
    };
    let code = |error: crate::kernel::error::Error| error.code.into_owned();
    let refused = create(&test.store, &ctx, &new(" sUPPORT ")).await.unwrap_err();
    assert_eq!(code(refused), "team.name_taken");
    for name in ["", " ", "a\u{7}b", &"x".repeat(101)] {
        assert_eq!(
            code(create(&test.store, &ctx, &new(name)).await.unwrap_err()),
            "request.invalid"
        );
    }
    let change = TeamChange {
        name: Some("Help".to_owned()),
        description: None,
    };
    let refused = update(&test.store, &ctx, one, Some(9), &change)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind, refused.current.unwrap()["version"].as_i64()),
        (Kind::Stale, Some(1))
    );
    let renamed = update(&test.store, &ctx, one, Some(1), &change).await.unwrap();
    assert_eq!((&*renamed.name, renamed.version), ("Help", 2));
    let nobody = add_member(&test.store, &ctx, one, UserId::new(), TeamRole::Member).await;
    assert_eq!(code(nobody.unwrap_err()), "user.not_found");
    let nowhere = add_member(&test.store, &ctx, TeamId::new(), user, TeamRole::Member).await;
    assert_eq!(code(nowhere.unwrap_err()), "team.not_found");
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO team_members (organization_id, team_id, user_id)
         SELECT '{organization}', '{one}', id FROM users WHERE id <> '{user}';
         WITH made AS (INSERT INTO users (id, organization_id, email, name)
           SELECT id, '{organization}', id || '@example.com', '' FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, {MEMBERS})) made
           RETURNING id)
         INSERT INTO team_members (organization_id, team_id, user_id) SELECT '{organization}', '{one}', id FROM made"
    ))
    .await;
    let full = add_member(&test.store, &ctx, one, user, TeamRole::Member).await;
    assert_eq!(code(full.unwrap_err()), "team.full");
    test.sql(format!(
        "WITH made AS (INSERT INTO teams (id, organization_id, name)
           SELECT gen_random_uuid(), '{organization}', 'T' || n FROM generate_series(2, {TEAMS}) n RETURNING id)
         INSERT INTO team_members (organization_id, team_id, user_id)
         SELECT '{organization}', id, '{user}' FROM made LIMIT {TEAMS_OF_ONE}"
    ))
    .await;
    assert_eq!(
        code(create(&test.store, &ctx, &new("One more")).await.unwrap_err()),
        "team.too_many"
    );
    let another = test
        .texts("SELECT id::text FROM teams WHERE id NOT IN (SELECT team_id FROM team_members)")
        .await;
    let many = add_member(
        &test.store,
        &ctx,
        another[0].parse().unwrap(),
        user,
        TeamRole::Member,
    )
    .await;
    assert_eq!(code(many.unwrap_err()), "team.too_many_of_one");
}

/// Somebody with these rights on the people of their own teams.
async fn of_a_team(test: &TestStore, permissions: &[&str]) -> UserId {
    let (user, organization) = (test.person().await, test.organization);
    for permission in permissions {
        test.sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on)
             VALUES ('{organization}', '{user}', '{permission}', false, 'team')"
        ))
        .await;
    }
    user
}

async fn acting(test: &TestStore, user: UserId) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    ctx.permissions = rights::of(&mut tx, test.organization, user).await.unwrap();
    ctx.actor = Actor::User(user);
    ctx
}

#[tokio::test]
async fn nobody_is_put_where_they_may_do_more_than_whoever_puts_them_there() {
    let test = testing::store().await;
    let powerful = of_a_team(&test, &["users:delete"]).await;
    let (ours, theirs) = (team(&test, "Ours").await, team(&test, "Theirs").await);
    // may manage teams and see people, but not delete any
    let manager = hands(&test, MANAGING);
    let refused = add_member(&test.store, &manager, ours, powerful, TeamRole::Member).await;
    assert_eq!(refused.unwrap_err().code, "permission.outranked");
    assert_eq!(test.count("SELECT count(*) FROM team_members").await, 0);
    let owner = hands(&test, &[MANAGING, &["users:delete"]].concat());
    add_member(&test.store, &owner, ours, powerful, TeamRole::Member)
        .await
        .unwrap();
    // of their own team they may; into another they cannot put themselves
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission) SELECT '{}', '{powerful}', name
         FROM permissions WHERE name IN ('teams:manage', 'users:read')",
        test.organization
    ))
    .await;
    let ctx = acting(&test, powerful).await;
    let refused = add_member(&test.store, &ctx, theirs, powerful, TeamRole::Lead).await;
    assert_eq!(refused.unwrap_err().code, "permission.outranked");
    assert_eq!(test.count("SELECT count(*) FROM team_members").await, 1);
}

#[tokio::test]
async fn whoever_manages_one_team_sees_and_changes_that_one_alone() {
    let test = testing::store().await;
    let (ours, theirs) = (team(&test, "Ours").await, team(&test, "Theirs").await);
    let (lead, organization) = (test.person().await, test.organization);
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission, resource_kind, resource_id)
         SELECT '{organization}', '{lead}', name, 'team', '{ours}' FROM permissions WHERE category = 'teams'"
    ))
    .await;
    let ctx = acting(&test, lead).await;
    let seen = list(&test.store, &ctx).await.unwrap().items;
    assert_eq!(seen.iter().map(|team| team.team.id).collect::<Vec<_>>(), [ours]);
    let change = TeamChange {
        name: Some("Renamed".to_owned()),
        description: None,
    };
    update(&test.store, &ctx, ours, None, &change).await.unwrap();
    let missing = update(&test.store, &ctx, theirs, None, &change)
        .await
        .unwrap_err();
    assert_eq!(missing.code, "team.not_found");
    let new = NewTeam {
        name: "Another".to_owned(),
        description: String::new(),
    };
    assert_eq!(
        create(&test.store, &ctx, &new).await.unwrap_err().kind,
        Kind::Forbidden
    );
}

#[tokio::test]
async fn nobody_draws_people_into_a_team_where_they_may_do_to_them_what_they_could_not_before() {
    let test = testing::store().await;
    let (lead, organization) = (of_a_team(&test, &["users:ban"]).await, test.organization);
    let (ours, theirs) = (team(&test, "Ours").await, team(&test, "Theirs").await);
    let put = async |ctx: &Ctx, team, user| {
        let put = add_member(&test.store, ctx, team, user, TeamRole::Member).await;
        put.err().map(|error| error.code.into_owned())
    };
    let owner = hands(&test, &[MANAGING, &["users:ban"]].concat());
    assert_eq!(put(&owner, ours, lead).await, None);
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{organization}', '{lead}', 'users:read');
         INSERT INTO user_permissions (organization_id, user_id, permission, resource_kind, resource_id)
         VALUES ('{organization}', '{lead}', 'teams:manage', 'team', '{ours}'),
                ('{organization}', '{lead}', 'teams:manage', 'team', '{theirs}')"
    ))
    .await;
    let eve = test.person().await;
    let ctx = acting(&test, lead).await;
    assert_eq!(put(&ctx, ours, eve).await.as_deref(), Some("permission.beyond"));
    assert_eq!(put(&ctx, theirs, eve).await, None, "a team that they are not in");
    // whom they reach already they may put there
    assert_eq!(put(&owner, theirs, lead).await, None);
    let ctx = acting(&test, lead).await;
    assert_eq!(put(&ctx, ours, eve).await, None);
}
