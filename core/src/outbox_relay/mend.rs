//! Mending: Redis was flushed, restarted with older data, or PostgreSQL was restored from a backup.
//!
//! PostgreSQL is right. Where its rows can continue what Redis has, they do, and listeners notice nothing. Where they
//! cannot, the channel gets a new epoch, which tells every listener to fetch again: never a silent hole.

use super::Stream;
use super::publish::{Next, send};
use crate::Store;
use crate::db::PgConnection;
use crate::db::leader::Lease;
use crate::fault;
use crate::kernel::error::Result;
use crate::kernel::id::{EventId, OrganizationId};
use crate::live::history::{self, Begin};
use crate::live::position::{self, Position};
use uuid::Uuid;

/// Channels compared in one round trip.
const PAGE: i64 = 500;

/// Decides how `stream` goes on when Redis stands at `found`.
///
/// | Redis | rows | then |
/// |---|---|---|
/// | same epoch, not ahead | hold the next position | go on from there |
/// | same epoch, ahead | | new epoch |
/// | same epoch, not ahead | next position pruned | new epoch |
/// | nothing, or another epoch | | begin at the oldest row kept without a hole, same epoch |
pub(super) async fn mend(
    store: &Store,
    lease: &Lease,
    stream: &Stream,
    found: Option<Position>,
) -> Result<Next> {
    let mut tx = lease.begin(&store.db).await?;
    let top = position::read(&mut tx, stream.organization, &stream.channel).await?;
    let oldest = oldest(&mut tx, stream, top.offset).await?;
    if let Some(found) = found.as_ref().filter(|found| found.epoch == top.epoch) {
        if found.offset <= top.offset && found.offset + 1 >= oldest {
            return Ok(Next::after(found.offset));
        }
        begin_epoch(&mut tx, stream, &top.epoch).await?;
        fault::point("relay.mend.renamed").await;
        lease.commit(tx).await?;
        metrics::counter!("signalbox_outbox_epochs_total").increment(1);
        tracing::warn!(
            channel = stream.channel,
            redis = found.offset,
            rows = top.offset,
            oldest,
            "what Redis has cannot be continued: listeners are told to fetch again"
        );
    }
    Ok(Next {
        position: oldest,
        begin: Begin::Over(found),
    })
}

/// The oldest position from which every one up to `top` is kept, as far back as history goes; `top + 1` for none.
async fn oldest(connection: &mut PgConnection, stream: &Stream, top: u64) -> Result<u64> {
    let length = history::length(&stream.channel) as i64;
    let oldest = sqlx::query_scalar!(
        "SELECT min(position) FROM (
           SELECT position, row_number() OVER (ORDER BY position DESC) AS nth FROM outbox_positions
           WHERE organization_id = $1 AND channel = $2 AND position > $3 AND position <= $4) p
         WHERE position + nth = $4 + 1",
        stream.organization.0,
        stream.channel,
        top as i64 - length,
        top as i64,
    )
    .fetch_one(connection)
    .await?;
    Ok(oldest.map_or(top + 1, |oldest| oldest as u64))
}

async fn begin_epoch(connection: &mut PgConnection, stream: &Stream, old: &str) -> Result<()> {
    let epoch = hex::encode(&EventId::new().0.as_bytes()[10..]);
    sqlx::query!(
        "UPDATE live_channels SET epoch = $4, updated_at = now()
         WHERE organization_id = $1 AND channel = $2 AND epoch = $3",
        stream.organization.0,
        stream.channel,
        old,
        epoch,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Compares both tops of every channel that history may still hold, and mends what differs: at the start of leadership
/// and whenever the bus was away.
pub async fn compare(store: &Store, lease: &Lease) -> Result<()> {
    let mut after = (Uuid::nil(), String::new());
    loop {
        let mut tx = store.db.snapshot().await?;
        let rows = sqlx::query!(
            "SELECT organization_id, channel, epoch, top FROM live_channels
             WHERE (organization_id, channel) > ($1, $2) AND updated_at > now() - interval '24 hours'
             ORDER BY organization_id, channel LIMIT $3",
            after.0,
            after.1,
            PAGE,
        )
        .fetch_all(&mut *tx)
        .await?;
        drop(tx);
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.organization_id, last.channel.clone());
        let streams: Vec<Stream> = rows
            .iter()
            .map(|row| Stream {
                organization: OrganizationId(row.organization_id),
                channel: row.channel.clone(),
            })
            .collect();
        let names = streams
            .iter()
            .map(|stream| (stream.organization, stream.channel.as_str()));
        let found = history::positions(&store.bus, names).await?;
        for ((stream, row), found) in streams.iter().zip(rows).zip(found) {
            let top = Position {
                epoch: row.epoch,
                offset: row.top as u64,
            };
            if found.as_ref() != Some(&top) {
                let next = mend(store, lease, stream, found).await?;
                send(store, lease, stream, next, top.offset).await?;
            }
        }
    }
}
