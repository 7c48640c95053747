//! SQL of exports and erasures.

use super::model::{Erasure, ErasureState, Export, ExportState};
use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{ErasureId, ExportId, JobId, OrganizationId, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;

fn word<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(Value::from(text)).map_err(Error::internal)
}

/// Writes an export that was asked for.
pub(super) async fn insert_export(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (id, user, by, job): (ExportId, UserId, UserId, JobId),
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO personal_data_exports (id, organization_id, user_id, requested_by, job_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        organization.0,
        user.0,
        by.0,
        job.0,
        at,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Exports that `by` asked for: all, or one.
pub(super) async fn exports(
    connection: &mut PgConnection,
    organization: OrganizationId,
    by: UserId,
    id: Option<ExportId>,
    now: OffsetDateTime,
) -> Result<Vec<Export>> {
    let rows = sqlx::query!(
        "SELECT e.id, e.user_id, u.name AS user_name, e.job_id, e.state, e.size, e.created_at, e.expires_at
         FROM personal_data_exports e JOIN users u ON u.id = e.user_id
         WHERE e.organization_id = $1 AND e.requested_by = $2 AND ($3::uuid IS NULL OR e.id = $3) AND e.expires_at > $4
         ORDER BY e.created_at DESC, e.id DESC LIMIT 50",
        organization.0,
        by.0,
        id.map(|id| id.0),
        now,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Export {
                id: ExportId(row.id),
                user_id: UserId(row.user_id),
                user_name: row.user_name,
                job_id: JobId(row.job_id),
                state: word(&row.state)?,
                size: row.size,
                created_at: row.created_at,
                expires_at: row.expires_at,
            })
        })
        .collect()
}

/// About whom an export is, and where it stands; `None` when it is gone.
pub(super) async fn export_of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ExportId,
) -> Result<Option<(UserId, ExportState)>> {
    let row = sqlx::query!(
        "SELECT user_id, state FROM personal_data_exports WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((UserId(row.user_id), word(&row.state)?)))
        .transpose()
}

/// Where an export stands, locked; `None` when it is gone.
pub(super) async fn lock_export(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ExportId,
) -> Result<Option<ExportState>> {
    let state = sqlx::query_scalar!(
        "SELECT state FROM personal_data_exports WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization.0,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    state.as_deref().map(word).transpose()
}

/// An export that is still being made and whose job is over: its id, about whom, its job.
pub(super) async fn export_to_close(
    connection: &mut PgConnection,
) -> Result<Option<(ExportId, UserId, JobId)>> {
    let row = sqlx::query!(
        "SELECT e.id, e.user_id, e.job_id FROM personal_data_exports e JOIN jobs j ON j.id = e.job_id
         WHERE e.state = 'making' AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (ExportId(row.id), UserId(row.user_id), JobId(row.job_id))))
}

/// Stages a part. Nobody sees it before the whole is ready.
pub(super) async fn stage_part(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ExportId,
    n: i32,
    bytes: &[u8],
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO personal_data_parts (organization_id, export_id, n, bytes) VALUES ($1, $2, $3, $4)",
        organization.0,
        id.0,
        n,
        bytes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One part, from 0; `None` after the last.
pub(super) async fn part(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ExportId,
    n: i32,
) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        "SELECT bytes FROM personal_data_parts WHERE organization_id = $1 AND export_id = $2 AND n = $3",
        organization.0,
        id.0,
        n,
    )
    .fetch_optional(connection)
    .await?)
}

/// An export is over. What was staged of one that failed goes.
pub(super) async fn finish_export(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ExportId,
    ready: bool,
    (at, expires_at): (OffsetDateTime, OffsetDateTime),
) -> Result<()> {
    sqlx::query!(
        "WITH gone AS (
           DELETE FROM personal_data_parts WHERE organization_id = $1 AND export_id = $2 AND NOT $3)
         UPDATE personal_data_exports SET state = CASE WHEN $3 THEN 'ready' ELSE 'failed' END, finished_at = $4, expires_at = $5,
           size = (SELECT coalesce(sum(length(bytes)), 0) FROM personal_data_parts
                   WHERE organization_id = $1 AND export_id = $2 AND $3)
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        ready,
        at,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The person, deleted or not, locked.
pub(super) struct Person {
    pub email: String,
    pub name: String,
    pub phone: Option<String>,
    pub status: String,
    pub deleted: bool,
    pub version: i64,
}

/// Locks the person.
pub(super) async fn lock_person(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
) -> Result<Option<Person>> {
    Ok(sqlx::query_as!(
        Person,
        r#"SELECT email, name, phone, status, deleted_at IS NOT NULL AS "deleted!", version FROM users
           WHERE organization_id = $1 AND id = $2 FOR UPDATE"#,
        organization.0,
        id.0
    )
    .fetch_optional(connection)
    .await?)
}

/// Clears the person's row, and replaces the salt.
pub(super) async fn clear_person(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    at: OffsetDateTime,
) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "UPDATE users SET email = 'erased-' || id || '@erased.invalid', name = '', phone = NULL, department = NULL,
           profile_image = NULL, employment_equity = NULL, metadata = '{}', password_hash = NULL, ban_reason = NULL,
           last_login_at = NULL, seal_salt = gen_random_uuid(), deleted_at = coalesce(deleted_at, $3),
           sessions_not_before = greatest(sessions_not_before, $3), access_version = access_version + 1,
           version = version + 1, updated_at = $3
         WHERE organization_id = $1 AND id = $2 RETURNING version",
        organization.0,
        id.0,
        at,
    )
    .fetch_one(connection)
    .await?)
}

/// Ends the person's keys.
pub(super) async fn end_keys(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    at: OffsetDateTime,
) -> Result<Vec<uuid::Uuid>> {
    Ok(sqlx::query_scalar!(
        "UPDATE api_keys SET revoked_at = $3, revoked_reason = 'Its owner was erased.', version = version + 1
         WHERE organization_id = $1 AND owner_id = $2 AND revoked_at IS NULL RETURNING id",
        organization.0,
        id.0,
        at,
    )
    .fetch_all(connection)
    .await?)
}

/// The salt under which what the audit tells of the person is sealed.
pub(super) async fn salt(connection: &mut PgConnection, id: UserId) -> Result<Option<uuid::Uuid>> {
    Ok(
        sqlx::query_scalar!("SELECT seal_salt FROM users WHERE id = $1", id.0)
            .fetch_optional(connection)
            .await?,
    )
}

/// The next of the organization's uploaded files after `after`.
pub(super) async fn next_file(
    connection: &mut PgConnection,
    organization: OrganizationId,
    after: uuid::Uuid,
) -> Result<Option<uuid::Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM files WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT 1",
        organization.0,
        after,
    )
    .fetch_optional(connection)
    .await?)
}

/// Keeps the address from being used again.
pub(super) async fn bar_address(
    connection: &mut PgConnection,
    organization: OrganizationId,
    hash: &[u8],
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO erased_addresses (organization_id, hash, erased_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        organization.0,
        hash,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes an erasure that was asked for.
pub(super) async fn insert_erasure(
    connection: &mut PgConnection,
    organization: OrganizationId,
    erasure: &Erasure,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO erasures (id, organization_id, user_id, requested_by, reason, job_id, due_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        erasure.id.0,
        organization.0,
        erasure.user_id.0,
        erasure.requested_by.map(|by| by.0),
        erasure.reason,
        erasure.job_id.0,
        erasure.due_at,
        erasure.created_at,
    )
    .execute(connection)
    .await
    .map_err(
        |error| match error.as_database_error().and_then(|db| db.constraint()) {
            Some("erasures_open") => Error::new(
                crate::kernel::error::Kind::Conflict,
                "user.erasure_waiting",
                "An erasure of this person is waiting already. Cancel it first.",
            ),
            _ => error.into(),
        },
    )?;
    Ok(())
}

/// The newest erasure of a person.
pub(super) async fn erasure(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<Erasure>> {
    let row = sqlx::query!(
        "SELECT id, requested_by, reason, job_id, state, due_at, created_at, finished_at FROM erasures
         WHERE organization_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT 1",
        organization.0,
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Erasure {
            id: ErasureId(row.id),
            user_id: user,
            requested_by: row.requested_by.map(UserId),
            reason: row.reason,
            job_id: JobId(row.job_id),
            state: word(&row.state)?,
            due_at: row.due_at,
            created_at: row.created_at,
            finished_at: row.finished_at,
        })
    })
    .transpose()
}

/// Where an erasure stands, locked; `None` when there is none.
pub(super) async fn lock_erasure(
    connection: &mut PgConnection,
    id: ErasureId,
) -> Result<Option<ErasureState>> {
    let state = sqlx::query_scalar!("SELECT state FROM erasures WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(connection)
        .await?;
    state.as_deref().map(word).transpose()
}

/// An erasure that is open and whose job is over: its id, whose, its job.
pub(super) async fn erasure_to_close(
    connection: &mut PgConnection,
) -> Result<Option<(ErasureId, UserId, JobId)>> {
    let row = sqlx::query!(
        "SELECT e.id, e.user_id, e.job_id FROM erasures e JOIN jobs j ON j.id = e.job_id
         WHERE e.state IN ('waiting', 'running') AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined')
         LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (ErasureId(row.id), UserId(row.user_id), JobId(row.job_id))))
}

/// Moves an erasure on. False when it is over already, and then it stays as it is.
pub(super) async fn set_erasure(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ErasureId,
    state: ErasureState,
    (at, by): (OffsetDateTime, Option<UserId>),
) -> Result<bool> {
    let over = !matches!(state, ErasureState::Waiting | ErasureState::Running);
    let state = match state {
        ErasureState::Waiting => "waiting",
        ErasureState::Running => "running",
        ErasureState::Done => "done",
        ErasureState::Failed => "failed",
        ErasureState::Cancelled => "cancelled",
    };
    let moved = sqlx::query!(
        "UPDATE erasures SET state = $3, finished_at = CASE WHEN $4 THEN $5 ELSE finished_at END,
           cancelled_by = coalesce($6, cancelled_by)
         WHERE organization_id = $1 AND id = $2 AND state IN ('waiting', 'running')",
        organization.0,
        id.0,
        state,
        over,
        at,
        by.map(|by| by.0),
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}
