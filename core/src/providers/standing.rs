//! Whether whoever comes with a token of an external issuer may come in, as `sessions::standing` tells it of sessions. Read from
//! the primary only.

use crate::db::Db;
use crate::factors::{self, Owner};
use crate::kernel::ctx::Credential;
use crate::kernel::error::Result;
use crate::kernel::id::{LinkedAccountId, OrganizationId, RoleId, UserId};
use crate::kernel::permission::RightsVersion;
use crate::sessions::standing::{Refused, Standing};
use time::Duration;

/// The account itself has no end; the token that is shown has.
const NEVER: Duration = Duration::days(36_500);

/// Reads how an account at an external issuer stands: linked, by an issuer that is switched on, to somebody who may come in.
pub async fn standing(db: &Db, account: LinkedAccountId) -> Result<Result<Standing, Refused>> {
    let mut tx = db.snapshot().await?;
    let row = sqlx::query!(
        r#"SELECT l.user_id, l.organization_id, l.linked_at, p.enabled AND p.kind = 'external_jwt' AS "enabled!", u.status,
             u.deleted_at IS NOT NULL AS "deleted!", u.access_version, o.access_epoch,
             greatest(u.sessions_not_before, o.sessions_not_before) AS not_before,
             ARRAY(WITH RECURSIVE held (role_id) AS (
                     SELECT role_id FROM held_roles WHERE organization_id = l.organization_id AND user_id = l.user_id
                     UNION
                     SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
                   SELECT role_id FROM held) AS "roles!"
           FROM linked_accounts l JOIN identity_providers p ON p.id = l.provider_id JOIN users u ON u.id = l.user_id
             JOIN organizations o ON o.id = l.organization_id
           WHERE l.id = $1"#,
        account.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refused::Unknown));
    };
    match row.status.as_str() {
        _ if row.deleted => return Ok(Err(Refused::Deleted)),
        "banned" => return Ok(Err(Refused::Banned)),
        "suspended" => return Ok(Err(Refused::Suspended)),
        // whoever was invited comes in once they accept
        status if status != "active" => return Ok(Err(Refused::Unknown)),
        _ if !row.enabled => return Ok(Err(Refused::Revoked("issuer switched off".to_owned()))),
        _ => {}
    }
    drop(tx);
    let owner = Owner {
        user: UserId(row.user_id),
        organization: OrganizationId(row.organization_id),
    };
    let owed = factors::owed(db, owner).await?;
    Ok(Ok(Standing {
        credential: Credential::External(account),
        user: owner.user,
        organization: owner.organization,
        created_at: row.linked_at,
        authenticated_at: row.linked_at,
        last_seen_at: row.linked_at,
        expires_at: row.linked_at + NEVER,
        version: RightsVersion {
            access: row.access_version,
            epoch: row.access_epoch,
        },
        // it opens nothing by a password
        must_change_password: false,
        roles: row.roles.into_iter().map(RoleId).collect(),
        key: None,
        idle: None,
        impersonation: None,
        not_before: row.not_before,
        owes_factor: owed.any(),
    }))
}
