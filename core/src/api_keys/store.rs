//! Table `api_keys`.

use super::model::ApiKey;
use super::secret::Hash;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ApiKeyId, OrganizationId, UserId};
use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

/// Which keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Which<'a> {
    pub id: Option<ApiKeyId>,
    pub owner: Option<UserId>,
    /// How its secret begins.
    pub hint: Option<&'a str>,
    /// Older than this: the end of the page before.
    pub before: Option<(OffsetDateTime, Uuid)>,
}

/// Reads keys, newest first.
pub(super) async fn select(
    connection: &mut PgConnection,
    organization: OrganizationId,
    which: Which<'_>,
    limit: i64,
) -> Result<Vec<ApiKey>> {
    let (at, id) = which.before.unzip();
    let rows = sqlx::query!(
        r#"SELECT id, name, owner_id, hint, generation, previous_until, scopes, addresses AS "addresses: Vec<IpNet>",
             requests_per_minute, resource_limits, created_at, rotated_at, expires_at, first_used_at, last_used_at, last_used_ip AS "last_used_ip: IpNet",
             revoked_at, revoked_reason, version
           FROM api_keys
           WHERE organization_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR owner_id = $3)
             AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5)) AND ($6::text IS NULL OR hint = $6)
           ORDER BY created_at DESC, id DESC LIMIT $7"#,
        organization.0,
        which.id.map(|id| id.0),
        which.owner.map(|id| id.0),
        at,
        id,
        which.hint,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let keys = rows.into_iter().map(|row| {
        Ok(ApiKey {
            id: ApiKeyId(row.id),
            name: row.name,
            owner: UserId(row.owner_id),
            hint: row.hint,
            generation: row.generation,
            previous_until: row.previous_until,
            scopes: row.scopes,
            addresses: row.addresses,
            requests_per_minute: row.requests_per_minute,
            resource_limits: serde_json::from_value(row.resource_limits)?,
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            expires_at: row.expires_at,
            first_used_at: row.first_used_at,
            last_used_at: row.last_used_at,
            last_used_ip: row.last_used_ip,
            revoked_at: row.revoked_at,
            revoked_reason: row.revoked_reason,
            version: row.version,
        })
    });
    keys.collect()
}

/// Reads one key.
pub(super) async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<ApiKey>> {
    let which = Which {
        id: Some(id),
        ..Which::default()
    };
    Ok(select(connection, organization, which, 1).await?.pop())
}

/// Takes a key's row for this transaction, so that its events stand in the order of its changes.
pub(super) async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
) -> Result<Option<ApiKey>> {
    sqlx::query!(
        "SELECT id FROM api_keys WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE",
        organization.0,
        id.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    one(connection, organization, id).await
}

/// How many keys of `owner` are not revoked; one that has ended may be given a later end.
pub(super) async fn count(
    connection: &mut PgConnection,
    organization: OrganizationId,
    owner: UserId,
) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM api_keys
           WHERE organization_id = $1 AND owner_id = $2 AND revoked_at IS NULL"#,
        organization.0,
        owner.0,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &ApiKey,
    hash: &Hash,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO api_keys (id, organization_id, name, owner_id, hint, hash, scopes, addresses, requests_per_minute,
           created_at, updated_at, expires_at, resource_limits)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[]::cidr[], $9, $10, $10, $11, $12)",
        key.id.0,
        organization.0,
        key.name,
        key.owner.0,
        key.hint,
        hash.as_slice(),
        &key.scopes,
        &texts(&key.addresses),
        key.requests_per_minute,
        key.created_at,
        key.expires_at,
        serde_json::to_value(&key.resource_limits)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes what a person may change of a key.
pub(super) async fn write(
    connection: &mut PgConnection,
    organization: OrganizationId,
    key: &ApiKey,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE api_keys SET name = $3, scopes = $4, addresses = $5::text[]::cidr[], requests_per_minute = $6,
           warned_at = CASE WHEN expires_at IS NOT DISTINCT FROM $7 THEN warned_at END, expires_at = $7,
           updated_at = $8, resource_limits = $9, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        key.id.0,
        key.name,
        &key.scopes,
        &texts(&key.addresses),
        key.requests_per_minute,
        key.expires_at,
        at,
        serde_json::to_value(&key.resource_limits)?,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a key another secret; the one of now works until `until`.
pub(super) async fn rotate(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
    (hint, hash): (&str, &Hash),
    until: Option<OffsetDateTime>,
    (expires_at, at): (Option<OffsetDateTime>, OffsetDateTime),
) -> Result<()> {
    sqlx::query!(
        "UPDATE api_keys SET previous_hash = CASE WHEN $5::timestamptz IS NULL THEN NULL ELSE hash END, previous_until = $5,
           hash = $4, hint = $3, generation = generation + 1, rotated_at = $7,
           warned_at = CASE WHEN expires_at IS NOT DISTINCT FROM $6 THEN warned_at END, expires_at = $6,
           updated_at = $7, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        hint,
        hash.as_slice(),
        until,
        expires_at,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn revoke(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
    (reason, at): (&str, OffsetDateTime),
) -> Result<()> {
    sqlx::query!(
        "UPDATE api_keys SET revoked_at = $4, revoked_reason = $3, previous_hash = NULL, previous_until = NULL,
           updated_at = $4, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        reason,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}
