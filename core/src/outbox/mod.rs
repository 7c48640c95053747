//! Tables `outbox`, `outbox_positions`. What happened, on its way out: written in the changing transaction, ordered and
//! published by the relay.
//!
//! Invariant: a row is inserted after the row it speaks of is locked, so rows of one subject stand in the order of its
//! changes. Invariant: personal values in it are sealed.

mod stored;
pub use stored::{SCHEMA, StoredActor, StoredEvent};

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::event::Event;
use crate::kernel::id::OrganizationId;
use uuid::Uuid;

/// Appends one event.
pub(crate) async fn append(
    connection: &mut PgConnection,
    organization: OrganizationId,
    event: &Event,
    stored: &StoredEvent,
    channels: &[String],
) -> Result<()> {
    let subject: Option<Uuid> = Some(event.subject.id);
    sqlx::query!(
        "INSERT INTO outbox (id, organization_id, type, schema, at, subject_kind, subject_id, subject_version,
           scope_before, scope_after, event, counters, channels)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        stored.id.0,
        organization.0,
        event.kind,
        stored.schema,
        stored.time,
        event.subject.kind.as_ref(),
        subject,
        event.subject.version,
        event.scope_before.as_ref().map(serde_json::to_value).transpose()?,
        event.scope_after.as_ref().map(serde_json::to_value).transpose()?,
        serde_json::to_value(stored)?,
        serde_json::to_value(&event.counters)?,
        channels,
    )
    .execute(connection)
    .await?;
    Ok(())
}
