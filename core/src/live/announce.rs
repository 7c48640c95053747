//! State, which has no position and is not kept: of the hub itself, told to every organization, for what a node is and does is
//! the same for all; and of an organization's own things.

use super::history;
use super::published::Published;
use crate::Store;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use serde_json::Value;

/// Events in one message.
const TOGETHER: usize = 500;

/// Publishes `event` on `channel` of every organization, without position and without history.
pub async fn to_all(store: &Store, channel: &str, event: Value) -> Result<()> {
    let mut tx = store.db.snapshot().await?;
    let organizations = sqlx::query_scalar!("SELECT id FROM organizations")
        .fetch_all(&mut *tx)
        .await?;
    drop(tx);
    let payload = line(event)?;
    for organization in organizations {
        history::publish_state(&store.bus, OrganizationId(organization), channel, &payload).await?;
    }
    Ok(())
}

/// Publishes `events` on `channel` of one organization, in as few messages as may be.
pub async fn states(
    store: &Store,
    organization: OrganizationId,
    channel: &str,
    events: Vec<Value>,
) -> Result<()> {
    let lines = events.into_iter().map(line).collect::<Result<Vec<_>>>()?;
    for some in lines.chunks(TOGETHER) {
        history::publish_state(&store.bus, organization, channel, &some.join(&b'\n')).await?;
    }
    Ok(())
}

/// An event of no row, as it travels.
fn line(event: Value) -> Result<Vec<u8>> {
    let published = Published {
        event,
        row: String::new(),
        before: None,
        after: None,
    };
    Ok(serde_json::to_vec(&published)?)
}
