//! Tables `audit_logs`, `audit_unchained`, `audit_chain`, `audit_checkpoints`. Who did what to whom, append-only.
//!
//! Invariant: an entry is written in the transaction of the change it records. Invariant: personal values are sealed;
//! hashes cover the sealed bytes, so erasing a person breaks no proof.

pub mod chain;
pub mod search;

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::event::Event;
use crate::kernel::id::AuditId;
use ipnet::IpNet;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Wire channel on which entries appear.
pub const CHANNEL: &str = "feed:audit";

/// Appends the entry of `event`, whose `changes` are sealed already, and answers it as the audit list shows it: sealed,
/// and without names, which are filled in when it is shown.
pub(crate) async fn append(
    connection: &mut PgConnection,
    ctx: &Ctx,
    event: &Event,
    at: OffsetDateTime,
) -> Result<Value> {
    let id = AuditId::new();
    let actor_name = crate::outbox::StoredActor::from(&ctx.actor)
        .name
        .unwrap_or_default();
    sqlx::query!(
        "WITH entry AS (
           INSERT INTO audit_logs (id, organization_id, at, action, actor_kind, actor_id, actor_name, credential_kind,
             credential_id, on_behalf_of, subject_kind, subject_id, subject_version, ip, user_agent, request_id,
             trace_id, reason, changes, details)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20))
         INSERT INTO audit_unchained (organization_id, audit_id, audit_at) VALUES ($2, $1, $3)",
        id.0,
        ctx.organization.0,
        at,
        event.action,
        ctx.actor.kind(),
        ctx.actor.user().map(|user| user.0),
        actor_name,
        ctx.credential.kind(),
        ctx.credential.id(),
        ctx.on_behalf_of.map(|user| user.0),
        event.subject.kind.as_ref(),
        Some(event.subject.id),
        event.subject.version,
        ctx.ip.map(IpNet::from) as Option<IpNet>,
        ctx.user_agent,
        ctx.request_id,
        ctx.trace_id,
        event.reason,
        Value::Object(event.changes.clone()),
        Value::Object(event.details.clone()),
    )
    .execute(connection)
    .await?;
    Ok(json!({
        "id": id,
        "at": at.format(&Rfc3339).map_err(crate::kernel::error::Error::internal)?,
        "action": event.action,
        "actor": {"kind": ctx.actor.kind(), "id": ctx.actor.user(), "name": actor_name},
        "on_behalf_of": ctx.on_behalf_of.map(|user| json!({"id": user, "name": null})),
        "subject": {"kind": event.subject.kind, "id": event.subject.id, "label": null},
        "credential": {"kind": ctx.credential.kind(), "id": ctx.credential.id()},
        "ip": ctx.ip,
        "user_agent": ctx.user_agent,
        "trace_id": ctx.trace_id,
        "reason": event.reason,
        "changes": event.changes,
        "details": event.details,
    }))
}
