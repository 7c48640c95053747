//! Pruning: a row of the outbox is kept as long as history is, so that Redis can be filled again from it; and the place of
//! a job's channel until nobody can ask for it.

use crate::Store;
use crate::db::leader::Lease;
use crate::kernel::error::Result;

/// Rows looked at in one transaction.
const BATCH: i64 = 2_000;

/// Deletes published rows older than 24 hours, or so far back in each of their channels that history no longer holds
/// them. Looks at one batch after `cursor` and answers the cursor of the next, 0 when the end is reached: rows of quiet
/// channels, which stay for their 24 hours, are passed over and do not stop the walk.
pub async fn prune(store: &Store, lease: &Lease, cursor: i64) -> Result<i64> {
    let mut tx = lease.begin(&store.db).await?;
    let looked = sqlx::query!(
        r#"WITH looked AS (
             SELECT seq, at, published_at FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2),
           gone AS (
             DELETE FROM outbox o USING looked l WHERE o.seq = l.seq AND l.published_at IS NOT NULL
               AND (l.at < now() - interval '24 hours' OR NOT EXISTS (
                 SELECT FROM outbox_positions p JOIN live_channels c USING (organization_id, channel)
                 WHERE p.seq = l.seq
                   AND p.position > c.top - CASE WHEN p.channel LIKE 'job:%' THEN 1000 ELSE 10000 END))
             RETURNING o.seq)
           SELECT max(seq) AS last, count(*) AS "looked!", (SELECT count(*) FROM gone) AS "gone!" FROM looked"#,
        cursor,
        BATCH,
    )
    .fetch_one(&mut *tx)
    .await?;
    lease.commit(tx).await?;
    metrics::counter!("signalbox_outbox_pruned_total").increment(looked.gone as u64);
    Ok(looked.last.filter(|_| looked.looked == BATCH).unwrap_or(0))
}

/// Deletes one batch of the places of ended jobs' channels, 31 days after their last event: Redis has forgotten them after
/// 30, so nobody can come back with an offset of theirs. True while there may be more.
pub async fn forget_channels(store: &Store, lease: &Lease) -> Result<bool> {
    let mut tx = lease.begin(&store.db).await?;
    let gone = sqlx::query!(
        "DELETE FROM live_channels WHERE (organization_id, channel) IN (
           SELECT c.organization_id, c.channel FROM live_channels c
           WHERE c.updated_at < now() - interval '31 days' AND c.channel LIKE 'job:%'
             AND NOT EXISTS (SELECT FROM outbox_positions p
               WHERE p.organization_id = c.organization_id AND p.channel = c.channel)
             AND NOT EXISTS (SELECT FROM jobs j
               WHERE 'job:' || j.id = c.channel AND j.state IN ('waiting', 'running', 'paused', 'retrying'))
           LIMIT $1)",
        BATCH,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    lease.commit(tx).await?;
    Ok(gone == BATCH as u64)
}
