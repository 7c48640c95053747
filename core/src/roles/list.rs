//! What roles and permissions there are.

use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::RoleId;
use serde::Serialize;

/// A role as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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
    /// What it grants of its own, sorted.
    pub permissions: Vec<String>,
    /// Grows by one with each change.
    pub version: i64,
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
}

/// All roles, the predefined first.
pub async fn list(store: &Store, ctx: &Ctx) -> Result<Vec<Role>> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let rows = sqlx::query!(
        r#"SELECT r.id, r.name, r.description, r.predefined, r.version,
             array_remove(array_agg(p.permission ORDER BY p.permission), NULL) AS "permissions!"
           FROM roles r LEFT JOIN role_permissions p ON p.role_id = r.id AND p.granted
           WHERE r.organization_id = $1 GROUP BY r.id ORDER BY r.predefined DESC, r.id"#,
        ctx.organization.0
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Role {
            id: RoleId(row.id),
            name: row.name,
            description: row.description,
            predefined: row.predefined,
            permissions: row.permissions,
            version: row.version,
        })
        .collect())
}

/// All permissions, by category.
pub async fn permissions(store: &Store, ctx: &Ctx) -> Result<Vec<Permission>> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    Ok(sqlx::query_as!(
        Permission,
        "SELECT name, category, description FROM permissions ORDER BY category, name"
    )
    .fetch_all(&mut *tx)
    .await?)
}
