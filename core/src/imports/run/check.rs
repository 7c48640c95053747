//! Check: the whole file is decoded once, nothing else, before anything of it is written. So a file that proves broken in
//! its last line has changed nobody, although people are written long before its last line is staged. About a second for
//! a million lines, in the memory of one chunk of the file.

use super::super::decode::{Decoder, Place};
use super::super::model::{Counts, Phase};
use super::super::{MOST_ROWS, head, store};
use super::Act;
use crate::change::ledger;
use crate::fault;
use crate::jobs::Ending;
use crate::kernel::error::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How far the check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checked {
    place: Place,
    /// Records so far, the header among them.
    records: i64,
    /// All were seen.
    over: bool,
}

impl Checked {
    /// Lines of the file besides its header, once the check is over.
    pub fn rows(self) -> Option<i64> {
        self.over.then_some(self.records - 1)
    }
}

impl Act<'_> {
    /// Checks what is left to check. Answers the number of lines besides the header, or that the run was asked to end.
    pub(super) async fn check(&self, from: Checked) -> Result<Result<i64, Ending>> {
        let head = self.head().await?;
        let mut decoder = Decoder::new(head.delimiter, from.place);
        let mut pieces = self.pieces(from.place);
        let mut now = from;
        while let Some(bytes) = pieces.next().await? {
            let mut input = bytes.as_slice();
            while decoder.next(&mut input).map_err(head::endless)?.is_some() {
                now.records += 1;
                now.place = decoder.place();
            }
            bounded(now.records)?;
            self.keep(now).await?;
            self.run.progress.set(now.records, 0, Phase::Load.as_str());
            if let Some(ending) = self.run.cancel.asked() {
                return Ok(Err(ending));
            }
        }
        if decoder.finish().map_err(head::endless)?.is_some() {
            now.records += 1;
        }
        bounded(now.records)?;
        now.over = true;
        self.keep(now).await?;
        Ok(Ok(now.records - 1))
    }

    async fn keep(&self, now: Checked) -> Result<()> {
        let mut tx = self.store.db.bookkeeping().await?;
        // `judged` is a number from the start: a node of an older version, which judged all lines at once and knows nothing
        // of lines already applied, cannot read it and leaves the job to a newer one
        let mut state = json!({"check": now});
        if now.over {
            store::count(&mut tx, self.import.id, Counts::default(), Phase::Load).await?;
            state["judged"] = json!(0);
        }
        fault::point("imports.check").await;
        ledger::checkpoint(tx, self.lease(), &state).await
    }
}

fn bounded(records: i64) -> Result<()> {
    if records - 1 > MOST_ROWS {
        return Err(head::refuse(
            "import.too_many_rows",
            "This file has more than 1,000,000 lines. Split it into several; nobody was imported.",
        ));
    }
    Ok(())
}
