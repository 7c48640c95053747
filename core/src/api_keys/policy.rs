//! What an organization wants of all its keys (`organization_settings`, key `api_keys`).

use super::CHANNEL;
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::OrganizationId;
use serde::{Deserialize, Serialize};
use time::Duration;

/// Longest life that can be asked for: ten years.
const LONGEST: u32 = 3_650;

/// What an organization wants of its keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Longest life of a key in days, from the day its end is set; null: as long as one likes.
    pub max_days: Option<u32>,
}

impl Policy {
    pub(super) fn longest(self) -> Option<Duration> {
        self.max_days.map(|days| Duration::days(i64::from(days)))
    }
}

/// Reads the policy.
pub async fn policy(store: &Store, ctx: &Ctx) -> Result<Policy> {
    ctx.require("api_keys:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    read(&mut tx, ctx.organization).await
}

/// Sets the policy. Keys that would outlive it are shortened to it, in the same act.
pub async fn set_policy(store: &Store, ctx: &Ctx, wanted: Policy) -> Result<Policy> {
    ctx.require("settings:update")?;
    ctx.require_session()?;
    if wanted.max_days.is_some_and(|days| !(1..=LONGEST).contains(&days)) {
        let detail = format!("1 to {LONGEST} days, or null for no longest life.");
        return Err(Error::field("max_days", "out_of_range", detail));
    }
    let mut change = Change::begin(store, ctx).await?;
    let (organization, at) = (ctx.organization, change.at());
    let before = read(change.tx(), organization).await?;
    let version = sqlx::query_scalar!(
        "INSERT INTO organization_settings (organization_id, key, value, updated_at) VALUES ($1, 'api_keys', $2, $3)
         ON CONFLICT (organization_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
           version = organization_settings.version + 1
         RETURNING version",
        organization.0,
        serde_json::to_value(wanted)?,
        at,
    )
    .fetch_one(change.tx())
    .await?;
    let shortened = match wanted.longest() {
        Some(longest) => shorten(&mut change, longest).await?,
        None => 0,
    };
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version,
    };
    let text = "{actor} changed how long API keys may live";
    let event = Event::new(
        "api_key.policy_changed",
        "api_keys.set_policy",
        subject,
        CHANNEL,
        text,
    )
    .severity(Severity::Warn)
    .changed("max_days", before.max_days, wanted.max_days)
    .data("shortened", shortened)
    .detail("shortened", shortened);
    change.record(event).await?;
    change.commit().await?;
    Ok(wanted)
}

/// Brings the ends of keys forward that would live longer. They are known to every node with their old end, so every
/// node looks again.
async fn shorten(change: &mut Change, longest: Duration) -> Result<usize> {
    let (organization, at) = (change.ctx().organization, change.at());
    let keys = sqlx::query!(
        "UPDATE api_keys SET expires_at = $2, updated_at = $3, version = version + 1
         WHERE organization_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
         RETURNING id, version",
        organization.0,
        at + longest,
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

pub(super) async fn read(connection: &mut PgConnection, organization: OrganizationId) -> Result<Policy> {
    let value = sqlx::query_scalar!(
        "SELECT value FROM organization_settings WHERE organization_id = $1 AND key = 'api_keys'",
        organization.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(match value {
        Some(value) => serde_json::from_value(value)?,
        None => Policy::default(),
    })
}
