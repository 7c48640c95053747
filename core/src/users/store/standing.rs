//! SQL of a person's standing: active, banned, suspended or deleted, whether their password is good, and the end of their
//! sessions.

use crate::db::PgConnection;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::users::model::UserStatus;
use time::OffsetDateTime;
use uuid::Uuid;

/// Lets whoever was invited sign in, with a password of theirs.
pub(in crate::users) async fn activate(
    connection: &mut PgConnection,
    id: UserId,
    password_hash: &str,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET status = 'active', password_hash = $2, must_change_password = false, password_changed_at = $3,
           access_version = access_version + 1, version = version + 1, updated_at = $3 WHERE id = $1",
        id.0,
        password_hash,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Shuts a person out.
pub(in crate::users) async fn ban(
    connection: &mut PgConnection,
    id: UserId,
    reason: &str,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET status = 'banned', banned_at = $2, ban_reason = $3, version = version + 1, updated_at = $2
         WHERE id = $1",
        id.0,
        at,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets a person in again; whoever was invited and has not come yet is invited again. Answers which.
pub(in crate::users) async fn unban(
    connection: &mut PgConnection,
    id: UserId,
    at: OffsetDateTime,
) -> Result<UserStatus> {
    let status = sqlx::query_scalar!(
        "UPDATE users SET status = CASE WHEN EXISTS (SELECT FROM invitations i
             WHERE i.user_id = users.id AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL) THEN 'invited' ELSE 'active' END,
           banned_at = NULL, ban_reason = NULL, access_version = access_version + 1,
           version = version + 1, updated_at = $2 WHERE id = $1 RETURNING status",
        id.0,
        at,
    )
    .fetch_one(connection)
    .await?;
    UserStatus::parse(&status).ok_or_else(|| Error::internal("unknown user status"))
}

/// Gives a person another state than banned.
pub(in crate::users) async fn set_status(
    connection: &mut PgConnection,
    id: UserId,
    status: UserStatus,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET status = $2, version = version + 1, updated_at = $3 WHERE id = $1",
        id.0,
        status.as_str(),
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks a person as deleted, who is in no team any more, not invited, and of whose profile nothing is left. The row stays, and so does the
/// address, but for [`free_address`]: an import rejects it instead of reviving it. Answers which invitations that took back, with their versions.
pub(in crate::users) async fn delete(
    connection: &mut PgConnection,
    id: UserId,
    at: OffsetDateTime,
) -> Result<Vec<(Uuid, i64)>> {
    let rows = sqlx::query!(
        "WITH left_behind AS (DELETE FROM team_members WHERE user_id = $1),
           said AS (DELETE FROM profiles WHERE user_id = $1),
           shown AS (DELETE FROM privacy_settings WHERE user_id = $1),
           invited AS (UPDATE invitations SET withdrawn_at = $2, token_hash = NULL, version = version + 1
             WHERE user_id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL RETURNING id, version),
           wallets AS (DELETE FROM wallet_links WHERE user_id = $1),
           person AS (UPDATE users SET deleted_at = $2, version = version + 1, updated_at = $2 WHERE id = $1)
         SELECT id, version FROM invited",
        id.0,
        at,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.version)).collect())
}

/// Frees the address of whoever was invited and did not come, who is locked, so that they can be invited again.
pub(in crate::users) async fn free_address(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    at: OffsetDateTime,
) -> Result<()> {
    let free = format!("{id}@withdrawn.invalid");
    super::readdress(connection, organization, id, &free, at).await
}

/// Somebody may do something else than before, and so their row is another. Answers their access version now.
pub async fn access_changed(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    at: OffsetDateTime,
) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "UPDATE users SET access_version = access_version + 1, version = version + 1, updated_at = $3
         WHERE organization_id = $1 AND id = $2 RETURNING access_version",
        organization.0,
        id.0,
        at,
    )
    .fetch_one(connection)
    .await?)
}

/// Replaces a person's password by one that is good for choosing another.
pub(in crate::users) async fn reset_password(
    connection: &mut PgConnection,
    id: UserId,
    password_hash: &str,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE users SET password_hash = $2, must_change_password = true, password_changed_at = $3,
           version = version + 1, updated_at = $3 WHERE id = $1",
        id.0,
        password_hash,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What ended with [`end_sessions`].
pub struct Ended {
    /// How many open sessions.
    pub sessions: i64,
    /// The person's access version now.
    pub access_version: i64,
}

/// Ends every session a person has, whatever wrote it, and those in which they act as somebody else: open rows are closed, and
/// nothing older than `at` counts any more; nor do links that were sent to them.
pub async fn end_sessions(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Ended> {
    let access_version = sqlx::query_scalar!(
        "WITH resets AS (DELETE FROM password_resets WHERE user_id = $1),
           changes AS (DELETE FROM email_changes WHERE user_id = $1)
         UPDATE users SET sessions_not_before = greatest(sessions_not_before, $2), access_version = access_version + 1 WHERE id = $1
         RETURNING access_version",
        id.0,
        at
    )
    .fetch_one(&mut *connection)
    .await?;
    let sessions = sqlx::query!(
        "UPDATE user_sessions SET revoked_at = $3, revoked_reason = $4, version = version + 1
         WHERE organization_id = $1 AND (user_id = $2 OR impersonated_by = $2) AND revoked_at IS NULL",
        organization.0,
        id.0,
        at,
        reason,
    )
    .execute(connection)
    .await?
    .rows_affected() as i64;
    Ok(Ended {
        sessions,
        access_version,
    })
}
