//! State of the hub itself, told to every organization: what a node is and does is the same for all.

use super::history;
use super::published::Published;
use crate::Store;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use serde_json::Value;

/// Publishes `event` on `channel` of every organization, without position and without history.
pub async fn to_all(store: &Store, channel: &str, event: Value) -> Result<()> {
    let mut tx = store.db.snapshot().await?;
    let organizations = sqlx::query_scalar!("SELECT id FROM organizations")
        .fetch_all(&mut *tx)
        .await?;
    drop(tx);
    let published = Published {
        event,
        row: String::new(),
        before: None,
        after: None,
    };
    let payload = serde_json::to_vec(&published)?;
    for organization in organizations {
        history::publish_state(&store.bus, OrganizationId(organization), channel, &payload).await?;
    }
    Ok(())
}
