//! Load: the file's records, staged. Two steps overlap over a channel of one batch: while PostgreSQL takes a batch, the
//! next is decoded. So memory holds a chunk of the file and three batches, however long the file is.

use super::super::columns::{self, Places};
use super::super::decode::{Decoder, Place, Record};
use super::super::row::{self, Reject, Staged};
use super::super::{head, store};
use super::{Act, Mark};
use crate::change::ledger;
use crate::fault;
use crate::jobs::Ending;
use crate::kernel::error::Result;
use crate::users::service::barred;
use serde_json::json;
use std::collections::HashSet;
use tokio::sync::{mpsc, watch};

/// Records staged in one transaction, at most.
const BATCH: usize = 10_000;
/// Records of a run's first: a run that is killed early has then got on all the same, and is not taken for one that
/// brings its process down.
const FIRST_BATCH: usize = 500;

#[derive(Debug, Default)]
struct Batch {
    staged: Vec<Staged>,
    rejects: Vec<Reject>,
    /// Where decoding goes on after it.
    next: Place,
    last: bool,
}

impl Batch {
    fn len(&self) -> usize {
        self.staged.len() + self.rejects.len()
    }

    /// Rejects the staged lines at these places: an old file must not bring back who was erased.
    fn reject_barred(&mut self, barred: &HashSet<usize>) {
        if barred.is_empty() {
            return;
        }
        let staged = std::mem::take(&mut self.staged);
        for (place, row) in staged.into_iter().enumerate() {
            if barred.contains(&place) {
                self.rejects.push(Reject::erased(row.line));
            } else {
                self.staged.push(row);
            }
        }
    }
}

impl Act<'_> {
    /// Loads from `from` to the end, and tells the judge after each batch.
    pub(super) async fn load(&self, from: Place, loaded: watch::Sender<Mark>) -> Result<Option<Ending>> {
        if loaded.borrow().over {
            return Ok(None);
        }
        let (sender, mut batches) = mpsc::channel::<Batch>(1);
        let staging = async {
            while let Some(mut batch) = batches.recv().await {
                self.stage(&mut batch).await?;
                loaded.send_replace(Mark {
                    end: batch.next.line as i32,
                    over: batch.last,
                });
                let asked = self.run.cancel.asked();
                if asked.is_some() && !batch.last {
                    return Ok(asked);
                }
            }
            Ok(None)
        };
        tokio::pin!(staging);
        let decoding = self.decode(from, sender);
        tokio::pin!(decoding);
        tokio::select! {
            // ends first only when it failed or was asked to; what is half decoded is dropped
            ended = &mut staging => ended,
            decoded = &mut decoding => {
                decoded?;
                staging.await
            }
        }
    }

    async fn decode(&self, from: Place, batches: mpsc::Sender<Batch>) -> Result<()> {
        let head = self.head().await?;
        let places = columns::places(&head.columns, &self.import.mapping)?;
        let mut sorter = Sorter {
            decoder: Decoder::new(head.delimiter, from),
            columns: head.columns.len(),
            places,
            header: from.offset == 0,
            batch: Batch::default(),
            room: FIRST_BATCH,
        };
        let mut pieces = self.pieces(from);
        while let Some(bytes) = pieces.next().await? {
            let mut input = bytes.as_slice();
            while sorter.next(&mut input)? {
                if sorter.batch.len() >= sorter.room && !send(&batches, sorter.take(false)).await {
                    return Ok(());
                }
            }
        }
        sorter.finish()?;
        send(&batches, sorter.take(true)).await;
        Ok(())
    }

    async fn stage(&self, batch: &mut Batch) -> Result<()> {
        let mut tx = self.store.db.bookkeeping().await?;
        let emails: Vec<&str> = batch.staged.iter().map(|row| row.email.as_str()).collect();
        let barred = barred(&mut tx, &self.store.sealer, self.ctx.organization, &emails).await?;
        batch.reject_barred(&barred);
        store::stage(
            &mut tx,
            self.ctx.organization,
            self.import.id,
            &batch.staged,
            &batch.rejects,
        )
        .await?;
        let state = json!({"load": batch.next, "loaded": batch.last});
        fault::point("imports.load").await;
        ledger::checkpoint(tx, self.lease(), &state).await?;
        self.settled(batch.rejects.len() as i64);
        Ok(())
    }
}

async fn send(batches: &mpsc::Sender<Batch>, batch: Batch) -> bool {
    batches.send(batch).await.is_ok()
}

/// Sorts records into staged lines and rejects.
struct Sorter {
    decoder: Decoder,
    columns: usize,
    places: Places,
    /// The header is still to come.
    header: bool,
    batch: Batch,
    /// Records that the batch may hold.
    room: usize,
}

impl Sorter {
    /// Takes one record; false when more bytes are needed.
    fn next(&mut self, input: &mut &[u8]) -> Result<bool> {
        let record = self.decoder.next(input).map_err(head::endless)?;
        let Some(record) = record else { return Ok(false) };
        sort(
            record,
            &mut self.header,
            self.columns,
            self.places,
            &mut self.batch,
        );
        Ok(true)
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(record) = self.decoder.finish().map_err(head::endless)? {
            sort(
                record,
                &mut self.header,
                self.columns,
                self.places,
                &mut self.batch,
            );
        }
        Ok(())
    }

    fn take(&mut self, last: bool) -> Batch {
        self.room = (self.room * 4).min(BATCH);
        let mut batch = std::mem::take(&mut self.batch);
        (batch.next, batch.last) = (self.decoder.place(), last);
        // a last record without a line break ends in the line where decoding stands
        batch.next.line += u32::from(last);
        batch
    }
}

fn sort(record: Record<'_>, header: &mut bool, columns: usize, places: Places, batch: &mut Batch) {
    if std::mem::take(header) {
        return;
    }
    match row::judge(record, columns, places) {
        Ok(staged) => batch.staged.push(staged),
        Err(reject) => batch.rejects.push(reject),
    }
}
