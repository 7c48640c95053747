//! Why somebody may do something, and who may do it.

use super::direct::Held;
use super::statement;
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::page;
use crate::kernel::permission::{Resource, ResourceFacts};
use crate::users::UserStatus;
use crate::users::rights::proof::{Line, Proof, prove};
use crate::users::rights::{self, read, read::Roles};
use serde::{Deserialize, Serialize};
use std::iter::once;
use uuid::Uuid;

/// A question: may somebody do this, to this row or to everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who.
    pub user: UserId,
    /// `<feature>:<verb>`.
    pub permission: String,
    /// The row; `None` for everything.
    pub resource: Option<Resource>,
}

/// The answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    /// Who.
    pub user: UserId,
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub permission: String,
    /// The row; null for everything.
    pub resource: Option<Resource>,
    /// The answer, what decided, and every statement that reaches the person.
    #[serde(flatten)]
    pub proof: Proof,
}

/// What is known of a row, or `None` where this organization has no such row.
async fn facts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    row: &Resource,
) -> Result<Option<Vec<Uuid>>> {
    let there = statement::there(&mut *connection, organization, once(row)).await?;
    if !there.contains(row) {
        return Ok(None);
    }
    rights::teams_of(connection, organization, row).await.map(Some)
}

/// Why, as things are now.
pub async fn explain(store: &Store, ctx: &Ctx, question: &Question) -> Result<Explanation> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let user = crate::users::store::find(&mut tx, ctx.organization, question.user).await?;
    let user = user
        .filter(|user| user.is_permitted(ctx, "users:read") || ctx.is_oneself(user.id))
        .ok_or_else(|| Error::not_found("user"))?;
    require_known(&mut tx, &question.permission, question.resource.as_ref()).await?;
    let teams = match &question.resource {
        None => Vec::new(),
        Some(row) => facts(&mut tx, ctx.organization, row)
            .await?
            .ok_or_else(|| Error::not_found("resource"))?,
    };
    let model = read::model(&mut tx, ctx.organization, &[question.user], Roles::These(&[])).await?;
    let facts = question
        .resource
        .as_ref()
        .map(|row| of_row(ctx.organization, row, &teams));
    // whom one may not see is not there, as a row neither
    let shown = |row: &ResourceFacts<'_>| {
        row.kind != "user" || ctx.permissions.permits("users:read", row) || ctx.is_oneself(UserId(row.id))
    };
    if !facts.as_ref().is_none_or(shown) {
        return Err(Error::not_found("resource"));
    }
    let mut proof = prove(&model, question.user, &question.permission, facts.as_ref());
    let seen = |line: Line| Line {
        team: line.team.map(|team| team.seen_by(ctx)),
        ..line
    };
    proof.lines = proof.lines.into_iter().map(seen).collect();
    if user.status != UserStatus::Active {
        proof = proof.of_nobody_active();
    }
    Ok(Explanation {
        user: question.user,
        permission: question.permission.clone(),
        resource: question.resource.clone(),
        proof,
    })
}

fn of_row<'a>(organization: OrganizationId, row: &'a Resource, teams: &'a [Uuid]) -> ResourceFacts<'a> {
    ResourceFacts {
        organization,
        kind: &row.kind,
        id: row.id,
        owner: (row.kind == "user").then_some(row.id),
        teams,
    }
}

/// Passes for a permission that there is, and a row of the kind that it is about.
async fn require_known(
    connection: &mut PgConnection,
    permission: &str,
    row: Option<&Resource>,
) -> Result<()> {
    let kind = sqlx::query_scalar!(
        "SELECT row_kind FROM permissions WHERE name = $1",
        // a text with NUL is no name
        permission.replace('\0', "?"),
    )
    .fetch_optional(connection)
    .await?;
    let Some(kind) = kind else {
        return Err(Error::field(
            "permission",
            "unknown",
            "There is no such permission; choose from GET /api/v1/permissions.",
        ));
    };
    if row.is_none_or(|row| kind.as_deref() == Some(&*row.kind)) {
        return Ok(());
    }
    Err(Error::field(
        "resource_kind",
        "other_kind",
        "This permission is not about rows of this kind; see row_kind of GET /api/v1/permissions.",
    ))
}

/// Somebody who may.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Holder {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// How far they hold it.
    #[serde(flatten)]
    pub held: Held,
}

/// A page of them.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct HolderList {
    /// People; a page may be short, or empty, before the last.
    pub items: Vec<Holder>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Reads one page of those who are active and may use `permission` on `resource`; without one, on anything at all. Looks through the people of
/// whom something is said about it, a page of them at a time: those who are denied it, or whose grant is about other rows,
/// are left out of the page and not made up for.
pub async fn who_can(
    store: &Store,
    ctx: &Ctx,
    permission: &str,
    resource: Option<&Resource>,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<HolderList> {
    ctx.require("roles:read")?;
    ctx.require("users:read")?;
    let limit = page::limit(limit)? as usize;
    let after: Option<Uuid> = cursor.map(page::decode_cursor).transpose()?;
    let mut tx = store.db.primary(ctx.organization).await?;
    require_known(&mut tx, permission, resource).await?;
    let teams = match resource {
        None => Vec::new(),
        Some(row) => facts(&mut tx, ctx.organization, row)
            .await?
            .ok_or_else(|| Error::not_found("resource"))?,
    };
    let roles = read::model(&mut tx, ctx.organization, &[], Roles::All).await?;
    let giving = roles
        .roles
        .keys()
        .filter(|role| roles.gives(**role).granted.contains_key(permission));
    let giving: Vec<Uuid> = giving.map(|role| role.0).collect();
    let mut rows = sqlx::query!(
        "SELECT id, name FROM users WHERE organization_id = $1 AND deleted_at IS NULL AND status = 'active' AND ($4::uuid IS NULL OR id > $4) AND (
           id IN (SELECT user_id FROM held_roles WHERE organization_id = $1 AND role_id = ANY($2)) OR
           id IN (SELECT user_id FROM user_permissions WHERE organization_id = $1 AND permission = $3
                    AND (granted OR only_on IS NOT NULL)))
         ORDER BY id LIMIT $5",
        ctx.organization.0,
        &giving,
        permission,
        after,
        limit as i64 + 1,
    )
    .fetch_all(&mut *tx)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |end| end.id)?;
    let ids: Vec<UserId> = rows.iter().map(|row| UserId(row.id)).collect();
    let sets = rights::of_many(&mut tx, ctx.organization, &ids).await?;
    let facts = resource.map(|row| of_row(ctx.organization, row, &teams));
    let items = rows.into_iter().filter_map(|row| {
        let set = sets.get(&UserId(row.id))?;
        let reach = set.reach(permission)?;
        let may = facts.as_ref().is_none_or(|facts| set.permits(permission, facts));
        may.then(|| Holder {
            user: UserId(row.id),
            name: row.name,
            held: Held::of(permission, reach),
        })
    });
    Ok(HolderList {
        items: items.collect(),
        next_cursor,
    })
}
