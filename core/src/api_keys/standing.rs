//! Whether a key is good, as `sessions::standing` tells it of sessions. Read from the primary only.

use super::secret::Hash;
use super::{CHANNEL, model};
use crate::Store;
use crate::db::Db;
use crate::kernel::ctx::Credential;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{ApiKeyId, OrganizationId, RoleId, UserId};
use crate::kernel::permission::RightsVersion;
use crate::live::announce;
use crate::sessions::standing::{KeyTerms, Refused, Standing};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// The end of a key that has none.
const NEVER: Duration = Duration::days(36_500);

/// When and from where a key was last used.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Which.
    pub key: ApiKeyId,
    /// When.
    pub at: OffsetDateTime,
    /// From where.
    pub from: Option<IpAddr>,
}

/// Which key has a secret of this hash, good or not.
pub async fn find_by_hash(db: &Db, hash: &Hash) -> Result<Option<ApiKeyId>> {
    let mut tx = db.snapshot().await?;
    let id = sqlx::query_scalar!(
        "SELECT id FROM api_keys WHERE hash = $1 UNION ALL SELECT id FROM api_keys WHERE previous_hash = $1 LIMIT 1",
        hash.as_slice(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(id.flatten().map(ApiKeyId))
}

/// Reads how `key` stands. Time is judged by [`Standing::check_time`].
pub async fn find(db: &Db, key: ApiKeyId) -> Result<Result<Standing, Refused>> {
    let mut tx = db.snapshot().await?;
    let row = sqlx::query!(
        r#"SELECT k.owner_id, k.organization_id, k.created_at, k.last_used_at, k.expires_at, k.revoked_at, k.scopes,
             k.addresses AS "addresses: Vec<IpNet>", k.requests_per_minute, k.resource_limits, k.generation, k.hash, k.previous_hash,
             k.previous_until, u.status, u.deleted_at, u.access_version, o.access_epoch,
             ARRAY(WITH RECURSIVE held (role_id) AS (
                     SELECT role_id FROM held_roles WHERE organization_id = k.organization_id AND user_id = k.owner_id
                     UNION
                     SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
                   SELECT role_id FROM held) AS "roles!"
           FROM api_keys k JOIN users u ON u.id = k.owner_id JOIN organizations o ON o.id = k.organization_id
           WHERE k.id = $1"#,
        key.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refused::Unknown));
    };
    match row.status.as_str() {
        _ if row.deleted_at.is_some() => return Ok(Err(Refused::Deleted)),
        "banned" => return Ok(Err(Refused::Banned)),
        "suspended" => return Ok(Err(Refused::Suspended)),
        _ if row.revoked_at.is_some() => return Ok(Err(Refused::Revoked("key revoked".to_owned()))),
        _ => {}
    }
    let hash = |bytes: Vec<u8>| {
        Hash::try_from(bytes).map_err(|_| Error::internal("a key's hash has another length"))
    };
    let previous = match (row.previous_hash, row.previous_until) {
        (Some(bytes), Some(until)) => Some((hash(bytes)?, until)),
        _ => None,
    };
    let terms = KeyTerms {
        scopes: row.scopes.into_iter().collect(),
        addresses: row.addresses,
        requests_per_minute: row.requests_per_minute.and_then(|most| u32::try_from(most).ok()),
        resource_limits: serde_json::from_value(row.resource_limits)?,
        generation: row.generation,
        hash: hash(row.hash)?,
        previous,
    };
    Ok(Ok(Standing {
        credential: Credential::ApiKey(key),
        user: UserId(row.owner_id),
        organization: OrganizationId(row.organization_id),
        created_at: row.created_at,
        authenticated_at: row.created_at,
        last_seen_at: row.last_used_at.unwrap_or(row.created_at),
        expires_at: row.expires_at.unwrap_or(row.created_at + NEVER),
        idle: None,
        version: RightsVersion {
            access: row.access_version,
            epoch: row.access_epoch,
        },
        // a key opens nothing by a password, so a forced new one does not stop its programs; revoking does
        must_change_password: false,
        roles: row.roles.into_iter().map(RoleId).collect(),
        impersonation: None,
        key: Some(Arc::new(terms)),
        not_before: None,
        owes_factor: false,
    }))
}

/// Notes when and from where keys were last used, many in one statement, and tells it to whoever looks at them. Never moves
/// one back.
pub async fn note_used(store: &Store, used: &[Use]) -> Result<()> {
    let ids: Vec<_> = used.iter().map(|used| used.key.0).collect();
    let at: Vec<_> = used.iter().map(|used| used.at).collect();
    let from: Vec<_> = used
        .iter()
        .map(|used| used.from.map(|ip| ip.to_canonical().to_string()))
        .collect();
    let mut tx = store.db.bookkeeping().await?;
    let rows = sqlx::query!(
        r#"UPDATE api_keys k SET first_used_at = CASE WHEN k.last_used_at IS NULL THEN n.at ELSE k.first_used_at END,
           last_used_at = n.at, last_used_ip = coalesce(n.ip::inet, k.last_used_ip)
         FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS n (id, at, ip)
         WHERE k.id = n.id AND (k.last_used_at IS NULL OR k.last_used_at < n.at)
         RETURNING k.id, k.organization_id, k.first_used_at, k.last_used_at, k.last_used_ip AS "last_used_ip: IpNet""#,
        &ids,
        &at,
        &from as &[Option<String>],
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let mut told: HashMap<OrganizationId, Vec<Value>> = HashMap::new();
    for row in rows {
        let noted = model::uses(row.first_used_at, row.last_used_at, row.last_used_ip)?;
        let event = json!({
            "type": "api_key.used",
            "at": noted["last_used_at"],
            "subject": {"kind": "api_key", "id": row.id},
            "data": noted,
        });
        told.entry(OrganizationId(row.organization_id))
            .or_default()
            .push(event);
    }
    for (organization, events) in told {
        // state, not event: what is not heard now is told with the next use
        let _ = announce::states(store, organization, CHANNEL, events).await;
    }
    Ok(())
}

/// What a program is told whose key is not good.
pub fn refused(why: &Refused) -> Error {
    let (code, detail) = match why {
        Refused::Expired => (
            "api_key.expired",
            "This API key has reached its end. Make another.",
        ),
        Refused::Replaced => (
            "api_key.replaced",
            "This secret has been replaced by another of the same key. Use that one.",
        ),
        Refused::Banned | Refused::Suspended | Refused::Deleted => (
            "api_key.owner_shut_out",
            "The person whose API key this is may not come in any more.",
        ),
        _ => (
            "api_key.refused",
            "This is no API key of this hub, or it was revoked. Make another.",
        ),
    };
    Error::new(Kind::Unauthenticated, code, detail)
}
