//! Judge: of several lines with one address the first stays. Runs behind the load, in the order of the lines.

use super::super::model::{Counts, Phase};
use super::super::service::one;
use super::super::{events, store};
use super::{Act, pipeline::Mark};
use crate::change::Change;
use crate::fault;
use crate::jobs::Ending;
use crate::kernel::error::Result;
use serde_json::json;
use tokio::sync::watch;

const FEWEST_LINES: i32 = 500;
/// About a second's work at the end of a million lines.
const MOST_LINES: i32 = 200_000;

/// Lines of the chunk that begins with line `next`. Each chunk reads the addresses of all lines before it once, so chunks grow
/// with what lies behind them: a million lines are then read not four times in all. Paced by the clock they would shrink
/// on a busy machine, and be read hundreds of times.
fn lines(next: i32) -> i32 {
    (next / 2).clamp(FEWEST_LINES, MOST_LINES)
}

impl Act<'_> {
    /// Judges the lines from `next` on as they are loaded, and tells the lanes after each chunk.
    pub(super) async fn judge(
        &self,
        mut next: i32,
        mut loaded: watch::Receiver<Mark>,
        judged: watch::Sender<Mark>,
    ) -> Result<Option<Ending>> {
        while !judged.borrow().over {
            let enough = next.saturating_add(lines(next));
            let Some(mark) = self
                .hear(&mut loaded, |mark| mark.over || mark.end >= enough)
                .await
            else {
                return Ok(self.run.cancel.asked());
            };
            let end = mark.end.min(enough);
            self.judge_chunk(next, end).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_lines_are_read_less_than_four_times_in_all() {
        let (mut next, mut read) = (0, 0_i64);
        while next < 1_000_000 {
            next = (next + lines(next)).min(1_000_000);
            read += i64::from(next);
        }
        assert!(read < 4_000_000, "{read}");
    }
}
