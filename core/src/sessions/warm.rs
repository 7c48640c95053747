//! Who will soon ask for something: those who used a session of late.

use crate::db::Db;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::permission::{Rights, RightsVersion};
use crate::users::rights;
use std::collections::HashSet;
use uuid::Uuid;

/// Those who used a session last, newest first, `most` at most, each once.
pub async fn lately(db: &Db, most: usize) -> Result<Vec<(OrganizationId, UserId)>> {
    let mut tx = db.snapshot().await?;
    let rows = sqlx::query!(
        "SELECT organization_id, user_id FROM user_sessions
         WHERE revoked_at IS NULL AND expires_at > now() ORDER BY last_seen_at DESC LIMIT $1",
        i64::try_from(most.saturating_mul(2)).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut seen = HashSet::new();
    let people = rows
        .into_iter()
        .map(|row| (OrganizationId(row.organization_id), UserId(row.user_id)));
    Ok(people.filter(|person| seen.insert(*person)).take(most).collect())
}

/// What each of `users` may do, and how new that is, from one snapshot of the primary. Whoever is not there is absent.
pub async fn read_rights_of(
    db: &Db,
    organization: OrganizationId,
    users: &[UserId],
) -> Result<Vec<(UserId, Rights)>> {
    let mut tx = db.primary(organization).await?;
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        "SELECT u.id, u.access_version, o.access_epoch FROM users u JOIN organizations o ON o.id = $1 WHERE u.id = ANY($2)",
        organization.0,
        &ids,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut held = rights::of_many(&mut tx, organization, users).await?;
    let rights = rows.into_iter().map(|row| {
        let user = UserId(row.id);
        let rights = Rights {
            version: RightsVersion {
                access: row.access_version,
                epoch: row.access_epoch,
            },
            permissions: held.remove(&user).unwrap_or_default(),
        };
        (user, rights)
    });
    Ok(rights.collect())
}
