//! Our backend for apalis: claims of one queue, one at a time, each only when the worker has room for it.
//!
//! apalis asks `poll_next` after its concurrency limit has let one more in, so a job is never claimed to wait on this
//! node. The outcome is settled in the handler's own future (`runner`), so no acknowledgement ever waits in a buffer.
//!
//! Invariant: a claim that was begun is finished. Where the worker closes in the middle of it, the job is given back.

use crate::desk::{Desk, Held};
use apalis_core::backend::{Backend, BackendConfig, finalize::Ephemeral};
use apalis_core::task::Task;
use apalis_core::worker::context::WorkerContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use signalbox_core::change::ledger;
use signalbox_core::jobs::Outcome;
use signalbox_core::kernel::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower::layer::util::Identity;
use uuid::Uuid;

/// The guarantee behind the hints.
pub(crate) const POLL: Duration = Duration::from_millis(250);

/// One queue's source of runs.
pub(crate) struct Claims {
    desk: Arc<Desk>,
    queue: &'static str,
    longest: Duration,
    next: Option<BoxFuture<'static, Option<Held>>>,
    closing: Option<BoxFuture<'static, ()>>,
}

impl Claims {
    pub fn new(desk: Arc<Desk>, queue: &'static str, longest: Duration) -> Self {
        Self {
            desk,
            queue,
            longest,
            next: None,
            closing: None,
        }
    }
}

impl Backend for Claims {
    type Task = Task<Held>;
    type Error = Error;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Error>>> {
        let (desk, queue, longest) = (&self.desk, self.queue, self.longest);
        let next = self
            .next
            .get_or_insert_with(|| next(desk.clone(), queue, longest).boxed());
        let held = ready!(next.poll_unpin(cx));
        self.next = None;
        Poll::Ready(held.map(|held| Ok(Task::new(held))))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Error>> {
        let (desk, next) = (&self.desk, &mut self.next);
        let closing = self.closing.get_or_insert_with(|| {
            let (desk, next) = (desk.clone(), next.take());
            async move {
                let Some(next) = next else { return };
                if let Some(held) = next.await {
                    // refused only when the lease is lost, and then there is nothing to give back
                    let _ = ledger::settle(&desk.store, &held.run, &Outcome::Released).await;
                }
            }
            .boxed()
        });
        closing.poll_unpin(cx).map(Ok)
    }
}

/// The next run of `queue`; `None` once this node stops.
async fn next(desk: Arc<Desk>, queue: &'static str, longest: Duration) -> Option<Held> {
    while !desk.stopping() {
        match desk.claim(queue, longest).await {
            Ok(Some(held)) => return Some(held),
            Ok(None) => {}
            Err(error) => tracing::warn!(queue, code = %error.code, "cannot claim a job"),
        }
        tokio::select! {
            () = desk.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    None
}

impl BackendConfig for Claims {
    type Args = Held;
    type Id = Uuid;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
