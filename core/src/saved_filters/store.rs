//! SQL of views.

use super::input::Written;
use super::model::{Audience, AudienceKind, SavedFilter};
use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, SavedFilterId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Views that `user` sees: of one page, or one by its id. A view for holders of a role is seen by holders of roles that inherit
/// from it too.
pub(super) async fn seen(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    page: Option<&str>,
    id: Option<SavedFilterId>,
) -> Result<Vec<SavedFilter>> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE held (role_id) AS (
             SELECT role_id FROM held_roles WHERE organization_id = $1 AND user_id = $2
             UNION
             SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
           SELECT f.id, f.page, f.name, f.query, f.owner_id, u.name AS owner_name, f.audience, f.audience_id,
             coalesce(t.name, r.name) AS "audience_name?", d.filter_id IS NOT NULL AS "is_default!",
             f.version, f.created_at, f.updated_at
           FROM saved_filters f JOIN users u ON u.id = f.owner_id
             LEFT JOIN teams t ON f.audience = 'team' AND t.id = f.audience_id
             LEFT JOIN roles r ON f.audience = 'role' AND r.id = f.audience_id
             LEFT JOIN saved_filter_defaults d ON d.filter_id = f.id AND d.user_id = $2
           WHERE f.organization_id = $1 AND ($3::text IS NULL OR f.page = $3) AND ($4::uuid IS NULL OR f.id = $4)
             AND (f.owner_id = $2 OR f.audience = 'everyone'
               OR f.audience = 'team' AND f.audience_id IN (
                 SELECT team_id FROM team_members WHERE organization_id = $1 AND user_id = $2)
               OR f.audience = 'role' AND f.audience_id IN (SELECT role_id FROM held))
           ORDER BY f.owner_id <> $2, lower(f.name), f.id LIMIT 500"#,
        organization.0,
        user.0,
        page,
        id.map(|id| id.0),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SavedFilter {
                id: SavedFilterId(row.id),
                page: row.page,
                name: row.name,
                query: row.query,
                owner_id: UserId(row.owner_id),
                owner_name: row.owner_name,
                audience: Audience {
                    kind: AudienceKind::parse(&row.audience)
                        .ok_or_else(|| Error::internal("unknown audience"))?,
                    id: row.audience_id,
                    name: row.audience_name,
                },
                is_default: row.is_default,
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
                can: Vec::new(),
            })
        })
        .collect()
}

/// Whether `user` is in the team, or holds the role, that a view is for.
pub(super) async fn belongs(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    kind: AudienceKind,
    id: Option<Uuid>,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT CASE $3
             WHEN 'team' THEN EXISTS (SELECT FROM team_members WHERE organization_id = $1 AND user_id = $2 AND team_id = $4)
             WHEN 'role' THEN EXISTS (SELECT FROM held_roles WHERE organization_id = $1 AND user_id = $2 AND role_id = $4)
             ELSE $3 = 'me' END AS "belongs!""#,
        organization.0,
        user.0,
        kind.as_str(),
        id,
    )
    .fetch_one(connection)
    .await?)
}

/// Whether there is such a team or role.
pub(super) async fn exists(
    connection: &mut PgConnection,
    organization: OrganizationId,
    kind: AudienceKind,
    id: Option<Uuid>,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT CASE $2
             WHEN 'team' THEN EXISTS (SELECT FROM teams WHERE organization_id = $1 AND id = $3)
             WHEN 'role' THEN EXISTS (SELECT FROM roles WHERE organization_id = $1 AND id = $3)
             ELSE true END AS "exists!""#,
        organization.0,
        kind.as_str(),
        id,
    )
    .fetch_one(connection)
    .await?)
}

/// Locks a view for its change; false when it is gone.
pub(super) async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: SavedFilterId,
) -> Result<bool> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM saved_filters WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization.0,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// Views of one person. Their row is locked, so that two requests cannot both be the last that fits.
pub(super) async fn count(
    connection: &mut PgConnection,
    organization: OrganizationId,
    owner: UserId,
) -> Result<i64> {
    sqlx::query_scalar!("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", owner.0)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM saved_filters WHERE organization_id = $1 AND owner_id = $2"#,
        organization.0,
        owner.0
    )
    .fetch_one(connection)
    .await?)
}

/// Adds a view.
pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: SavedFilterId,
    owner: UserId,
    written: &Written,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO saved_filters (id, organization_id, page, name, query, owner_id, audience, audience_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        id.0,
        organization.0,
        written.page,
        written.name,
        written.query,
        owner.0,
        written.audience.as_str(),
        written.audience_id,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes a view.
pub(super) async fn update(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: SavedFilterId,
    written: &Written,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE saved_filters SET name = $3, query = $4, audience = $5, audience_id = $6, version = version + 1, updated_at = $7
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        written.name,
        written.query,
        written.audience.as_str(),
        written.audience_id,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a view.
pub(super) async fn delete(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: SavedFilterId,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM saved_filters WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Has a page open with a view, or without one.
pub(super) async fn set_default(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    page: &str,
    id: Option<SavedFilterId>,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM saved_filter_defaults WHERE organization_id = $1 AND user_id = $2 AND page = $3",
        organization.0,
        user.0,
        page,
    )
    .execute(&mut *connection)
    .await?;
    if let Some(id) = id {
        sqlx::query!(
            "INSERT INTO saved_filter_defaults (organization_id, user_id, page, filter_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, page) DO UPDATE SET filter_id = EXCLUDED.filter_id",
            organization.0,
            user.0,
            page,
            id.0,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}
