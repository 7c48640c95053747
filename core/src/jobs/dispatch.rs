//! The dispatcher: ids and their order in Redis, never truth. The feeder gives it due rows, workers take ids from it
//! and claim them in the ledger; a doubled or stale id is nothing, a lost one is given again.
//!
//! Both scripts are bounded by their batch, so that a long queue never holds Redis up.

use super::store::{self, Due};
use crate::Store;
use crate::bus::Bus;
use crate::kernel::error::Result;
use redis::Script;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use uuid::Uuid;

/// Rows in one call of a script at most.
pub const BATCH: usize = 500;
/// A row that Redis was given so many seconds ago and nobody has claimed is looked for.
const UNCLAIMED_SECONDS: f64 = 3.0;

// KEYS ready. ARGV score, id, score, id, ...
static GIVE: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('ZADD', KEYS[1], unpack(ARGV))"));

// KEYS ready, paused. ARGV how many.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local taken, ids = redis.call('ZPOPMIN', KEYS[1], ARGV[1]), {}
for i = 1, #taken, 2 do ids[#ids + 1] = taken[i] end
return ids",
    )
});

/// Takes up to `most` ids of `queue`, the most urgent first.
pub async fn take(bus: &Bus, queue: &str, most: usize) -> Result<Vec<Uuid>> {
    let mut call = TAKE.key(bus.keys().queue_ready(queue));
    call.key(bus.keys().queue_paused(queue)).arg(most.min(BATCH));
    let ids: Vec<String> = call.invoke_async(&mut bus.shared()).await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Gives Redis the due rows it does not have. Answers how many; call again when it was [`BATCH`].
pub async fn feed(store: &Store) -> Result<usize> {
    let mut tx = store.db.bookkeeping().await?;
    let due = store::undispatched(&mut tx, BATCH as i64).await?;
    if due.is_empty() {
        return Ok(0);
    }
    give(&store.bus, &due).await?;
    let ids: Vec<Uuid> = due.iter().map(|row| row.id).collect();
    store::mark_dispatched(&mut tx, &ids, true).await?;
    tx.commit().await?;
    Ok(ids.len())
}

/// Looks for rows that Redis was given and has lost (a flush, a restart with older data, a node that took ids and
/// died), so that the feeder gives them again. Answers how many were lost.
pub async fn find_lost(store: &Store) -> Result<usize> {
    let mut tx = store.db.bookkeeping().await?;
    let unclaimed = store::long_dispatched(&mut tx, UNCLAIMED_SECONDS, BATCH as i64).await?;
    if unclaimed.is_empty() {
        return Ok(0);
    }
    let mut pipe = redis::pipe();
    for row in &unclaimed {
        pipe.cmd("ZSCORE")
            .arg(store.bus.keys().queue_ready(&row.queue))
            .arg(row.id.to_string());
    }
    let scores: Vec<Option<f64>> = pipe.query_async(&mut store.bus.shared()).await?;
    let of = |there: bool| -> Vec<Uuid> {
        let rows = unclaimed.iter().zip(&scores);
        rows.filter(|(_, score)| score.is_some() == there)
            .map(|(row, _)| row.id)
            .collect()
    };
    let (there, lost) = (of(true), of(false));
    // those that are there move to the end of the line, so that every row is looked for in turn
    store::mark_dispatched(&mut tx, &there, true).await?;
    store::mark_dispatched(&mut tx, &lost, false).await?;
    tx.commit().await?;
    Ok(lost.len())
}

async fn give(bus: &Bus, due: &[Due]) -> Result<()> {
    let mut queues: BTreeMap<&str, Vec<&Due>> = BTreeMap::new();
    for row in due {
        queues.entry(&row.queue).or_default().push(row);
    }
    for (queue, rows) in queues {
        let mut call = GIVE.key(bus.keys().queue_ready(queue));
        for row in rows {
            call.arg(score(row)).arg(row.id.to_string());
        }
        call.invoke_async::<()>(&mut bus.shared()).await?;
    }
    Ok(())
}

/// Higher priority first, then what was due earlier: milliseconds stay below 10^13 until the year 2286, and the whole
/// below 2^53, so a double holds it exactly.
fn score(row: &Due) -> i64 {
    let due_ms = (row.run_at.unix_timestamp_nanos() / 1_000_000) as i64;
    due_ms - i64::from(row.priority.clamp(-100, 100)) * 10_000_000_000_000
}
