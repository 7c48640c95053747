//! A future that is finished even when nobody waits for it any more.
//!
//! sqlx 0.9 forgets a BEGIN whose future is dropped between the statement and its answer (a request whose client went
//! away, a timeout): the connection goes back to the pool inside that transaction, with its snapshot and its
//! organization, and whoever gets it next works in it. Run to its end, the begun transaction is dropped, and rolls back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs to its end, here or, once dropped, on the runtime.
pub(super) struct Finish<T: Send + 'static>(Option<Boxed<T>>);

impl<T: Send + 'static> Finish<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<T: Send + 'static> Future for Finish<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Pending;
        };
        let output = std::task::ready!(future.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Finish<T> {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            // nobody owns this task, and nobody needs to: it ends with the answer to one statement
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_begin_that_nobody_waits_for_leaves_no_transaction_open_in_the_pool() {
        let test = testing::store().await;
        let mut given_up = 0;
        for n in 0..200_u32 {
            // given up after a few turns, so at another place of the conversation each time
            let mut reading = Box::pin(test.store.db.read(test.organization));
            let mut answered = false;
            for _ in 0..=n % 40 {
                answered = futures::poll!(&mut reading).is_ready();
                if answered {
                    break;
                }
                tokio::task::yield_now().await;
            }
            given_up += u32::from(!answered);
            drop(reading);
            let mut tx = test.store.db.bookkeeping().await.unwrap();
            let read_only =
                sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') AS "on!""#);
            assert_eq!(read_only.fetch_one(&mut *tx).await.unwrap(), "off", "after {n}");
        }
        assert!(given_up > 10, "the test gave up only {given_up} times");
    }
}
