//! What follows from another longest life of an organization's keys (`settings::ApiKeys`): those that are there are held to it.

use super::CHANNEL;
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::OrganizationId;
use crate::settings::{self, ApiKeys};
use time::Duration;

/// Reads what the organization wants of its keys: whoever may see keys sees it, settings or not.
pub async fn policy(store: &Store, ctx: &Ctx) -> Result<ApiKeys> {
    ctx.require("api_keys:read")?;
    Ok(store.settings(ctx.organization).await?.api_keys)
}

/// Shortens keys that would outlive `wanted`, and tells whoever looks at keys. The audit log knows by the change of settings.
pub async fn policy_changed(change: &mut Change, wanted: ApiKeys) -> Result<()> {
    let shortened = match wanted.longest() {
        Some(longest) => shorten(change, longest).await?,
        None => 0,
    };
    let subject = Subject {
        kind: "organization".into(),
        id: change.ctx().organization.0,
        version: 0,
    };
    let event = Event::new(
        "api_key.policy_changed",
        "settings.update",
        subject,
        CHANNEL,
        "{actor} changed how long API keys may live",
    )
    .severity(Severity::Warn)
    .data("shortened", shortened)
    .unaudited();
    change.record(event).await?;
    Ok(())
}

/// Brings the ends of keys forward that would live longer. They are known to every node with their old end, so every
/// node looks again.
async fn shorten(change: &mut Change, longest: Duration) -> Result<usize> {
    let (organization, at) = (change.ctx().organization, change.at());
    let keys = sqlx::query!(
        "UPDATE api_keys SET expires_at = coalesce(rotated_at, created_at) + make_interval(hours => $2), updated_at = $3, version = version + 1
         WHERE organization_id = $1 AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > coalesce(rotated_at, created_at) + make_interval(hours => $2))
         RETURNING id, version",
        organization.0,
        longest.whole_hours() as i32,
        at,
    )
    .fetch_all(change.tx())
    .await?;
    for key in &keys {
        let looked_at = Revocation {
            organization,
            kind: RevocationKind::Key,
            subject: key.id,
            access_version: Some(key.version),
            reason: "api_key_policy_changed".to_owned(),
        };
        change.revoke(looked_at).await?;
    }
    Ok(keys.len())
}

/// The longest life of a key whose end is set now, by what is committed.
pub(super) async fn longest(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<Duration>> {
    Ok(settings::read(connection, organization).await?.api_keys.longest())
}
