//! Apply: judged lines become people. Two lanes take turns of 256 lines each; no address stands in two judged lines, so
//! neither waits for the other but at the counts, right before each commit.

use super::super::events;
use super::super::model::{Counts, Phase};
use super::super::service::{one, require_still};
use super::super::store::{self, Lines, Written};
use super::pace::Pace;
use super::reach::Reach;
use super::{Act, Mark};
use crate::change::{Change, ledger};
use crate::fault;
use crate::jobs::Ending;
use crate::kernel::error::Result;
use crate::users;
use serde_json::json;
use tokio::sync::watch;

/// Lines of a chunk at most.
const MOST_LINES: i32 = 50_000;

/// A chunk of so many lines makes another table of a small one.
const WORTH_ANALYZING: i32 = 1_000;

/// Where the lanes' checkpoints stand.
const NAMES: [&str; 2] = ["lane0", "lane1"];

/// One of those who apply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// 0 or 1: which checkpoint is its own.
    pub name: usize,
    /// The lines it looks at from here on are not applied.
    pub next: i32,
    /// Of so many lanes among which the lines are dealt it is the `turn`th, from 0.
    pub lanes: i32,
    pub turn: i32,
    /// The installation has other organizations, whose addresses are taken too.
    pub others: bool,
}

/// What [`Act::write`] would do.
async fn foresee(change: &mut Change, lines: Lines, over: &Reach) -> Result<(Written, i64)> {
    let mut written = store::foresee(change.tx(), lines).await?;
    let mut rejected = 0;
    if written.acceptable > written.inserted + written.updated {
        rejected += store::reject_taken(change.tx(), lines).await?;
    }
    if written.updated > 0 && !over.is_everybody() {
        let beyond = over.reject_beyond(change.tx(), lines).await?;
        written.updated -= beyond;
        rejected += beyond;
    }
    Ok((written, rejected))
}

impl Act<'_> {
    /// Applies what falls to `lane`, as it is judged.
    pub(super) async fn apply(
        &self,
        mut lane: Lane,
        mut judged: watch::Receiver<Mark>,
    ) -> Result<Option<Ending>> {
        let mut pace = Pace::new(MOST_LINES);
        // once early, so that people are read well while the rest comes; `finish` does it again
        let mut early = lane.name == 0 && self.writes();
        loop {
            if let Some(ending) = self.run.cancel.asked() {
                return Ok(Some(ending));
            }
            let Some(mark) = self
                .hear(&mut judged, |mark| mark.over || mark.end > lane.next)
                .await
            else {
                return Ok(self.run.cancel.asked());
            };
            if mark.end <= lane.next {
                return Ok(None);
            }
            let lines = Lines {
                organization: self.ctx.organization,
                import: self.import.id,
                first: lane.next,
                end: mark.end.min(lane.next.saturating_add(pace.lines() * lane.lanes)),
                lane: lane.turn,
                lanes: lane.lanes,
            };
            if lane.others {
                self.refuse_foreign(lines).await?;
            }
            let share = (lines.end - lines.first) / lane.lanes;
            pace.during(share, self.apply_chunk(lane, lines)).await?;
            lane.next = lines.end;
            if early && share >= WORTH_ANALYZING {
                self.analyze_people().await?;
                early = false;
            }
        }
    }

    async fn apply_chunk(&self, lane: Lane, lines: Lines) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        let at = change.at();
        let over = Reach::of(change.tx(), self.ctx, at).await?;
        store::join_by_hash(change.tx(), true).await?;
        let (written, rejected) = if self.writes() {
            self.write(&mut change, lines, &over).await?
        } else {
            foresee(&mut change, lines, &over).await?
        };
        store::join_by_hash(change.tx(), false).await?;
        let more = Counts {
            inserted: written.inserted,
            updated: written.updated,
            unchanged: written.acceptable - written.inserted - written.updated - rejected,
            rejected,
            ..Counts::default()
        };
        self.tell(&mut change, more, &written).await?;
        // last, so that rights taken while the chunk was written stop it too
        require_still(change.tx(), self.ctx, at).await?;
        fault::point("imports.apply").await;
        let state = json!({NAMES[lane.name]: lines.end});
        change.checkpoint(self.lease(), &state).await?;
        self.settled(written.acceptable);
        Ok(())
    }

    /// Writes a chunk; answers what came of it, and how many lines were rejected. Whoever reaches not everybody adds first, which
    /// locks who is there already, and then changes of those whom they reach.
    async fn write(&self, change: &mut Change, lines: Lines, over: &Reach) -> Result<(Written, i64)> {
        let at = change.at();
        let whole = over.is_everybody();
        let mut written = store::write_people(change.tx(), lines, whole, at).await?;
        if written.acceptable == written.inserted + written.updated {
            return Ok((written, 0));
        }
        let mut rejected = store::reject_taken(change.tx(), lines).await?;
        if !whole {
            rejected += over.reject_beyond(change.tx(), lines).await?;
            let more = store::write_people(change.tx(), lines, true, at).await?;
            written.updated = more.updated;
            written.some.extend(more.some);
            written.some.truncate(store::SOME);
        }
        Ok((written, rejected))
    }

    pub(super) async fn analyze_people(&self) -> Result<()> {
        let mut tx = self.store.db.bookkeeping().await?;
        store::analyze_people(&mut tx).await?;
        Ok(tx.commit().await?)
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
        let rejected = store::reject_taken(&mut tx, lines).await?;
        if rejected == 0 {
            return Ok(());
        }
        let more = Counts {
            rejected,
            ..Counts::default()
        };
        store::count(&mut tx, self.import.id, more, Phase::Apply).await?;
        ledger::checkpoint(tx, self.lease(), &json!({})).await?;
        self.settled(rejected);
        Ok(())
    }
}
