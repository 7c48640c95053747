//! Who gave somebody what they hold, and when.

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::permission::Resource;
use crate::users::rights::carrier::Carrier;
use serde::Serialize;
use time::OffsetDateTime;

/// Whoever gave something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Giver {
    /// The person.
    pub id: UserId,
    /// Their name; null where they are not there any more.
    pub name: Option<String>,
}

/// A role that was given to somebody, or something that was said of them directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Given {
    /// The role; null where something was said.
    pub role: Option<RoleId>,
    /// The permission about which something was said; null for a role.
    pub permission: Option<String>,
    /// The single row that it was said about.
    pub resource: Option<Resource>,
    /// The team that the role was given to, of which they are a member; null where it was given to the person.
    pub team: Option<Carrier>,
    /// By whom; null for the hub itself.
    pub by: Option<Giver>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What was given to `user` or to a team of theirs, the latest first, as the actor of `ctx` sees it.
pub(super) async fn to(connection: &mut PgConnection, ctx: &Ctx, user: UserId) -> Result<Vec<Given>> {
    let rows = sqlx::query!(
        r#"SELECT g.role_id AS "role_id?", g.permission AS "permission?", g.resource_kind AS "kind?", g.resource_id AS "row?",
             g.team_id AS "team?", t.name AS "team_name?", g.granted_by AS "by?", g.granted_at AS "at!", u.name AS "name?"
           FROM (
             SELECT role_id, team_id, NULL::text AS permission, NULL::text AS resource_kind, NULL::uuid AS resource_id,
               granted_by, granted_at
             FROM held_roles WHERE organization_id = $1 AND user_id = $2
             UNION ALL
             SELECT NULL, NULL, permission, resource_kind, resource_id, granted_by, granted_at
             FROM user_permissions WHERE organization_id = $1 AND user_id = $2) g
           LEFT JOIN teams t ON t.id = g.team_id
           LEFT JOIN users u ON u.id = g.granted_by AND u.organization_id = $1 AND u.deleted_at IS NULL
           ORDER BY g.granted_at DESC, g.role_id, g.team_id, g.permission, g.resource_id"#,
        ctx.organization.0,
        user.0,
    )
    .fetch_all(connection)
    .await?;
    let given = rows.into_iter().map(|row| Given {
        role: row.role_id.map(RoleId),
        permission: row.permission,
        resource: row.kind.zip(row.row).map(|(kind, id)| Resource { kind, id }),
        team: row.team.map(|id| {
            Carrier {
                id: TeamId(id),
                name: row.team_name,
            }
            .seen_by(ctx)
        }),
        by: row.by.map(|id| Giver {
            id: UserId(id),
            name: row.name,
        }),
        at: row.at,
    });
    Ok(given.collect())
}
