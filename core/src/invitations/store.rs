//! Table `invitations`. Every statement names the organization, but for the two that look for a token, which is all that
//! whoever comes with it has.

use super::model::Invitation;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{InvitationId, OrganizationId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Reads invitations, newest first: one, or those older than `before`.
pub(super) async fn select(
    connection: &mut PgConnection,
    organization: OrganizationId,
    one: Option<InvitationId>,
    before: Option<(OffsetDateTime, Uuid)>,
    limit: i64,
) -> Result<Vec<Invitation>> {
    let (at, id) = before.unzip();
    let rows = sqlx::query!(
        r#"SELECT i.id, i.user_id, CASE WHEN i.withdrawn_at IS NULL THEN u.email END AS "email?", u.name, i.invited_by, i.created_at, i.sent_at, i.expires_at, i.accepted_at,
           i.withdrawn_at, i.version
         FROM invitations i JOIN users u ON u.id = i.user_id
         WHERE i.organization_id = $1 AND ($2::uuid IS NULL OR i.id = $2)
           AND ($3::timestamptz IS NULL OR (i.created_at, i.id) < ($3, $4))
         ORDER BY i.created_at DESC, i.id DESC LIMIT $5"#,
        organization.0,
        one.map(|id| id.0),
        at,
        id,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let found = rows.into_iter().map(|row| Invitation {
        id: InvitationId(row.id),
        user: UserId(row.user_id),
        email: row.email,
        name: row.name,
        invited_by: row.invited_by.map(UserId),
        created_at: row.created_at,
        sent_at: row.sent_at,
        expires_at: row.expires_at,
        accepted_at: row.accepted_at,
        withdrawn_at: row.withdrawn_at,
        version: row.version,
    });
    Ok(found.collect())
}

/// Takes an invitation's row for this transaction, then reads it.
pub(super) async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Option<Invitation>> {
    sqlx::query!(
        "SELECT id FROM invitations WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE",
        organization.0,
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    Ok(select(connection, organization, Some(id), None, 1).await?.pop())
}

/// A link: its hash, when it was sent, and its end.
pub(super) type Link<'a> = (&'a [u8; 32], OffsetDateTime, OffsetDateTime);

pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (id, user): (InvitationId, UserId),
    by: Option<UserId>,
    (hash, at, end): Link<'_>,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO invitations (id, organization_id, user_id, token_hash, invited_by, created_at, sent_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        id.0,
        organization.0,
        user.0,
        hash.as_slice(),
        by.map(|by| by.0),
        at,
        end,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives an invitation another link; the one of before is of no use any more.
pub(super) async fn renew(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: InvitationId,
    (hash, at, end): Link<'_>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE invitations SET token_hash = $3, sent_at = $4, expires_at = $5, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        hash.as_slice(),
        at,
        end,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn withdraw(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: InvitationId,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE invitations SET token_hash = NULL, withdrawn_at = $3, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The invitation whose good link has this hash, and its organization. A person who was deleted or banned meanwhile is not
/// invited any more.
pub(super) async fn find_by_link(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(InvitationId, OrganizationId)>> {
    let row = sqlx::query!(
        "SELECT i.id, i.organization_id FROM invitations i JOIN users u ON u.id = i.user_id
         WHERE i.token_hash = $1 AND i.expires_at > $2 AND i.accepted_at IS NULL AND i.withdrawn_at IS NULL
           AND u.deleted_at IS NULL AND u.status = 'invited'",
        hash.as_slice(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (InvitationId(row.id), OrganizationId(row.organization_id))))
}

/// Uses a link up. False when it is none any more: somebody was first.
pub(super) async fn use_up(
    connection: &mut PgConnection,
    organization: OrganizationId,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool> {
    let used = sqlx::query!(
        "UPDATE invitations SET token_hash = NULL, accepted_at = $3, version = version + 1
         WHERE organization_id = $1 AND token_hash = $2 AND expires_at > $3 AND accepted_at IS NULL AND withdrawn_at IS NULL",
        organization.0,
        hash.as_slice(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(used.rows_affected() == 1)
}
