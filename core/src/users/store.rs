//! SQL of people. Every statement names the organization; row-level security is the second line.

mod standing;

pub use standing::{Ended, access_changed, end_sessions};
pub(super) use standing::{activate, ban, delete, free_address, reset_password, set_status, unban};

use super::model::{InTeam, RoleName, TeamRole, User, UserStatus};
use crate::db::PgConnection;
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::id::{ImportId, OrganizationId, RoleId, TeamId, UserId};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

/// A row of `users` as it is read.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Row {
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub status: String,
    pub phone: Option<String>,
    pub department: Option<String>,
    pub profile_image: Option<String>,
    pub employment_equity: Option<Value>,
    pub metadata: Value,
    pub last_login_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub banned_at: Option<OffsetDateTime>,
    pub ban_reason: Option<String>,
    pub version: i64,
    pub last_import_id: Option<Uuid>,
    pub must_change_password: bool,
    pub seal_salt: Uuid,
    pub access_version: i64,
}

impl Row {
    /// For built queries; the order does not matter.
    pub const COLUMNS: &str = "id, email, name, status, phone, department, profile_image, employment_equity, metadata, last_login_at, \
         created_at, updated_at, banned_at, ban_reason, version, last_import_id, must_change_password, seal_salt, \
         access_version";

    fn into_user(self, (roles, teams): Held) -> Result<User> {
        Ok(User {
            id: UserId(self.id),
            email: self.email,
            name: self.name,
            status: UserStatus::parse(&self.status).ok_or_else(|| Error::internal("unknown user status"))?,
            phone: self.phone,
            department: self.department,
            profile_image: self.profile_image,
            employment_equity: self.employment_equity,
            metadata: self.metadata,
            roles,
            teams,
            last_login_at: self.last_login_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
            banned_at: self.banned_at,
            ban_reason: self.ban_reason,
            version: self.version,
            last_import_id: self.last_import_id.map(ImportId),
            must_change_password: self.must_change_password,
            seal_salt: self.seal_salt,
            access_version: self.access_version,
        })
    }
}

/// The roles and teams of one person.
type Held = (Vec<RoleName>, Vec<InTeam>);

/// Gives `rows` their roles and teams, in one statement, and keeps their order.
pub(super) async fn with_roles(
    connection: &mut PgConnection,
    organization: OrganizationId,
    rows: Vec<Row>,
) -> Result<Vec<User>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut held: HashMap<Uuid, Held> = HashMap::new();
    let found = sqlx::query!(
        r#"SELECT user_id AS "user_id!", id AS "id!", name, role FROM (
             SELECT ur.user_id, r.id, r.name, NULL AS role FROM user_roles ur JOIN roles r ON r.id = ur.role_id
             WHERE ur.organization_id = $1 AND ur.user_id = ANY($2)
             UNION ALL
             SELECT user_id, team_id, NULL, role FROM team_members WHERE organization_id = $1 AND user_id = ANY($2)) held
           ORDER BY name, id"#,
        organization.0,
        &ids
    )
    .fetch_all(connection)
    .await?;
    for one in found {
        let (roles, teams) = held.entry(one.user_id).or_default();
        match (one.name, one.role.as_deref().and_then(TeamRole::parse)) {
            (Some(name), _) => roles.push(RoleName {
                id: RoleId(one.id),
                name,
            }),
            (None, Some(role)) => teams.push(InTeam {
                id: TeamId(one.id),
                role,
            }),
            (None, None) => return Err(Error::internal("unknown role in a team")),
        }
    }
    rows.into_iter()
        .map(|row| {
            let held = held.remove(&row.id).unwrap_or_default();
            row.into_user(held)
        })
        .collect()
}

/// Reads one person who is not deleted.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
) -> Result<Option<User>> {
    let mut found = find_many(connection, organization, &[id]).await?;
    Ok(found.pop())
}

/// Reads those of `ids` who are not deleted, in no particular order.
pub async fn find_many(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[UserId],
) -> Result<Vec<User>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, email, name, status, phone, department, profile_image, employment_equity, metadata, last_login_at,
           created_at, updated_at, banned_at, ban_reason, version, last_import_id, must_change_password, seal_salt,
           access_version
         FROM users WHERE organization_id = $1 AND id = ANY($2) AND deleted_at IS NULL",
        organization.0,
        &ids
    )
    .fetch_all(&mut *connection)
    .await?;
    with_roles(connection, organization, rows).await
}

/// Locks one person until the transaction ends, then reads them: everything about one person happens in order. The lock
/// is the strong one, so that a sign-in under way is over before a ban looks for sessions to end.
pub async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
) -> Result<Option<User>> {
    let there = sqlx::query_scalar!(
        "SELECT id FROM users WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE",
        organization.0,
        id.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    if there.is_none() {
        return Ok(None);
    }
    find(connection, organization, id).await
}

/// The person with this address.
pub async fn find_by_email(
    connection: &mut PgConnection,
    organization: OrganizationId,
    email: &str,
) -> Result<Option<UserId>> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM users WHERE organization_id = $1 AND email = $2 AND deleted_at IS NULL",
        organization.0,
        email
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(UserId))
}

/// What somebody writes about a person; checked before it comes here.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "profile_image is the field's founding name"
)]
pub(super) struct Profile {
    pub email: String,
    pub name: String,
    pub phone: Option<String>,
    pub department: Option<String>,
    pub profile_image: Option<String>,
    pub employment_equity: Option<Value>,
    pub metadata: Value,
}

/// Adds a person with roles.
pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    profile: &Profile,
    (status, password_hash): (UserStatus, Option<&str>),
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO users (id, organization_id, email, name, phone, department, profile_image, employment_equity,
           metadata, password_hash, password_changed_at, created_at, updated_at, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $10::text IS NULL THEN NULL ELSE $11::timestamptz END, $11, $11,
           $12)",
        id.0,
        organization.0,
        profile.email,
        profile.name,
        profile.phone,
        profile.department,
        profile.profile_image,
        profile.employment_equity,
        profile.metadata,
        password_hash,
        at,
        status.as_str(),
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Gives a person another address; links to a new password that went to the one of before are of no use any more.
pub(super) async fn readdress(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    email: &str,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "WITH links AS (DELETE FROM password_resets WHERE organization_id = $1 AND user_id = $2)
         UPDATE users SET email = $3, version = version + 1, updated_at = $4 WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        email,
        at,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Whether there is such a role.
pub async fn is_role(
    connection: &mut PgConnection,
    organization: OrganizationId,
    role: RoleId,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM roles WHERE organization_id = $1 AND id = $2) AS "there!""#,
        organization.0,
        role.0,
    )
    .fetch_one(connection)
    .await?)
}

/// Whether the address with this keyed hash was a person's who was erased, and may not be used again.
pub(super) async fn is_barred(
    connection: &mut PgConnection,
    organization: OrganizationId,
    hash: &[u8],
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM erased_addresses WHERE organization_id = $1 AND hash = $2) AS "barred!""#,
        organization.0,
        hash,
    )
    .fetch_one(connection)
    .await?)
}

/// Whether the organization keeps any address from being used again.
pub(super) async fn bars_any(connection: &mut PgConnection, organization: OrganizationId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM erased_addresses WHERE organization_id = $1) AS "any!""#,
        organization.0,
    )
    .fetch_one(connection)
    .await?)
}

/// Those of `hashes` for which [`is_barred`] holds.
pub(super) async fn barred(
    connection: &mut PgConnection,
    organization: OrganizationId,
    hashes: &[Vec<u8>],
) -> Result<HashSet<Vec<u8>>> {
    let found = sqlx::query_scalar!(
        "SELECT hash FROM erased_addresses WHERE organization_id = $1 AND hash = ANY($2)",
        organization.0,
        hashes,
    )
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}

/// Gives roles to a person who has none.
pub(super) async fn give_roles(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    roles: &[RoleId],
    by: Option<UserId>,
    at: OffsetDateTime,
) -> Result<()> {
    let roles: Vec<Uuid> = roles.iter().map(|role| role.0).collect();
    sqlx::query!(
        "INSERT INTO user_roles (organization_id, user_id, role_id, granted_by, granted_at)
         SELECT DISTINCT $1::uuid, $2::uuid, role, $4::uuid, $5::timestamptz FROM unnest($3::uuid[]) role",
        organization.0,
        id.0,
        &roles,
        by.map(|by| by.0),
        at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a person's profile. With another address, the link of an invitation that went to the one of before is over.
pub(super) async fn write_profile(
    connection: &mut PgConnection,
    id: UserId,
    profile: &Profile,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "WITH readdressed AS (UPDATE invitations SET token_hash = NULL, expires_at = least(expires_at, $9), version = version + 1
           WHERE user_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL
             AND EXISTS (SELECT FROM users WHERE id = $1 AND email <> $2))
         UPDATE users SET email = $2, name = $3, phone = $4, department = $5, profile_image = $6,
           employment_equity = $7, metadata = $8, version = version + 1, updated_at = $9 WHERE id = $1",
        id.0,
        profile.email,
        profile.name,
        profile.phone,
        profile.department,
        profile.profile_image,
        profile.employment_equity,
        profile.metadata,
        at,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// Two people with one address: `user.email_taken`.
fn taken(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint != Some("users_email_key") {
        return error.into();
    }
    let mut taken = Error::new(
        Kind::Conflict,
        "user.email_taken",
        "Somebody has this e-mail address already. Find and change them, or use another address.",
    );
    taken.errors = vec![FieldError {
        field: "email".to_owned(),
        code: "taken".into(),
        detail: "Somebody has this address already.".to_owned(),
    }];
    taken
}
