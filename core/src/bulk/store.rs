//! SQL of acts on many.

use super::model::{BulkAction, BulkItem, BulkRun};
use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{BulkId, JobId, OrganizationId, RoleId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

/// An act to be written.
pub(super) struct New<'a> {
    pub id: BulkId,
    pub job: JobId,
    pub action: BulkAction,
    pub role: Option<RoleId>,
    pub reason: Option<&'a str>,
    pub by: Option<UserId>,
    pub people: &'a [UserId],
}

/// Writes the act and whom it has to reach.
pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    new: &New<'_>,
    at: OffsetDateTime,
) -> Result<()> {
    let people: Vec<Uuid> = new.people.iter().map(|user| user.0).collect();
    sqlx::query!(
        "INSERT INTO user_bulks (id, organization_id, job_id, action, role_id, reason, total, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id.0,
        organization.0,
        new.job.0,
        new.action.as_str(),
        new.role.map(|role| role.0),
        new.reason,
        people.len() as i64,
        new.by.map(|by| by.0),
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO user_bulk_people (organization_id, bulk_id, user_id) SELECT $1, $2, id FROM unnest($3::uuid[]) id",
        organization.0,
        new.id.0,
        &people,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One act.
pub(super) async fn get(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: BulkId,
) -> Result<Option<BulkRun>> {
    let row = sqlx::query!(
        "SELECT job_id, action, role_id, reason, total, done, failed, created_by, created_at, finished_at
         FROM user_bulks WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(BulkRun {
            id,
            job_id: JobId(row.job_id),
            action: BulkAction::parse(&row.action).ok_or_else(|| Error::internal("unknown act on many"))?,
            total: row.total,
            done: row.done,
            failed: row.failed,
            left: row.total - row.done - row.failed,
            created_at: row.created_at,
            finished_at: row.finished_at,
            role: row.role_id.map(RoleId),
            reason: row.reason,
            created_by: row.created_by.map(UserId),
        })
    })
    .transpose()
}

/// The next people it has to reach.
pub(super) async fn next(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: BulkId,
    most: i64,
) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        "SELECT user_id FROM user_bulk_people WHERE organization_id = $1 AND bulk_id = $2 AND code IS NULL
         ORDER BY user_id LIMIT $3",
        organization.0,
        id.0,
        most,
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Takes off the list who was changed, and notes why others were not.
pub(super) async fn keep_results(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: BulkId,
    items: &[BulkItem],
) -> Result<()> {
    let done: Vec<Uuid> = items
        .iter()
        .filter(|item| item.done)
        .map(|item| item.user.0)
        .collect();
    let failed: Vec<&BulkItem> = items.iter().filter(|item| !item.done).collect();
    let users: Vec<Uuid> = failed.iter().map(|item| item.user.0).collect();
    let text = |of: fn(&BulkItem) -> &Option<String>| -> Vec<String> {
        failed
            .iter()
            .map(|item| of(item).clone().unwrap_or_default())
            .collect()
    };
    sqlx::query!(
        "WITH gone AS (DELETE FROM user_bulk_people WHERE organization_id = $1 AND bulk_id = $2 AND user_id = ANY($3)),
         noted AS (
           UPDATE user_bulk_people p SET code = f.code, detail = f.detail
           FROM unnest($4::uuid[], $5::text[], $6::text[]) AS f (user_id, code, detail)
           WHERE p.organization_id = $1 AND p.bulk_id = $2 AND p.user_id = f.user_id)
         UPDATE user_bulks SET done = done + cardinality($3), failed = failed + cardinality($4)
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        &done,
        &users,
        &text(|item| &item.code),
        &text(|item| &item.detail),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An act that is open and whose job is over.
pub(super) async fn to_close(connection: &mut PgConnection) -> Result<Option<(BulkId, JobId)>> {
    let row = sqlx::query!(
        "SELECT b.id, b.job_id FROM user_bulks b JOIN jobs j ON j.id = b.job_id
         WHERE b.finished_at IS NULL AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (BulkId(row.id), JobId(row.job_id))))
}

/// It is over. False when it was already.
pub(super) async fn finish(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: BulkId,
    at: OffsetDateTime,
) -> Result<bool> {
    let finished = sqlx::query!(
        "UPDATE user_bulks SET finished_at = $3 WHERE organization_id = $1 AND id = $2 AND finished_at IS NULL",
        organization.0,
        id.0,
        at,
    )
    .execute(connection)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Whom it could not change, or did not reach, after `after`.
pub(super) async fn left(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: BulkId,
    after: UserId,
    most: i64,
) -> Result<Vec<(UserId, Option<String>, Option<String>)>> {
    let rows = sqlx::query!(
        "SELECT user_id, code, detail FROM user_bulk_people
         WHERE organization_id = $1 AND bulk_id = $2 AND user_id > $3 ORDER BY user_id LIMIT $4",
        organization.0,
        id.0,
        after.0,
        most,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (UserId(row.user_id), row.code, row.detail))
        .collect())
}

/// Open sessions of `people`.
pub(super) async fn open_sessions(
    connection: &mut PgConnection,
    organization: OrganizationId,
    people: &[UserId],
    now: OffsetDateTime,
) -> Result<i64> {
    let people: Vec<Uuid> = people.iter().map(|user| user.0).collect();
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM user_sessions
           WHERE organization_id = $1 AND user_id = ANY($2) AND revoked_at IS NULL AND expires_at > $3"#,
        organization.0,
        &people,
        now,
    )
    .fetch_one(connection)
    .await?)
}
