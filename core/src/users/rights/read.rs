//! Reads the part of an organization's [`Model`] that a question needs, in one statement.

use super::model::{Model, Says};
use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::Resource;
use uuid::Uuid;

/// Which roles are read, besides those that the asked people hold, themselves or through a team.
pub enum Roles<'a> {
    /// These.
    These(&'a [RoleId]),
    /// All of the organization, and all of its teams.
    All,
}

/// Reads `users` with what is said of them, the roles that their teams carry, and all these roles and `roles` with all that
/// they inherit from.
pub async fn model(
    connection: &mut PgConnection,
    organization: OrganizationId,
    users: &[UserId],
    roles: Roles<'_>,
) -> Result<Model> {
    let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let (all, roles) = match roles {
        Roles::All => (true, Vec::new()),
        Roles::These(roles) => (false, roles.iter().map(|role| role.0).collect()),
    };
    let rows = sqlx::query!(
        r#"WITH RECURSIVE held (role_id) AS (
             SELECT id FROM roles WHERE organization_id = $1 AND ($4 OR id = ANY($3) OR id IN (
               SELECT role_id FROM held_roles WHERE organization_id = $1 AND user_id = ANY($2)))
             UNION
             SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id AND p.organization_id = $1)
           SELECT 'role' AS "what!", NULL::uuid AS user_id, r.id AS "role_id?", r.name AS "name?", NULL::boolean AS granted,
             NULL::text AS only_on, NULL::text AS resource_kind, NULL::uuid AS other_id
           FROM held JOIN roles r ON r.id = held.role_id AND r.organization_id = $1
           UNION ALL
           SELECT 'inherits', NULL, p.role_id, NULL, NULL, NULL, NULL, p.parent_id
           FROM held JOIN role_parents p ON p.role_id = held.role_id AND p.organization_id = $1
           UNION ALL
           SELECT 'role_says', NULL, rp.role_id, rp.permission, rp.granted, rp.only_on, NULL, NULL
           FROM held JOIN role_permissions rp ON rp.role_id = held.role_id AND rp.organization_id = $1
           UNION ALL
           SELECT CASE WHEN h.team_id IS NULL THEN 'holds' ELSE 'carries' END, h.user_id, h.role_id, t.name, NULL, NULL, NULL, h.team_id
           FROM held_roles h LEFT JOIN teams t ON t.id = h.team_id WHERE h.organization_id = $1 AND h.user_id = ANY($2)
           UNION ALL
           SELECT 'carries', NULL, c.role_id, t.name, NULL, NULL, NULL, t.id
           FROM teams t LEFT JOIN team_roles c ON c.team_id = t.id AND c.organization_id = $1 WHERE t.organization_id = $1 AND $4
           UNION ALL
           SELECT 'user_says', user_id, NULL, permission, granted, only_on, resource_kind, resource_id
           FROM user_permissions WHERE organization_id = $1 AND user_id = ANY($2)
           UNION ALL
           SELECT 'in_team', user_id, NULL, NULL, NULL, NULL, NULL, team_id
           FROM team_members WHERE organization_id = $1 AND user_id = ANY($2)"#,
        organization.0,
        &users,
        &roles,
        all,
    )
    .fetch_all(connection)
    .await?;
    let mut model = Model::new(organization);
    for row in rows {
        let broken = || Error::internal("a row of rights lacks a column");
        let put = || -> Option<()> {
            match &*row.what {
                "role" => model.roles.entry(RoleId(row.role_id?)).or_default().name = row.name?,
                "inherits" => {
                    let role = model.roles.entry(RoleId(row.role_id?)).or_default();
                    role.parents.insert(RoleId(row.other_id?));
                }
                "role_says" => {
                    let says = Says::from_columns(row.granted?, row.only_on.as_deref());
                    let role = model.roles.entry(RoleId(row.role_id?)).or_default();
                    role.says.insert(row.name?, says);
                }
                "holds" => {
                    let person = model.people.entry(UserId(row.user_id?)).or_default();
                    person.roles.insert(RoleId(row.role_id?));
                }
                // of a team that carries nothing the name alone
                "carries" => {
                    let team = model.teams.entry(row.other_id?).or_default();
                    team.name = row.name?;
                    team.roles.extend(row.role_id.map(RoleId));
                }
                "in_team" => {
                    let person = model.people.entry(UserId(row.user_id?)).or_default();
                    person.teams.insert(row.other_id?);
                }
                _ => {
                    let person = model.people.entry(UserId(row.user_id?)).or_default();
                    let Some(kind) = row.resource_kind else {
                        let says = Says::from_columns(row.granted?, row.only_on.as_deref());
                        person.says.insert(row.name?, says);
                        return Some(());
                    };
                    let resource = Resource {
                        kind,
                        id: row.other_id?,
                    };
                    let single = person.single.entry(row.name?).or_default();
                    single.insert(resource, row.granted?);
                }
            }
            Some(())
        };
        put().ok_or_else(broken)?;
    }
    Ok(model)
}

/// The teams that a row belongs to, sorted; of a person, those they are in.
pub async fn teams_of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    row: &Resource,
) -> Result<Vec<Uuid>> {
    if row.kind == "team" {
        return Ok(vec![row.id]);
    }
    Ok(sqlx::query_scalar!(
        "SELECT team_id FROM team_members WHERE organization_id = $1 AND user_id = $2 ORDER BY team_id",
        organization.0,
        row.id,
    )
    .fetch_all(connection)
    .await?)
}
