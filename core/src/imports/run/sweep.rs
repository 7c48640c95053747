//! What remains to do after an import's end.

use super::super::service::one;
use super::super::{events, store};
use crate::Store;
use crate::change::Change;
use crate::jobs;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::ImportId;

/// Staged lines deleted in one transaction.
const UNSTAGED: i64 = 20_000;

/// Closes imports whose job ended without them, and deletes the staged lines of those that are over, in short
/// transactions. Answers whether there was anything to do; call it again then.
pub async fn sweep(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let (open, staged) = (store::to_close(&mut tx).await?, store::to_sweep(&mut tx).await?);
    if let Some((organization, _, job)) = open {
        let job = jobs::store::get(&mut tx, organization, job).await?;
        drop(tx);
        let job = job.ok_or_else(|| Error::not_found("job"))?;
        close(store, open.map(|(_, import, _)| import), &job).await?;
    } else {
        drop(tx);
    }
    if let Some((organization, import)) = staged {
        let mut after = 0;
        loop {
            let mut tx = store.db.bookkeeping().await?;
            let last = store::unstage(&mut tx, organization, import, after, UNSTAGED).await?;
            if last.is_none() {
                store::swept(&mut tx, import).await?;
            }
            tx.commit().await?;
            let Some(last) = last else { break };
            after = last;
        }
    }
    Ok(open.is_some() || staged.is_some())
}

async fn close(store: &Store, import: Option<ImportId>, job: &jobs::Job) -> Result<()> {
    let Some(import) = import else { return Ok(()) };
    let mut change = Change::begin(store, &job.ctx).await?;
    let at = change.at();
    store::finish(change.tx(), import, job.state, job.error.as_deref(), at).await?;
    let import = one(change.tx(), &job.ctx, import).await?;
    change.record(events::finished(&import)?).await?;
    change.commit().await
}
