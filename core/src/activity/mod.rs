//! Table `activity_logs`: the line people read ("Ada banned Bob"), append-only. Names are filled in when shown.

pub mod list;

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::event::Event;
use crate::kernel::id::ActivityId;
use serde_json::Value;
use time::OffsetDateTime;

/// Appends the line of `event`.
pub(crate) async fn append(
    connection: &mut PgConnection,
    ctx: &Ctx,
    event: &Event,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO activity_logs (id, organization_id, at, action, actor_id, actor_name, subject_kind, subject_id, text, details)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        ActivityId::new().0,
        ctx.organization.0,
        at,
        event.action,
        ctx.actor.user().map(|user| user.0),
        crate::outbox::StoredActor::from(&ctx.actor).name.unwrap_or_default(),
        event.subject.kind.as_ref(),
        Some(event.subject.id),
        event.text,
        Value::Object(event.details.clone()),
    )
    .execute(connection)
    .await?;
    Ok(())
}
