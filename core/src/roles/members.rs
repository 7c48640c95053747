//! Who holds a role.

use super::list;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::page;
use crate::users::rights::carrier::Carrier;
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
    /// Whether they hold it themselves; false: through teams alone.
    pub direct: bool,
    /// The teams through which they hold it.
    pub teams: Vec<Carrier>,
    /// Who gave it to them, or to the first of these teams; null for the hub itself.
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

/// Reads one page of those who hold `id`, themselves or through a team; whoever holds a role that inherits from it is not among
/// them.
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
    // by each way that somebody holds it; their own first
    let mut rows = sqlx::query!(
        r#"SELECT u.id, u.name, bool_or(h.team_id IS NULL) AS "direct!",
             (array_agg(h.granted_by ORDER BY h.team_id NULLS FIRST))[1] AS granted_by,
             (array_agg(h.granted_at ORDER BY h.team_id NULLS FIRST))[1] AS "granted_at!",
             coalesce(array_agg(t.id ORDER BY t.id) FILTER (WHERE t.id IS NOT NULL), '{}') AS "teams!",
             coalesce(array_agg(t.name ORDER BY t.id) FILTER (WHERE t.id IS NOT NULL), '{}') AS "team_names!"
           FROM held_roles h JOIN users u ON u.id = h.user_id AND u.organization_id = $1 LEFT JOIN teams t ON t.id = h.team_id
           WHERE h.organization_id = $1 AND h.role_id = $2 AND u.deleted_at IS NULL AND ($3::uuid IS NULL OR h.user_id > $3)
           GROUP BY h.user_id, u.id ORDER BY h.user_id LIMIT $4"#,
        ctx.organization.0,
        id.0,
        after,
        limit as i64 + 1,
    )
    .fetch_all(&mut *tx)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |end| end.id)?;
    let carriers = |ids: Vec<Uuid>, names: Vec<String>| {
        let teams = ids.into_iter().zip(names).map(|(id, name)| Carrier {
            id: TeamId(id),
            name: Some(name),
        });
        teams.map(|team| team.seen_by(ctx)).collect()
    };
    let items = rows.into_iter().map(|row| Member {
        user: UserId(row.id),
        name: row.name,
        direct: row.direct,
        teams: carriers(row.teams, row.team_names),
        granted_by: row.granted_by.map(UserId),
        granted_at: row.granted_at,
    });
    Ok(MemberList {
        items: items.collect(),
        next_cursor,
    })
}
