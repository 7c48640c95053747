//! Who holds a role.

use super::list;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{RoleId, UserId};
use crate::kernel::page;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// Somebody who holds a role.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Who gave it; null for the hub itself.
    pub granted_by: Option<UserId>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub granted_at: OffsetDateTime,
}

/// A page of them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct MemberList {
    /// People, those who have been here longest first.
    pub items: Vec<Member>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Reads one page of those who hold `id` themselves; whoever holds a role that inherits from it is not among them.
pub async fn members(
    store: &Store,
    ctx: &Ctx,
    id: RoleId,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<MemberList> {
    ctx.require("roles:read")?;
    ctx.require("users:read")?;
    let limit = page::limit(limit)? as usize;
    let after: Option<Uuid> = cursor.map(page::decode_cursor).transpose()?;
    let mut tx = store.db.primary(ctx.organization).await?;
    list::one(&mut tx, ctx.organization, id).await?;
    let mut rows = sqlx::query!(
        "SELECT u.id, u.name, ur.granted_by, ur.granted_at
         FROM user_roles ur JOIN users u ON u.id = ur.user_id AND u.organization_id = $1
         WHERE ur.organization_id = $1 AND ur.role_id = $2 AND u.deleted_at IS NULL
           AND ($3::uuid IS NULL OR ur.user_id > $3)
         ORDER BY ur.user_id LIMIT $4",
        ctx.organization.0,
        id.0,
        after,
        limit as i64 + 1,
    )
    .fetch_all(&mut *tx)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |end| end.id)?;
    let items = rows.into_iter().map(|row| Member {
        user: UserId(row.id),
        name: row.name,
        granted_by: row.granted_by.map(UserId),
        granted_at: row.granted_at,
    });
    Ok(MemberList {
        items: items.collect(),
        next_cursor,
    })
}
