//! Load, judge and apply side by side, each behind the one before.

use super::super::store;
use super::apply::Lane;
use super::{Act, Checkpoint, Judged};
use crate::jobs::Ending;
use crate::kernel::error::Result;
use tokio::sync::watch;

/// Below so many lines one lane is enough.
const WORTH_TWO_LANES: i64 = 20_000;

/// How far a stage is: the next may take the lines before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub end: i32,
    /// No more will come.
    pub over: bool,
}

impl Act<'_> {
    /// Load, judge and apply, each behind the one before.
    pub(super) async fn pipeline(&self, from: &Checkpoint, rows: i64) -> Result<Option<Ending>> {
        let staged = Mark {
            end: from.load.line as i32,
            over: from.loaded,
        };
        let judged = match from.judged {
            Judged::Before(line) => line,
            Judged::All(_) => 0,
        };
        let settled = Mark {
            end: judged,
            over: staged.over && judged >= staged.end,
        };
        let (tell_judge, loaded) = watch::channel(staged);
        let (tell_lanes, to_apply) = watch::channel(settled);
        let others = self.has_others().await?;
        let lane = |turn: i32, next: Option<i32>| Lane {
            name: turn as usize,
            next: next.unwrap_or(0),
            lanes: if rows < WORTH_TWO_LANES { 1 } else { 2 },
            turn,
            others,
        };
        let (first, second) = (lane(0, from.lane0), lane(1, from.lane1));
        let applying = async {
            if second.lanes == 1 {
                return self.apply(first, to_apply).await;
            }
            let (a, b) = tokio::try_join!(
                self.apply(first, to_apply.clone()),
                self.apply(second, to_apply.clone())
            )?;
            Ok(outranking([a, b]))
        };
        let (a, b, c) = tokio::try_join!(
            self.load(from.load, tell_judge),
            self.judge(judged, loaded, tell_lanes),
            applying
        )?;
        Ok(outranking([a, b, c]))
    }

    /// Goes on where the first version had judged the whole file: each lane has half of it.
    pub(super) async fn halves(&self, from: &Checkpoint) -> Result<Option<Ending>> {
        let others = self.has_others().await?;
        let mut tx = self.store.db.bookkeeping().await?;
        let span = store::span(&mut tx, self.ctx.organization, self.import.id).await?;
        drop(tx);
        let Some((first, last)) = span else {
            return Ok(None);
        };
        let middle = if i64::from(last - first) < WORTH_TWO_LANES {
            last
        } else {
            first + (last - first) / 2
        };
        let lane = |name: usize, next: i32, end: i32| {
            let lane = Lane {
                name,
                next,
                lanes: 1,
                turn: 0,
                others,
            };
            self.apply(lane, watch::channel(Mark { end, over: true }).1)
        };
        let (a, b) = tokio::try_join!(
            lane(0, from.lane0.unwrap_or(first), middle + 1),
            lane(1, from.lane1.unwrap_or(middle + 1), last + 1)
        )?;
        Ok(outranking([a, b]))
    }

    /// Waits until the stage before is as far as `enough` says; `None` when this run is to end first.
    pub(super) async fn hear(
        &self,
        stage: &mut watch::Receiver<Mark>,
        enough: impl FnMut(&Mark) -> bool,
    ) -> Option<Mark> {
        if self.run.cancel.asked().is_some() {
            return None;
        }
        tokio::select! {
            mark = stage.wait_for(enough) => mark.ok().map(|mark| *mark),
            _ = self.run.cancel.wait() => None,
        }
    }

    async fn has_others(&self) -> Result<bool> {
        let mut tx = self.store.db.bookkeeping().await?;
        store::has_others(&mut tx, self.ctx.organization).await
    }
}

/// A person's cancelling outranks a stop.
fn outranking<const N: usize>(endings: [Option<Ending>; N]) -> Option<Ending> {
    endings
        .into_iter()
        .flatten()
        .max_by_key(|ending| *ending == Ending::Cancelled)
}
