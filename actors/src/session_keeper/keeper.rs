//! The actor: what happens by itself, on time.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, AtomicResponse, Handler, Message, WrapFuture};
use signalbox_core::api_keys::note_used;
use signalbox_core::kernel::error::Error;
use signalbox_core::sessions::standing::note_seen;

use super::ledger::Ledger;
use crate::supervision::{Context, Supervised};

/// How often time is looked at, and last-seen times are written.
const SWEEP: Duration = Duration::from_secs(1);
/// A read of `revocations` that takes longer is given up and begun again.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// Sessions that seem to have rested for too long that are looked at in one go; the next sweep takes the others.
const LOOKED_AT: usize = 500;
/// Last-seen times in one statement.
const BATCH: usize = 5_000;

/// Write all last-seen times now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Flush;

/// Owns no state but what it is doing: all that is known is in the ledger, which outlives it.
pub(super) struct Keeper {
    ledger: Arc<Ledger>,
    reading: bool,
    writing: bool,
    looking: bool,
}

impl Keeper {
    pub(super) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            reading: false,
            writing: false,
            looking: false,
        }
    }

    /// Reads `revocations`, unless the last read still lasts: a slow database gets no second one on top.
    fn read(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.reading, true) {
            return;
        }
        let ledger = Arc::clone(&self.ledger);
        let read = async move { tokio::time::timeout(READ_WITHIN, ledger.read_revocations()).await };
        ctx.spawn(read.into_actor(self).map(|read, keeper, _| {
            keeper.reading = false;
            if !matches!(read, Ok(Ok(()))) {
                // Nothing else to do: trust runs out by itself, and the next read is 100 ms away.
                metrics::counter!("signalbox_revocations_unread_total").increment(1);
            }
        }));
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let resting = self.ledger.sweep();
        if !resting.is_empty() && !std::mem::replace(&mut self.looking, true) {
            let ledger = Arc::clone(&self.ledger);
            let look = async move {
                for credential in resting.into_iter().take(LOOKED_AT) {
                    ledger.look_again(credential).await;
                }
            };
            ctx.spawn(look.into_actor(self).map(|(), keeper, _| keeper.looking = false));
        }
        metrics::gauge!("signalbox_sessions_kept").set(self.ledger.sessions() as f64);
        metrics::gauge!("signalbox_session_connections").set(self.ledger.connections() as f64);
        if std::mem::replace(&mut self.writing, true) {
            return;
        }
        let ledger = Arc::clone(&self.ledger);
        let write = async move { write(&ledger, false).await };
        ctx.spawn(write.into_actor(self).map(|(), keeper, _| keeper.writing = false));
    }
}

async fn write(ledger: &Ledger, all: bool) {
    let due = ledger.due_seen(all);
    // The next use of the session or key writes a newer time.
    let unwritten = |error: Error| tracing::warn!(%error, "last-seen times could not be written");
    for batch in due.sessions.chunks(BATCH) {
        if let Err(error) = note_seen(&ledger.store.db, batch).await {
            unwritten(error);
        }
    }
    for batch in due.keys.chunks(BATCH) {
        if let Err(error) = note_used(&ledger.store, batch).await {
            unwritten(error);
        }
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read(ctx);
        ctx.run_interval(self.ledger.options.poll, Self::read);
        ctx.run_interval(SWEEP, Self::sweep);
    }
}

impl Supervised for Keeper {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}

impl Handler<Flush> for Keeper {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Flush, _: &mut Self::Context) -> Self::Result {
        let ledger = Arc::clone(&self.ledger);
        AtomicResponse::new(Box::pin(
            async move { write(&ledger, true).await }.into_actor(self),
        ))
    }
}
