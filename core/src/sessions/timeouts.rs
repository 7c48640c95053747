//! How long sessions of an organization last (`organization_settings`, key `sessions`; `standing` reads the same row).
//!
//! What is set holds for sessions that are open already: a shorter time ends those that are past it at once, with their
//! streams. A longer absolute time holds for sessions that begin from then on.

use super::CHANNEL;
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::OrganizationId;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use time::Duration;

/// Shortest and longest time without use, in seconds: five minutes (a use is written down within half of one) to 90 days.
pub const IDLE: RangeInclusive<u32> = 300..=7_776_000;
/// Shortest and longest life, in seconds: fifteen minutes to a year.
pub const LIFE: RangeInclusive<u32> = 900..=31_536_000;

/// How long sessions last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Seconds without a request after which a session ends, 300 to 7,776,000; null: as the installation has it
    /// (`auth.refresh_token_seconds`), which is also the most.
    pub idle_seconds: Option<u32>,
    /// Seconds after sign-in after which a session ends whatever is done with it, 900 to 31,536,000; null: 30 days.
    pub absolute_seconds: Option<u32>,
}

impl Timeouts {
    /// Life of a session that begins now.
    pub fn life(self) -> Duration {
        self.absolute_seconds
            .map_or(super::ABSOLUTE, |seconds| Duration::seconds(i64::from(seconds)))
    }

    fn check(self) -> Result<()> {
        let wrong = |field: &str, value: Option<u32>, range: RangeInclusive<u32>| {
            value.filter(|value| !range.contains(value)).map(|_| FieldError {
                field: field.to_owned(),
                code: "out_of_range".into(),
                detail: format!("{} to {} seconds, or null.", range.start(), range.end()),
            })
        };
        let faults: Vec<_> = [
            wrong("idle_seconds", self.idle_seconds, IDLE),
            wrong("absolute_seconds", self.absolute_seconds, LIFE),
        ]
        .into_iter()
        .flatten()
        .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(faults))
        }
    }
}

/// Reads them.
pub async fn timeouts(store: &Store, ctx: &Ctx) -> Result<Timeouts> {
    ctx.require("settings:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    read(&mut tx, ctx.organization).await
}

/// Sets them. Every node looks again at every session of the organization that it knows.
pub async fn set_timeouts(store: &Store, ctx: &Ctx, wanted: Timeouts) -> Result<Timeouts> {
    ctx.require("settings:update")?;
    ctx.require_session()?;
    wanted.check()?;
    let mut change = Change::begin(store, ctx).await?;
    let (organization, at) = (ctx.organization, change.at());
    let before = read(change.tx(), organization).await?;
    let version = sqlx::query_scalar!(
        "INSERT INTO organization_settings (organization_id, key, value, updated_at) VALUES ($1, 'sessions', $2, $3)
         ON CONFLICT (organization_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
           version = organization_settings.version + 1
         RETURNING version",
        organization.0,
        serde_json::to_value(wanted)?,
        at,
    )
    .fetch_one(change.tx())
    .await?;
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version,
    };
    let event = Event::new(
        "session.timeouts_changed",
        "sessions.set_timeouts",
        subject,
        CHANNEL,
        "{actor} changed how long sessions last",
    )
    .severity(Severity::Warn)
    .changed("idle_seconds", before.idle_seconds, wanted.idle_seconds)
    .changed(
        "absolute_seconds",
        before.absolute_seconds,
        wanted.absolute_seconds,
    );
    change.record(event).await?;
    let looked_at = Revocation {
        organization,
        kind: RevocationKind::Organization,
        subject: organization.0,
        access_version: None,
        reason: "session_timeouts_changed".to_owned(),
    };
    change.revoke(looked_at).await?;
    change.commit().await?;
    Ok(wanted)
}

/// Reads them, for whoever opens a session.
pub async fn read(connection: &mut PgConnection, organization: OrganizationId) -> Result<Timeouts> {
    let value = sqlx::query_scalar!(
        "SELECT value FROM organization_settings WHERE organization_id = $1 AND key = 'sessions'",
        organization.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(match value {
        Some(value) => serde_json::from_value(value)?,
        None => Timeouts::default(),
    })
}
