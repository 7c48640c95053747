//! What one connection has asked of the hub and waits for. Most of the time that is nothing, and then it costs nothing:
//! there are many connections.

use std::future::poll_fn;
use std::task::Poll;

use futures::future::LocalBoxFuture;

/// Futures that are polled side by side.
pub struct Pending<T>(Vec<LocalBoxFuture<'static, T>>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pending<T> {
    /// One more.
    pub fn push(&mut self, future: LocalBoxFuture<'static, T>) {
        self.0.push(future);
    }

    /// The next that is done; never, while there is none. Safe to drop and ask again.
    pub async fn next(&mut self) -> T {
        poll_fn(|cx| {
            for at in 0..self.0.len() {
                if let Poll::Ready(done) = self.0[at].as_mut().poll(cx) {
                    drop(self.0.swap_remove(at));
                    if self.0.is_empty() {
                        self.0 = Vec::new();
                    }
                    return Poll::Ready(done);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whatever_is_done_first_comes_first_and_nothing_is_left() {
        let (late, waits) = tokio::sync::oneshot::channel::<u32>();
        let mut pending = Pending::default();
        pending.push(Box::pin(async move { waits.await.unwrap_or_default() }));
        pending.push(Box::pin(std::future::ready(1)));
        assert_eq!(pending.next().await, 1);
        late.send(2).unwrap();
        assert_eq!(pending.next().await, 2);
        assert_eq!(pending.0.capacity(), 0);
    }
}
