//! What a team never carries: anything of another organization, and more roles than there may be.

use signalbox_core::kernel::id::{OrganizationId, RoleId, TeamId};

use super::{give, join, json, read, role, take, team};
use crate::harness::{hub, problem};

#[tokio::test]
async fn nothing_of_another_organization_is_carried_and_a_team_carries_no_more_than_it_may() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let one = team(&hub, &owner, "One").await;
    let own = role(&hub, &owner, "Own", &[]).await;
    let (another, role, team) = (OrganizationId::new(), RoleId::new(), TeamId::new());
    hub.test
        .sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{another}', 'Another');
             INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{another}', 'Theirs');
             INSERT INTO role_permissions (organization_id, role_id, permission) VALUES ('{another}', '{role}', 'audit:read');
             INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{another}', 'Theirs')"
        ))
        .await;
    let not_found = |what: &str| (404, format!("{what}.not_found"));
    for (team, role, what) in [
        (one.clone(), role.to_string(), "role"),
        (one.clone(), RoleId::new().to_string(), "role"),
        (team.to_string(), own.clone(), "team"),
        (TeamId::new().to_string(), own.clone(), "team"),
    ] {
        let answers = [
            problem(give(&hub, &owner, &team, &role).await).await,
            problem(take(&hub, &owner, &team, &role).await).await,
        ];
        assert_eq!(answers, [not_found(what), not_found(what)]);
    }
    // were it in the database all the same, it would not count
    let who = hub.someone(&[]).await;
    json(join(&hub, &owner, &one, who.id).await).await;
    hub.test
        .sql(format!(
            "INSERT INTO team_roles (organization_id, team_id, role_id) VALUES ('{another}', '{one}', '{role}'),
               ('{}', '{team}', '{own}');
             INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{another}', '{team}', '{}');
             UPDATE users SET access_version = access_version + 1",
            hub.test.organization, who.id
        ))
        .await;
    let access = read(&hub, &owner, &format!("/users/{}/permissions", who.id)).await;
    assert_eq!((&access["held"], &access["given"]), (&json!([]), &json!([])));

    let organization = hub.test.organization;
    hub.test
        .sql(format!(
            "WITH made AS (INSERT INTO roles (id, organization_id, name)
               SELECT gen_random_uuid(), '{organization}', 'Role ' || n FROM generate_series(1, 20) n RETURNING id)
             INSERT INTO team_roles (organization_id, team_id, role_id) SELECT '{organization}', '{one}', id FROM made"
        ))
        .await;
    assert_eq!(
        problem(give(&hub, &owner, &one, &own).await).await,
        (409, "team.too_many_roles".into())
    );
}
