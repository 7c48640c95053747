//! What roles and permissions there are.

use super::CHANNEL;
use super::statement::Statement;
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Subject;
use crate::kernel::id::{OrganizationId, RoleId};
use crate::live::position::{self, Position};
use crate::users::rights::model::{Condition, Says};
use crate::users::rights::proof::Effect;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// A role as the list shows it, and the `patch` of every event about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Role {
    /// Id.
    pub id: RoleId,
    /// Unique in the organization.
    #[schema(example = "moderator")]
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Made by the hub, and protected.
    pub predefined: bool,
    /// What it grants of its own on everything, sorted.
    pub permissions: Vec<String>,
    /// Roles it inherits from.
    pub inherits: Vec<RoleId>,
    /// All that it says itself, by permission.
    pub statements: Vec<Statement>,
    /// Whether its holders, and those of roles that inherit from it, need a second factor.
    #[serde(default)]
    pub requires_factor: bool,
    /// Grows by one with each change.
    pub version: i64,
}

impl Role {
    pub(super) fn subject(&self) -> Subject {
        Subject {
            kind: "role".into(),
            id: self.id.0,
            version: self.version,
        }
    }
}

/// A permission as the list shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Permission {
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub name: String,
    /// The feature.
    pub category: String,
    /// What it allows.
    pub description: String,
    /// Of which kind the rows are that it may be limited to; null: it is held on everything or not at all.
    #[schema(example = "user")]
    pub row_kind: Option<String>,
}

/// Holders of one role that are counted at most.
const COUNTED: i64 = 10_001;

/// A role in the list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RoleItem {
    /// The role.
    #[serde(flatten)]
    pub role: Role,
    /// People who hold it, themselves or through a team, counted up to 10,001.
    pub members: i64,
}

/// All roles.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RoleList {
    /// The predefined first.
    pub items: Vec<RoleItem>,
    /// Where `feed:roles` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// All roles, the predefined first, with how many hold each.
pub async fn list(store: &Store, ctx: &Ctx) -> Result<RoleList> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let members = members(&mut tx, ctx.organization).await?;
    let roles = read(&mut tx, ctx.organization, None).await?;
    let items = roles.into_iter().map(|role| RoleItem {
        members: members.get(&role.id).copied().unwrap_or_default(),
        role,
    });
    Ok(RoleList {
        items: items.collect(),
        position,
    })
}

/// Whoever holds a role themselves is counted first, so that of a role that everybody holds no more are read than are counted.
async fn members(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<HashMap<RoleId, i64>> {
    let rows = sqlx::query!(
        r#"SELECT r.id, h.members AS "members!" FROM roles r CROSS JOIN LATERAL (
             SELECT count(*) AS members FROM (
               SELECT FROM (
                 SELECT user_id FROM held_roles WHERE organization_id = $1 AND role_id = r.id AND team_id IS NULL
                 UNION ALL
                 SELECT DISTINCT user_id FROM held_roles c WHERE organization_id = $1 AND role_id = r.id AND team_id IS NOT NULL
                   AND NOT EXISTS (SELECT FROM held_roles o WHERE o.organization_id = $1 AND o.role_id = r.id
                     AND o.user_id = c.user_id AND o.team_id IS NULL)) h
               JOIN users u ON u.id = h.user_id WHERE u.deleted_at IS NULL LIMIT $2) counted) h
           WHERE r.organization_id = $1"#,
        organization.0,
        COUNTED,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (RoleId(row.id), row.members))
        .collect())
}

/// One role.
pub async fn get(store: &Store, ctx: &Ctx, id: RoleId) -> Result<Role> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    one(&mut tx, ctx.organization, id).await
}

/// One role, or `role.not_found`.
pub(super) async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: RoleId,
) -> Result<Role> {
    let mut found = read(connection, organization, Some(id)).await?;
    found.pop().ok_or_else(|| Error::not_found("role"))
}

/// All roles, or one.
async fn read(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Option<RoleId>,
) -> Result<Vec<Role>> {
    let rows = sqlx::query!(
        r#"SELECT r.id, r.name, r.description, r.predefined, r.version, r.requires_factor,
             ARRAY(SELECT parent_id FROM role_parents WHERE organization_id = $1 AND role_id = r.id ORDER BY parent_id) AS "inherits!",
             s.permissions AS "permissions!", s.granted AS "granted!", s.only_on AS "only_on!"
           FROM roles r CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(permission ORDER BY permission), '{}') AS permissions,
               coalesce(array_agg(granted ORDER BY permission), '{}') AS granted,
               coalesce(array_agg(coalesce(only_on, '') ORDER BY permission), '{}') AS only_on
             FROM role_permissions WHERE organization_id = $1 AND role_id = r.id) s
           WHERE r.organization_id = $1 AND ($2::uuid IS NULL OR r.id = $2) ORDER BY r.predefined DESC, r.id"#,
        organization.0,
        id.map(|id| id.0) as Option<Uuid>,
    )
    .fetch_all(connection)
    .await?;
    let role = |row: Vec<(String, (bool, String))>| -> Vec<Statement> {
        row.into_iter()
            .map(|(permission, (granted, only_on))| {
                let only_on = Some(only_on.as_str()).filter(|on| !on.is_empty());
                Statement::of(&permission, Says::from_columns(granted, only_on))
            })
            .collect()
    };
    Ok(rows
        .into_iter()
        .map(|row| {
            let columns = row.granted.into_iter().zip(row.only_on);
            let statements = role(row.permissions.into_iter().zip(columns).collect());
            Role {
                id: RoleId(row.id),
                name: row.name,
                description: row.description,
                predefined: row.predefined,
                permissions: everywhere(&statements),
                inherits: row.inherits.into_iter().map(RoleId).collect(),
                statements,
                requires_factor: row.requires_factor,
                version: row.version,
            }
        })
        .collect())
}

fn everywhere(statements: &[Statement]) -> Vec<String> {
    let granted = |said: &&Statement| said.effect == Effect::Grant && said.on == Condition::Everywhere;
    let each = statements.iter().filter(granted);
    each.map(|said| said.permission.clone()).collect()
}

/// All permissions, by category.
pub async fn permissions(store: &Store, ctx: &Ctx) -> Result<Vec<Permission>> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    Ok(sqlx::query_as!(
        Permission,
        "SELECT name, category, description, row_kind FROM permissions ORDER BY category, name"
    )
    .fetch_all(&mut *tx)
    .await?)
}
