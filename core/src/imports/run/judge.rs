//! Judge: of several lines with one address the first stays. Runs behind the load, in chunks of about a second, in the
//! order of the lines.

use super::super::model::{Counts, Phase};
use super::super::service::one;
use super::super::{events, store};
use super::pace::Pace;
use super::{Act, Mark};
use crate::change::Change;
use crate::fault;
use crate::jobs::Ending;
use crate::kernel::error::Result;
use serde_json::json;
use tokio::sync::watch;

/// Each chunk reads the addresses of all lines before it once, so large ones cost less in all.
const MOST_LINES: i32 = 200_000;

impl Act<'_> {
    /// Judges the lines from `next` on as they are loaded, and tells the lanes after each chunk.
    pub(super) async fn judge(
        &self,
        mut next: i32,
        mut loaded: watch::Receiver<Mark>,
        judged: watch::Sender<Mark>,
    ) -> Result<Option<Ending>> {
        let mut pace = Pace::new(MOST_LINES);
        while !judged.borrow().over {
            let enough = next.saturating_add(pace.lines());
            let Some(mark) = self
                .hear(&mut loaded, |mark| mark.over || mark.end >= enough)
                .await
            else {
                return Ok(self.run.cancel.asked());
            };
            let end = mark.end.min(enough);
            pace.during(end - next, self.judge_chunk(next, end)).await?;
            judged.send_replace(Mark {
                end,
                over: mark.over && end == mark.end,
            });
            next = end;
        }
        Ok(None)
    }

    async fn judge_chunk(&self, first: i32, end: i32) -> Result<()> {
        let mut change = Change::begin(self.store, self.ctx).await?;
        store::prepare_to_judge(change.tx()).await?;
        let rejected =
            store::reject_repeated(change.tx(), self.ctx.organization, self.import.id, first, end).await?;
        let more = Counts {
            rejected,
            ..Counts::default()
        };
        store::count(change.tx(), self.import.id, more, Phase::Judge).await?;
        let import = one(change.tx(), self.ctx, self.import.id).await?;
        change.record(events::progressed(&import)?).await?;
        fault::point("imports.judge").await;
        change.checkpoint(self.lease(), &json!({"judged": end})).await?;
        self.settled(rejected);
        Ok(())
    }
}
