//! Where a channel stands, as PostgreSQL knows it (table `live_channels`).

use super::scope::Sight;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use sha2::{Digest, Sha256};

/// A place in a channel's stream.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Position {
    /// Opaque; another one means that offsets of before say nothing.
    pub epoch: String,
    /// Of the newest ordered event, 0 before the first.
    pub offset: u64,
}

/// The end of one page of a list that is followed live: by when its last row was made, and where the channel stood when the
/// first page was read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub micros: i64,
    /// Of the row.
    pub id: uuid::Uuid,
    /// Of the channel.
    pub position: Position,
}

/// Reads a channel's position. In the transaction that reads the rows, so that a list has no gap: overlap is harmless.
pub async fn read(
    connection: &mut PgConnection,
    organization: OrganizationId,
    channel: &str,
) -> Result<Position> {
    let row = sqlx::query!(
        "SELECT epoch, top FROM live_channels WHERE organization_id = $1 AND channel = $2",
        organization.0,
        channel
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map_or_else(
        || Position {
            epoch: first_epoch(organization, channel),
            offset: 0,
        },
        |row| Position {
            epoch: row.epoch,
            offset: row.top as u64,
        },
    ))
}

/// As [`read`], and as the viewer is told it: what a list or a row that is shown to them carries.
pub async fn told(connection: &mut PgConnection, ctx: &Ctx, channel: &str) -> Result<Position> {
    let at = read(connection, ctx.organization, channel).await?;
    Ok(Sight::of(&ctx.permissions, channel).position_told(at))
}

/// Whether everything after `since` is published yet or will be: `since` is a place of this stream, and the next event is
/// still kept, or not yet written. An empty epoch is any. What Redis has does not matter; it is brought there.
pub async fn continues(
    connection: &mut PgConnection,
    organization: OrganizationId,
    channel: &str,
    since: &Position,
) -> Result<bool> {
    let continues = sqlx::query_scalar!(
        r#"SELECT top = $4 OR (top > $4 AND EXISTS (
             SELECT FROM outbox_positions p
             WHERE p.organization_id = $1 AND p.channel = $2 AND p.position = $4 + 1)) AS "continues!"
           FROM live_channels WHERE organization_id = $1 AND channel = $2 AND $3 IN (epoch, '')"#,
        organization.0,
        channel,
        since.epoch,
        i64::try_from(since.offset).unwrap_or(i64::MAX - 1),
    )
    .fetch_optional(connection)
    .await?;
    Ok(continues == Some(true))
}

/// The epoch a channel begins with: the same wherever it is asked for before the relay has written its row.
pub fn first_epoch(organization: OrganizationId, channel: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(organization.0.as_bytes());
    hash.update(channel.as_bytes());
    hex::encode(&hash.finalize()[..6])
}
