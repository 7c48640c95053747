//! The organization's name.

use super::CHANNEL;
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::OrganizationId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Longest name, in characters.
const NAME: usize = 200;

/// An organization: the row, and at the same time the `patch` of every event about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Organization {
    /// Id.
    pub id: OrganizationId,
    /// As it is shown, and said in mail.
    pub name: String,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// For `If-Match`; grows by one with each change.
    pub version: i64,
}

/// What is to become of it; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationChange {
    /// 1 to 200 characters, in one line.
    pub name: Option<String>,
}

/// The organization of whoever asks.
pub async fn get(store: &Store, ctx: &Ctx) -> Result<Organization> {
    ctx.require("settings:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    find(&mut tx, ctx.organization).await
}

/// Changes it.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    if_match: Option<i64>,
    wanted: &OrganizationChange,
) -> Result<Organization> {
    ctx.require("settings:update")?;
    ctx.require_session()?;
    let mut change = Change::begin(store, ctx).await?;
    take(change.tx(), ctx.organization).await?;
    let before = find(change.tx(), ctx.organization).await?;
    if if_match.is_some_and(|version| version != before.version) {
        let why = "Somebody changed the organization meanwhile. Look at current and decide again.";
        let mut error = Error::new(Kind::Stale, "organization.stale", why);
        error.current = Some(Box::new(serde_json::to_value(before)?));
        return Err(error);
    }
    let name = wanted.name.as_deref().map(name).transpose()?;
    let Some(name) = name.filter(|name| *name != before.name) else {
        return Ok(before);
    };
    let at = change.at();
    sqlx::query!(
        "UPDATE organizations SET name = $2, version = version + 1, updated_at = $3 WHERE id = $1",
        ctx.organization.0,
        name,
        at,
    )
    .execute(change.tx())
    .await?;
    let after = find(change.tx(), ctx.organization).await?;
    let subject = Subject {
        kind: "organization".into(),
        id: after.id.0,
        version: after.version,
    };
    let text = "{actor} renamed the organization";
    let event = Event::new(
        "organization.updated",
        "organizations.update",
        subject,
        CHANNEL,
        text,
    )
    .patch(serde_json::to_value(&after)?, Vec::new())
    .changed("name", before.name, after.name.as_str());
    change.record(event).await?;
    change.answer(200, &after).await?;
    change.commit().await?;
    Ok(after)
}

/// Takes the organization's row for this transaction: changes of it and of its settings come one after the other.
pub(super) async fn take(connection: &mut PgConnection, organization: OrganizationId) -> Result<()> {
    sqlx::query!(
        "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
        organization.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

async fn find(connection: &mut PgConnection, organization: OrganizationId) -> Result<Organization> {
    let row = sqlx::query!(
        "SELECT name, created_at, updated_at, version FROM organizations WHERE id = $1",
        organization.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(Organization {
        id: organization,
        name: row.name,
        created_at: row.created_at,
        updated_at: row.updated_at,
        version: row.version,
    })
}

fn name(raw: &str) -> Result<String> {
    let name = raw.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        let detail = format!("1 to {NAME} characters, in one line.");
        return Err(Error::field("name", "unacceptable", detail));
    }
    Ok(name.to_owned())
}
