//! The Overview's counters as its listeners get them: state, not events, at most four times a second.

use crate::Store;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use crate::live::history;
use crate::live::published::Published;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use time::format_description::well_known::Rfc3339;

/// Wire channel of the Overview.
pub const CHANNEL: &str = "feed:overview";

/// Organizations whose counters changed within a minute: a new leader tells their state, lest the one before died
/// between counting and telling.
pub async fn recent(store: &Store) -> Result<BTreeSet<OrganizationId>> {
    let mut tx = store.db.snapshot().await?;
    let recent = sqlx::query_scalar!(
        "SELECT DISTINCT organization_id FROM counters WHERE updated_at > now() - interval '1 minute'"
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(recent.into_iter().map(OrganizationId).collect())
}

/// Tells `organization`'s listeners all its counters.
pub async fn tell(store: &Store, organization: OrganizationId) -> Result<()> {
    let mut tx = store.db.snapshot().await?;
    let rows = sqlx::query!(
        "SELECT name, value FROM counters WHERE organization_id = $1",
        organization.0
    )
    .fetch_all(&mut *tx)
    .await?;
    drop(tx);
    let counters: Map<String, Value> = rows.into_iter().map(|row| (row.name, json!(row.value))).collect();
    let at = store.clock.now().format(&Rfc3339).unwrap_or_default();
    let published = Published {
        event: json!({"type": "counters.changed", "at": at, "counters": counters}),
        row: "counters".to_owned(),
        before: None,
        after: None,
    };
    history::publish_state(
        &store.bus,
        organization,
        CHANNEL,
        &serde_json::to_vec(&published)?,
    )
    .await
}
