//! Apply: staged lines become people. Two lanes take half of the file each; their lines share no address, so neither
//! waits for the other but at the counts, right before each commit.

use super::super::events;
use super::super::model::{Counts, Phase};
use super::super::service::one;
use super::super::store::{self, Lines, Written};
use super::Act;
use crate::change::{Change, ledger};
use crate::jobs::Ending;
use crate::kernel::error::Result;
use crate::users;
use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Below so many lines one lane is enough.
const WORTH_TWO_LANES: i32 = 20_000;
/// What a chunk should take: long enough to be cheap, short enough to repeat after a crash.
const CHUNK: Duration = Duration::from_secs(1);
/// Lines of a run's first chunk: small, so that a run that is soon killed has got on all the same.
const FIRST_LINES: i32 = 500;
const FEWEST_LINES: i32 = 200;
const MOST_LINES: i32 = 50_000;

const LANES: [&str; 2] = ["lane0", "lane1"];

impl Act<'_> {
    /// Applies what the lanes' checkpoints leave.
    pub(super) async fn apply(&self, next: [Option<i32>; 2]) -> Result<Option<Ending>> {
        let organization = self.ctx.organization;
        let mut tx = self.store.db.bookkeeping().await?;
        let span = store::span(&mut tx, organization, self.import.id).await?;
        let others = store::has_others(&mut tx, organization).await?;
        drop(tx);
        let Some((first, last)) = span else {
            return Ok(None);
        };
        let middle = if last - first < WORTH_TWO_LANES {
            last
        } else {
            first + (last - first) / 2
        };
        let halves = [(first, middle), (middle + 1, last)];
        let done = AtomicI64::new(0);
        let lane = |n: usize| {
            let (first, last) = halves[n];
            let next = next[n].unwrap_or(first);
            done.fetch_add(i64::from(next - first), Ordering::Relaxed);
            self.lane(
                n,
                next,
                last,
                others,
                &done,
                i64::from(halves[1].1 - halves[0].0 + 1),
            )
        };
        let (a, b) = tokio::try_join!(lane(0), lane(1))?;
        // a person's cancelling outranks a stop
        Ok([a, b]
            .into_iter()
            .flatten()
            .max_by_key(|ending| *ending == Ending::Cancelled))
    }

    async fn lane(
        &self,
        n: usize,
        mut next: i32,
        last: i32,
        others: bool,
        done: &AtomicI64,
        total: i64,
    ) -> Result<Option<Ending>> {
        let mut size = FIRST_LINES;
        while next <= last {
            if let Some(ending) = self.run.cancel.asked() {
                return Ok(Some(ending));
            }
            let lines = Lines {
                organization: self.ctx.organization,
                import: self.import.id,
                first: next,
                last: last.min(next.saturating_add(size - 1)),
            };
            let begun = Instant::now();
            if others {
                self.refuse_foreign(lines).await?;
            }
            self.chunk(n, lines).await?;
            size = adapt(size, begun.elapsed());
            let now = done.fetch_add(i64::from(lines.last - next + 1), Ordering::Relaxed);
            self.run
                .progress
                .set(now + i64::from(lines.last - next + 1), total, "apply");
            next = lines.last + 1;
        }
        Ok(None)
    }

    async fn chunk(&self, lane: usize, lines: Lines) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        let at = change.at();
        store::join_by_hash(change.tx(), true).await?;
        let acceptable = store::acceptable(change.tx(), lines).await?;
        let written = if self.writes() {
            store::write_people(change.tx(), lines, at).await?
        } else {
            store::foresee(change.tx(), lines).await?
        };
        let known = acceptable - written.inserted - written.updated;
        let rejected = if known > 0 {
            store::reject_deleted(change.tx(), lines).await?
        } else {
            0
        };
        store::join_by_hash(change.tx(), false).await?;
        let more = Counts {
            total: 0,
            inserted: written.inserted,
            updated: written.updated,
            unchanged: known - rejected,
            rejected,
        };
        self.tell(&mut change, more, &written).await?;
        change
            .checkpoint(self.lease(), &json!({LANES[lane]: lines.last + 1}))
            .await
    }

    /// One event for those who look at people, one for those who look at the import.
    async fn tell(&self, change: &mut Change, more: Counts, written: &Written) -> Result<()> {
        let people = users::store::find_many(change.tx(), self.ctx.organization, &written.some).await?;
        store::count(change.tx(), self.import.id, more, Phase::Apply).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        if self.writes() && written.inserted + written.updated > 0 {
            let event = events::imported(&import, written.inserted, written.updated, &people)?;
            change.record(event).await?;
        }
        change.record(events::progressed(&import)?).await?;
        Ok(())
    }

    /// Rejects what another organization of the installation has: row-level security hides those people here, and the
    /// unique address would stop the whole chunk.
    async fn refuse_foreign(&self, lines: Lines) -> Result<()> {
        let mut tx = self.store.db.bookkeeping().await?;
        store::join_by_hash(&mut tx, true).await?;
        let rejected = store::reject_foreign(&mut tx, lines).await?;
        if rejected == 0 {
            return Ok(());
        }
        let more = Counts {
            rejected,
            ..Counts::default()
        };
        store::count(&mut tx, self.import.id, more, Phase::Apply).await?;
        ledger::checkpoint(tx, self.lease(), &json!({})).await
    }
}

/// The next chunk's lines, so that it takes about [`CHUNK`]; grows and shrinks by a factor of four at most.
fn adapt(size: i32, took: Duration) -> i32 {
    let factor = CHUNK.as_secs_f64() / took.as_secs_f64().max(0.001);
    let wanted = f64::from(size) * factor.clamp(0.25, 4.0);
    (wanted as i32).clamp(FEWEST_LINES, MOST_LINES)
}
