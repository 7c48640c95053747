//! SQL of teams. Every statement names the organization; row-level security is the second line.

use super::model::{NewTeam, Team};
use crate::db::PgConnection;
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::id::{OrganizationId, RoleId, TeamId, UserId};
use crate::users::{RoleName, TeamRole};
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// All of them, by name.
pub(super) async fn all(connection: &mut PgConnection, organization: OrganizationId) -> Result<Vec<Team>> {
    read(connection, organization, None).await
}

/// How many people are in each that is not empty.
pub(super) async fn sizes(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<HashMap<TeamId, i64>> {
    let rows = sqlx::query!(
        r#"SELECT team_id, count(*) AS "members!" FROM team_members WHERE organization_id = $1 GROUP BY team_id"#,
        organization.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (TeamId(row.team_id), row.members))
        .collect())
}

/// One of them.
pub(super) async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: TeamId,
) -> Result<Option<Team>> {
    let mut found = read(connection, organization, Some(id)).await?;
    Ok(found.pop())
}

/// All of them, or one.
async fn read(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Option<TeamId>,
) -> Result<Vec<Team>> {
    let rows = sqlx::query!(
        r#"SELECT t.id, t.name, t.description, t.created_at, t.updated_at, t.version, c.ids AS "ids!", c.names AS "names!"
           FROM teams t CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(r.id ORDER BY r.name, r.id), '{}') AS ids,
               coalesce(array_agg(r.name ORDER BY r.name, r.id), '{}') AS names
             FROM team_roles c JOIN roles r ON r.id = c.role_id AND r.organization_id = $1
             WHERE c.organization_id = $1 AND c.team_id = t.id) c
           WHERE t.organization_id = $1 AND ($2::uuid IS NULL OR t.id = $2) ORDER BY lower(t.name), t.id"#,
        organization.0,
        id.map(|id| id.0) as Option<Uuid>,
    )
    .fetch_all(connection)
    .await?;
    let teams = rows.into_iter().map(|row| {
        let roles = row.ids.into_iter().zip(row.names);
        Team {
            id: TeamId(row.id),
            name: row.name,
            description: row.description,
            roles: roles
                .map(|(id, name)| RoleName { id: RoleId(id), name })
                .collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    });
    Ok(teams.collect())
}

/// One of them, and nobody else changes it or who is in it until the transaction ends. Before any person is locked.
pub(super) async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: TeamId,
) -> Result<Option<Team>> {
    let there = sqlx::query_scalar!(
        "SELECT id FROM teams WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization.0,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if there.is_none() {
        return Ok(None);
    }
    find(connection, organization, id).await
}

/// How many there are, counted by one at a time: two who each make the last one would make one too many.
pub(super) async fn count(connection: &mut PgConnection, organization: OrganizationId) -> Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtext('teams'), hashtext($1)) IS NULL AS "locked!""#,
        organization.0.to_string(),
    )
    .fetch_one(&mut *connection)
    .await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM teams WHERE organization_id = $1"#,
        organization.0,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: TeamId,
    team: &NewTeam,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO teams (id, organization_id, name, description, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)",
        id.0,
        organization.0,
        team.name,
        team.description,
        at,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

pub(super) async fn write(
    connection: &mut PgConnection,
    id: TeamId,
    team: &NewTeam,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE teams SET name = $2, description = $3, version = version + 1, updated_at = $4 WHERE id = $1",
        id.0,
        team.name,
        team.description,
        at,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Deletes a team that nobody is in any more.
pub(super) async fn delete(connection: &mut PgConnection, id: TeamId) -> Result<()> {
    sqlx::query!("DELETE FROM teams WHERE id = $1", id.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Who is in it, in the order in which they are to be locked.
pub(super) async fn members(
    connection: &mut PgConnection,
    organization: OrganizationId,
    team: TeamId,
) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT user_id AS "id: UserId" FROM team_members WHERE organization_id = $1 AND team_id = $2 ORDER BY user_id"#,
        organization.0,
        team.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Puts somebody into a team, or gives them another role in it.
pub(super) async fn put(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (team, user, role): (TeamId, UserId, TeamRole),
    by: Option<UserId>,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO team_members (organization_id, team_id, user_id, role, added_by, added_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role",
        organization.0,
        team.0,
        user.0,
        role.as_str(),
        by.map(|by| by.0),
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn take(
    connection: &mut PgConnection,
    organization: OrganizationId,
    team: TeamId,
    user: UserId,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM team_members WHERE organization_id = $1 AND team_id = $2 AND user_id = $3",
        organization.0,
        team.0,
        user.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Has a team carry a role that it does not carry yet. Its row is another then.
pub(super) async fn give(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (team, role): (TeamId, RoleId),
    by: Option<UserId>,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "WITH changed AS (UPDATE teams SET version = version + 1, updated_at = $5 WHERE organization_id = $1 AND id = $2)
         INSERT INTO team_roles (organization_id, team_id, role_id, given_by, given_at) VALUES ($1, $2, $3, $4, $5)",
        organization.0,
        team.0,
        role.0,
        by.map(|by| by.0),
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Has a team no longer carry a role that it carries.
pub(super) async fn strip(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (team, role): (TeamId, RoleId),
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "WITH changed AS (UPDATE teams SET version = version + 1, updated_at = $4 WHERE organization_id = $1 AND id = $2)
         DELETE FROM team_roles WHERE organization_id = $1 AND team_id = $2 AND role_id = $3",
        organization.0,
        team.0,
        role.0,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Two teams of one name: `team.name_taken`.
fn taken(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint != Some("teams_name") {
        return error.into();
    }
    let mut taken = Error::new(
        Kind::Conflict,
        "team.name_taken",
        "There is a team of this name already. Take another name.",
    );
    taken.errors = vec![FieldError {
        field: "name".to_owned(),
        code: "taken".into(),
        detail: "There is a team of this name already.".to_owned(),
    }];
    taken
}
