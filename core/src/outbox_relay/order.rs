//! Ordering: each unordered outbox row gets its place in each of its channels, and its deltas go into the counters.

use crate::db::leader::Lease;
use crate::db::{Db, PgConnection};
use crate::fault;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use crate::live::position::first_epoch;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Rows ordered in one transaction at most: its locks are short, and what the server sends fits the socket's buffer, so
/// that it never waits for a frozen client in the middle of a statement.
pub const BATCH: i64 = 500;

/// What one step did.
#[derive(Debug, Default)]
pub struct Ordered {
    /// Rows that have their places now.
    pub rows: usize,
    /// Whose counters changed.
    pub counted: BTreeSet<OrganizationId>,
}

/// Orders the oldest rows that have no place yet. Rows are asked for by having none, never by "after the last one", so a
/// row that commits late is not skipped. They are locked first: whatever a leader of before committed meanwhile is
/// seen, and not ordered twice.
pub async fn order(db: &Db, lease: &Lease) -> Result<Ordered> {
    let mut tx = lease.begin(db).await?;
    let rows = sqlx::query!(
        r#"SELECT seq, organization_id, channels, counters <> '{}' AS "counts!" FROM outbox
           WHERE ordered_at IS NULL ORDER BY seq LIMIT $1 FOR UPDATE"#,
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return Ok(Ordered::default());
    }
    fault::point("relay.order.read").await;
    let counts = rows.iter().any(|row| row.counts);
    let mut seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    let ordered = seqs.clone();
    if rows.len() > 2 && fault::mistake("relay.drop_one") {
        seqs.remove(rows.len() / 2);
    }
    let channels = rows
        .into_iter()
        .flat_map(|row| {
            let organization = row.organization_id;
            row.channels
                .into_iter()
                .map(move |channel| (organization, channel))
        })
        .collect();
    lock_channels(&mut tx, channels).await?;
    give_places(&mut tx, &seqs, &ordered).await?;
    let counted = if counts {
        count(&mut tx, &seqs).await?
    } else {
        BTreeSet::new()
    };
    fault::point("relay.order.placed").await;
    lease.commit(tx).await?;
    Ok(Ordered {
        rows: ordered.len(),
        counted,
    })
}

/// Locks the channels, in one order for everybody, and makes those that are new.
async fn lock_channels(tx: &mut PgConnection, channels: BTreeSet<(Uuid, String)>) -> Result<()> {
    let epochs: Vec<String> = channels
        .iter()
        .map(|(organization, channel)| first_epoch(OrganizationId(*organization), channel))
        .collect();
    let (organizations, names): (Vec<Uuid>, Vec<String>) = channels.into_iter().unzip();
    if lock(tx, &organizations, &names).await? == names.len() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO live_channels (organization_id, channel, epoch)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING",
        &organizations,
        &names,
        &epochs,
    )
    .execute(&mut *tx)
    .await?;
    lock(tx, &organizations, &names).await.map(drop)
}

/// How many of them there are.
async fn lock(tx: &mut PgConnection, organizations: &[Uuid], names: &[String]) -> Result<usize> {
    let locked = sqlx::query!(
        r#"SELECT 1 AS "one!" FROM live_channels
           WHERE (organization_id, channel) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
           ORDER BY organization_id, channel FOR UPDATE"#,
        organizations,
        names,
    )
    .fetch_all(tx)
    .await?;
    Ok(locked.len())
}

/// Top + 1, + 2, ... in the order of `seq`, which is the order of each row's changes. `ordered` have their places then.
async fn give_places(tx: &mut PgConnection, seqs: &[i64], ordered: &[i64]) -> Result<()> {
    sqlx::query!(
        "WITH asked AS (
           SELECT DISTINCT o.organization_id, c.channel, o.seq
           FROM outbox o CROSS JOIN LATERAL unnest(o.channels) AS c (channel) WHERE o.seq = ANY($1)),
         given AS (
           INSERT INTO outbox_positions (organization_id, channel, position, seq)
           SELECT a.organization_id, a.channel,
             l.top + row_number() OVER (PARTITION BY a.organization_id, a.channel ORDER BY a.seq), a.seq
           FROM asked a JOIN live_channels l USING (organization_id, channel)
           RETURNING organization_id, channel, position),
         done AS (UPDATE outbox SET ordered_at = now() WHERE seq = ANY($2))
         UPDATE live_channels l SET top = g.top, updated_at = now()
         FROM (SELECT organization_id, channel, max(position) AS top FROM given GROUP BY 1, 2) g
         WHERE l.organization_id = g.organization_id AND l.channel = g.channel",
        seqs,
        ordered,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds the rows' deltas to the counters: in the transaction that orders them, hence exactly once. What is no number is
/// left out rather than let it hold up every event behind it.
async fn count(tx: &mut PgConnection, seqs: &[i64]) -> Result<BTreeSet<OrganizationId>> {
    let counted = sqlx::query_scalar!(
        "INSERT INTO counters (organization_id, name, value)
         SELECT o.organization_id, d.key, sum(d.value::bigint)
         FROM outbox o CROSS JOIN LATERAL
           jsonb_each_text(CASE jsonb_typeof(o.counters) WHEN 'object' THEN o.counters ELSE '{}' END) d
         WHERE o.seq = ANY($1) AND d.value ~ '^-?[0-9]{1,15}$'
         GROUP BY 1, 2 ORDER BY 1, 2
         ON CONFLICT (organization_id, name) DO UPDATE SET value = counters.value + excluded.value, updated_at = now()
         RETURNING organization_id",
        seqs,
    )
    .fetch_all(tx)
    .await?;
    Ok(counted.into_iter().map(OrganizationId).collect())
}
