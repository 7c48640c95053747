use super::*;
use crate::kernel::id::RoleId;

const ASSIGNING: &[&str] = &["roles:assign", "teams:read", "teams:manage", "users:read"];

/// A role that grants `permission` on everything.
async fn role(test: &TestStore, permission: &str) -> RoleId {
    let (role, organization) = (RoleId::new(), test.organization);
    test.sql(format!(
        "INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{organization}', '{role}');
         INSERT INTO role_permissions (organization_id, role_id, permission) VALUES ('{organization}', '{role}', '{permission}')"
    ))
    .await;
    role
}

async fn may(test: &TestStore, user: UserId, permission: &str) -> bool {
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    let set = rights::of(&mut tx, test.organization, user).await.unwrap();
    set.has(permission)
}

#[tokio::test]
async fn what_a_teams_members_may_do_changes_with_the_commit_and_everybody_is_looked_at_again() {
    let test = testing::store().await;
    let ctx = hands(&test, &[ASSIGNING, &["users:ban"]].concat());
    let (team, role) = (team(&test, "One").await, role(&test, "users:ban").await);
    let people = test.people(3).await;
    for user in &people {
        add_member(&test.store, &ctx, team, *user, TeamRole::Member)
            .await
            .unwrap();
    }
    let looked_at = "SELECT kind || ' ' || access_version FROM revocations ORDER BY seq DESC LIMIT 1";
    let epoch = "SELECT 'organization ' || access_epoch FROM organizations";
    let revocations = test.count("SELECT count(*) FROM revocations").await;
    let before = test.texts(epoch).await;
    let given = give_role(&test.store, &ctx, team, role).await.unwrap();
    assert_eq!((given.team.version, given.team.roles.len()), (2, 1));
    assert_eq!(test.texts(looked_at).await, test.texts(epoch).await);
    assert_ne!(test.texts(epoch).await, before);
    for user in &people {
        assert!(may(&test, *user, "users:ban").await);
    }
    // who leaves loses it, the others do not
    remove_member(&test.store, &ctx, team, people[0]).await.unwrap();
    assert!(!may(&test, people[0], "users:ban").await && may(&test, people[1], "users:ban").await);
    take_role(&test.store, &ctx, team, role).await.unwrap();
    assert!(!may(&test, people[1], "users:ban").await);
    assert_eq!(
        test.count("SELECT count(*) FROM revocations").await,
        revocations + 3,
        "one for each change"
    );
    let inboxes = "SELECT count(*) FROM outbox WHERE type = 'team.roles_changed' AND channels[1] LIKE 'inbox:%' AND scope_after IS NOT NULL";
    assert_eq!(test.count(inboxes).await, 2, "one event for all members");
    let lines = "SELECT count(*) FROM audit_logs WHERE action IN ('teams.give_role', 'teams.take_role')";
    assert_eq!(test.count(lines).await, 2);
}

#[tokio::test]
async fn a_refused_change_leaves_what_the_team_carries_and_what_its_members_may_do() {
    let test = testing::store().await;
    let (team, role) = (team(&test, "One").await, role(&test, "users:ban").await);
    let user = test.person().await;
    let manager = hands(&test, ASSIGNING);
    add_member(&test.store, &manager, team, user, TeamRole::Member)
        .await
        .unwrap();
    let refused = give_role(&test.store, &manager, team, role).await.unwrap_err();
    assert_eq!(
        (refused.kind, &*refused.code),
        (Kind::Forbidden, "roles.out_of_reach")
    );
    let none = hands(&test, &["teams:manage", "teams:read"]);
    let refused = give_role(&test.store, &none, team, role).await.unwrap_err();
    assert_eq!(refused.code, "permission.missing");
    assert_eq!(test.count("SELECT count(*) FROM team_roles").await, 0);
    assert!(!may(&test, user, "users:ban").await);
}

/// Whoever may not give the role puts somebody into the team while somebody else has it carry the role: each sees what the other did
/// first, so that the role comes to nobody past both.
#[tokio::test]
async fn a_role_given_while_somebody_comes_into_the_team_is_given_to_them_or_they_are_refused() {
    let test = testing::store().await;
    let (manager, owner) = (
        hands(&test, ASSIGNING),
        hands(&test, &[ASSIGNING, &["users:ban"]].concat()),
    );
    let role = role(&test, "users:ban").await;
    let (mut came, mut refused) = (0, 0);
    for n in 0..30 {
        let (team, user) = (team(&test, &format!("Team {n}")).await, test.person().await);
        let (given, joined) = tokio::join!(
            give_role(&test.store, &owner, team, role),
            add_member(&test.store, &manager, team, user, TeamRole::Member),
        );
        given.unwrap();
        let seen = format!(
            "SELECT details->>'members' FROM audit_logs WHERE action = 'teams.give_role' AND subject_id = '{team}'"
        );
        match joined {
            Ok(_) => {
                assert_eq!(test.texts(seen).await, ["1"], "whoever gave it knew of them");
                assert!(may(&test, user, "users:ban").await);
                came += 1;
            }
            Err(error) => {
                assert_eq!(error.code, "roles.out_of_reach");
                assert_eq!(test.texts(seen).await, ["0"]);
                refused += 1;
            }
        }
    }
    assert_eq!(came + refused, 30);
}
