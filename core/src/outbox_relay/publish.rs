//! Publishing: ordered rows go to Redis in the order of their positions, and Redis is mended where it has lost
//! something.
//!
//! Nothing here needs to happen exactly once: the script appends the next position and ignores an earlier one. So a
//! relay killed between publishing and marking publishes again without effect.

use super::wire::{self, Row};
use super::{Stream, mend};
use crate::Store;
use crate::db::leader::Lease;
use crate::fault;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::OrganizationId;
use crate::live::history::{self, Appended, Begin};
use crate::live::position::{self, Position};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Outbox rows published in one step at most.
const STEP: i64 = 500;
/// Streams brought up to date at the same time.
const AT_ONCE: usize = 4;
/// Times one stream is mended in one step: each can fail only when another leader interferes.
const MENDS: usize = 8;

/// Publishes the oldest rows that are ordered and not published; answers how many.
pub async fn publish(store: &Store, lease: &Lease) -> Result<usize> {
    let (seqs, streams) = due(store).await?;
    if seqs.is_empty() {
        return Ok(0);
    }
    futures::stream::iter(streams)
        .map(async |(stream, (first, last))| {
            let next = Next::after(first as u64 - 1);
            send(store, lease, &stream, next, last as u64).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    fault::point("relay.publish.sent").await;
    mark(store, lease, &seqs).await?;
    metrics::counter!("signalbox_outbox_published_total").increment(seqs.len() as u64);
    Ok(seqs.len())
}

/// First and last position.
type Span = (i64, i64);

/// The rows to publish, and what they are of each stream.
async fn due(store: &Store) -> Result<(Vec<i64>, BTreeMap<Stream, Span>)> {
    let mut tx = store.db.snapshot().await?;
    let rows = sqlx::query!(
        r#"SELECT o.seq, p.organization_id AS "organization_id?", p.channel AS "channel?", p.position AS "position?"
           FROM (SELECT seq FROM outbox WHERE ordered_at IS NOT NULL AND published_at IS NULL ORDER BY seq LIMIT $1) o
           LEFT JOIN outbox_positions p USING (seq) ORDER BY o.seq"#,
        STEP
    )
    .fetch_all(&mut *tx)
    .await?;
    let (mut seqs, mut streams) = (Vec::new(), BTreeMap::<Stream, Span>::new());
    for row in rows {
        if seqs.last() != Some(&row.seq) {
            seqs.push(row.seq);
        }
        let (Some(organization), Some(channel), Some(at)) = (row.organization_id, row.channel, row.position)
        else {
            continue;
        };
        let stream = Stream {
            organization: OrganizationId(organization),
            channel,
        };
        let span = streams.entry(stream).or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    Ok((seqs, streams))
}

/// What to append next, and whether the stream may begin there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub position: u64,
    pub begin: Begin,
}

impl Next {
    /// What follows `position`.
    pub fn after(position: u64) -> Self {
        Self {
            position: position + 1,
            begin: Begin::Never,
        }
    }
}

/// Brings `stream` in Redis up to position `last` at least.
pub(super) async fn send(
    store: &Store,
    lease: &Lease,
    stream: &Stream,
    mut next: Next,
    last: u64,
) -> Result<()> {
    for _ in 0..MENDS {
        match append_up_to(store, stream, next, last).await? {
            Appended::UpTo(_) => return Ok(()),
            Appended::Behind(found) => next = mend::mend(store, lease, stream, found).await?,
        }
    }
    Err(Error::internal(format!(
        "the history of {} changes under the relay's hands",
        stream.channel
    )))
}

/// Appends page after page. [`Appended::Behind`] tells where Redis stands when that is not where the rows go on.
async fn append_up_to(store: &Store, stream: &Stream, mut next: Next, last: u64) -> Result<Appended> {
    while next.position <= last || next.begin != Begin::Never {
        let page = page(store, stream, next.position).await?;
        if page.payloads.is_empty() && next.position <= page.top.offset {
            // pruned, although Redis never had it
            return Ok(Appended::Behind(Some(Position {
                offset: next.position - 1,
                ..page.top
            })));
        }
        fault::point("relay.publish.read").await;
        let appended = history::append(
            &store.bus,
            stream.organization,
            &stream.channel,
            &page.top.epoch,
            &next.begin,
            next.position,
            &page.payloads,
        )
        .await?;
        match appended {
            Appended::UpTo(offset) if offset <= page.top.offset => next = Next::after(offset),
            // ahead of what was read here: of the rows, or only of this reading?
            Appended::UpTo(offset) => return Ok(Appended::Behind(Some(Position { offset, ..page.top }))),
            behind @ Appended::Behind(_) => return Ok(behind),
        }
    }
    Ok(Appended::UpTo(next.position - 1))
}

struct Page {
    top: Position,
    payloads: Vec<Vec<u8>>,
}

/// The rows from `first` on without a hole, at most one call of the script, and where the channel stands.
async fn page(store: &Store, stream: &Stream, first: u64) -> Result<Page> {
    let mut tx = store.db.snapshot().await?;
    let top = position::read(&mut tx, stream.organization, &stream.channel).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT p.position, o.id, o.type AS kind, o.schema, o.at, o.subject_kind, o.subject_id, o.subject_version,
             o.scope_before, o.scope_after, o.event
           FROM outbox_positions p JOIN outbox o USING (seq)
           WHERE p.organization_id = $1 AND p.channel = $2 AND p.position >= $3 ORDER BY p.position LIMIT $4"#,
        stream.organization.0,
        stream.channel,
        first as i64,
        history::BATCH as i64,
    )
    .fetch_all(&mut *tx)
    .await?;
    let whole = (first as i64..)
        .zip(&rows)
        .take_while(|(at, row)| *at == row.position)
        .count();
    rows.truncate(whole);
    let payloads = wire::payloads(&mut tx, &store.sealer, stream, rows).await?;
    Ok(Page { top, payloads })
}

/// What Redis has in all its channels needs no more publishing.
async fn mark(store: &Store, lease: &Lease, seqs: &[i64]) -> Result<()> {
    let mut tx = lease.begin(&store.db).await?;
    sqlx::query!("UPDATE outbox SET published_at = now() WHERE seq = ANY($1)", seqs)
        .execute(&mut *tx)
        .await?;
    fault::point("relay.publish.marked").await;
    lease.commit(tx).await
}
