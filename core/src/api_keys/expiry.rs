//! Saying beforehand that a key comes to its end.

use super::model::EXPIRING;
use super::{CHANNEL, service, store};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{ApiKeyId, OrganizationId};

/// Announces one key that ends within a week, once for each end; false when there is none. Every node may look: whoever
/// takes the row's lock first does it.
pub async fn tend(store: &Store) -> Result<bool> {
    let now = store.clock.now();
    let mut tx = store.db.snapshot().await?;
    let found = sqlx::query!(
        "SELECT id, organization_id FROM api_keys
         WHERE revoked_at IS NULL AND warned_at IS NULL AND expires_at > $1 AND expires_at <= $2 LIMIT 1",
        now,
        now + EXPIRING,
    )
    .fetch_optional(&mut *tx)
    .await?;
    drop(tx);
    let Some(found) = found else { return Ok(false) };
    let (id, organization) = (ApiKeyId(found.id), OrganizationId(found.organization_id));
    let mut change = Change::begin(store, &Ctx::system(organization, "api_keys")).await?;
    let Some(key) = store::lock(change.tx(), organization, id).await? else {
        return Ok(true);
    };
    let noted = sqlx::query!(
        "UPDATE api_keys SET warned_at = $2, version = version + 1
         WHERE id = $1 AND warned_at IS NULL AND revoked_at IS NULL AND expires_at IS NOT DISTINCT FROM $3",
        id.0,
        now,
        key.expires_at,
    )
    .execute(change.tx())
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(true);
    }
    let Some(key) = store::one(change.tx(), organization, id).await? else {
        return Ok(true);
    };
    let text = "{subject} comes to its end";
    let event = Event::new(
        "api_key.expiring",
        "api_keys.expire",
        key.subject(),
        CHANNEL,
        text,
    )
    .also(format!("inbox:{}", key.owner))
    .severity(Severity::Warn)
    .patch(key.patch(now)?, key.acts(now))
    .data("name", key.name.as_str())
    .scope(Some(key.scope()), Some(key.scope()));
    let event = service::of_owner(&mut change, key.owner, event).await?;
    change.record(event).await?;
    change.commit().await?;
    Ok(true)
}
