//! The bytes of an entry that its hash covers.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// The entries' canonical bytes: JSON of a fixed list of columns as text, times in microseconds, `changes` and `details`
/// in jsonb's own normal form. A column added later is not covered until a new form is given a name of its own here.
pub(super) async fn canonical(
    connection: &mut PgConnection,
    keys: &[(Uuid, OffsetDateTime)],
) -> Result<BTreeMap<Uuid, Vec<u8>>> {
    let (ids, times): (Vec<Uuid>, Vec<OffsetDateTime>) = keys.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"SELECT l.id, ARRAY['1', l.id::text, l.organization_id::text, (extract(epoch FROM l.at) * 1000000)::bigint::text,
             l.action, l.actor_kind, l.actor_id::text, l.actor_name, l.credential_kind, l.credential_id::text,
             l.on_behalf_of::text, l.subject_kind, l.subject_id::text, l.subject_version::text, l.ip::text,
             l.user_agent, l.request_id::text, l.trace_id, l.reason, l.changes::text, l.details::text] AS "columns!: Vec<Option<String>>"
           FROM unnest($1::uuid[], $2::timestamptz[]) k (id, at) JOIN audit_logs l ON l.id = k.id AND l.at = k.at"#,
        &ids,
        &times,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.id, serde_json::to_vec(&row.columns)?)))
        .collect()
}
