//! Seeing and changing what an organization has set.

use super::{CHANNEL, service};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::OrganizationId;
use crate::live::position::{self, Position};
use crate::settings::{Patched, Settings, patched};
use crate::users::rights;
use crate::{api_keys, sessions};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

/// Sections that decide who gets in, for how long, and where links in mail lead.
const WAYS_IN: [&str; 4] = ["general.", "sign_up.", "sessions.", "api_keys."];

/// Settings, and which version of them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SettingsNow {
    /// What is set, and the default of what is not.
    #[serde(flatten)]
    pub settings: Settings,
    /// For `If-Match`; grows with each change.
    pub version: i64,
    /// Where `feed:settings` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// Reads the settings.
pub async fn settings(store: &Store, ctx: &Ctx) -> Result<SettingsNow> {
    ctx.require("settings:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let (rows, version) = kept(&mut tx, ctx.organization).await?;
    Ok(SettingsNow {
        settings: patched(&rows, &Map::new())?.settings,
        version,
        position,
    })
}

/// Changes settings: what is absent stays, null sets back to the default.
pub async fn update_settings(
    store: &Store,
    ctx: &Ctx,
    if_match: Option<i64>,
    patch: &Map<String, Value>,
) -> Result<SettingsNow> {
    ctx.require("settings:update")?;
    ctx.require_session()?;
    let mut change = Change::begin(store, ctx).await?;
    service::take(change.tx(), ctx.organization).await?;
    let (rows, version) = kept(change.tx(), ctx.organization).await?;
    let done = patched(&rows, patch)?;
    require_version(if_match, version, &rows)?;
    let position = position::told(change.tx(), ctx, CHANNEL).await?;
    if done.changes.is_empty() {
        return Ok(SettingsNow {
            settings: done.settings,
            version,
            position,
        });
    }
    let at = change.at();
    require_proof(ctx, &done.changes, at)?;
    require_givable(&mut change, &done.settings, &done.changes).await?;
    // every token in a mail goes there, an owner's too
    if done
        .changes
        .iter()
        .any(|(field, ..)| field == "general.public_address")
    {
        rights::require_over_owners(change.tx(), ctx).await?;
    }
    for (name, section) in &done.sections {
        write(change.tx(), ctx.organization, (name, section), at).await?;
    }
    let (_, version) = kept(change.tx(), ctx.organization).await?;
    hold(&mut change, &done).await?;
    record(&mut change, version, done.changes).await?;
    let now = SettingsNow {
        settings: done.settings,
        version,
        position,
    };
    change.answer(200, &now).await?;
    change.commit().await?;
    Ok(now)
}

/// Whoever lets strangers in, or anybody for longer, has proved lately who they are.
fn require_proof(ctx: &Ctx, changes: &[(String, Value, Value)], now: OffsetDateTime) -> Result<()> {
    let decides = |field: &str| WAYS_IN.iter().any(|section| field.starts_with(section));
    if changes.iter().any(|(field, ..)| decides(field)) {
        ctx.require_recent_proof(now)?;
    }
    Ok(())
}

/// The role that newcomers get is given by whoever chose it, while sign-up is still closed too, so that what is kept is always
/// a role of this organization; and by whoever opens sign-up. Closing it asks nobody.
async fn require_givable(
    change: &mut Change,
    settings: &Settings,
    changes: &[(String, Value, Value)],
) -> Result<()> {
    let touched = changes.iter().any(|(field, _, _)| field.starts_with("sign_up."));
    let chosen = changes.iter().any(|(field, _, _)| field == "sign_up.role");
    let given = chosen || (touched && settings.sign_up.open);
    let Some(role) = settings.sign_up.role.filter(|_| given) else {
        return Ok(());
    };
    let ctx = change.ctx().clone();
    rights::require_givable(change.tx(), &ctx, &[role]).await
}

/// Holds what is there already to what it is to be from now on.
async fn hold(change: &mut Change, done: &Patched) -> Result<()> {
    let is_other = |section: &str| done.sections.iter().any(|(name, _)| name == section);
    if is_other("sessions") {
        sessions::timeouts_changed(change).await?;
    }
    if is_other("api_keys") {
        api_keys::policy_changed(change, done.settings.api_keys).await?;
    }
    Ok(())
}

fn require_version(if_match: Option<i64>, version: i64, rows: &Map<String, Value>) -> Result<()> {
    if if_match.is_none_or(|wanted| wanted == version) {
        return Ok(());
    }
    let why = "Somebody changed the settings meanwhile. Look at current and decide again.";
    let mut error = Error::new(Kind::Stale, "settings.stale", why);
    let mut current = serde_json::to_value(patched(rows, &Map::new())?.settings)?;
    current["version"] = version.into();
    error.current = Some(Box::new(current));
    Err(error)
}

async fn record(change: &mut Change, version: i64, changes: Vec<(String, Value, Value)>) -> Result<()> {
    let organization = change.ctx().organization;
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version,
    };
    let text = "{actor} changed settings";
    let fields: Vec<Value> = changes
        .iter()
        .map(|(field, _, _)| field.as_str().into())
        .collect();
    let mut event = Event::new(
        "organization.settings_changed",
        "settings.update",
        subject,
        CHANNEL,
        text,
    )
    .severity(Severity::Warn)
    .data("fields", fields);
    for (field, before, after) in changes {
        event = event.changed(&field, before, after);
    }
    change.record(event).await?;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::Settings,
            subject: organization.0,
            access_version: None,
            reason: "settings_changed".to_owned(),
        })
        .await
}

/// Every section as it is kept, and the version of all together.
async fn kept(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<(Map<String, Value>, i64)> {
    let rows = sqlx::query!(
        "SELECT key, value, version FROM organization_settings WHERE organization_id = $1",
        organization.0,
    )
    .fetch_all(connection)
    .await?;
    let version = rows.iter().map(|row| row.version).sum();
    Ok((
        rows.into_iter().map(|row| (row.key, row.value)).collect(),
        version,
    ))
}

async fn write(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (name, section): (&str, &Value),
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO organization_settings (organization_id, key, value, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (organization_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
           version = organization_settings.version + 1",
        organization.0,
        name,
        section,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
