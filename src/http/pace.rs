//! What a request sends has to come: a body that trickles would hold its handler, and what that holds, for as long as its
//! sender likes. For the head of a request `listener` has a bound of its own.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures::Stream;
use tokio::time::{Sleep, sleep_until};

/// How long a body may be waited for in all, and how much longer for each byte that has come: a second for a KiB. Time in
/// which nobody wanted to read is not counted.
const PATIENCE: Duration = Duration::from_secs(10);
const EACH: Duration = Duration::from_micros(977);

/// Middleware; see above.
pub async fn keep_pace<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let body = request.take_payload();
    // what comes behind a handshake is no body
    let is_body = !matches!(body, Payload::None) && !request.head().upgrade();
    request.set_payload(if is_body {
        let payload: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Paced::new(body, PATIENCE));
        Payload::Stream { payload }
    } else {
        body
    });
    next.call(request).await
}

struct Paced<S> {
    body: S,
    /// What is left of its time.
    left: Duration,
    /// Somebody waits since then, until the timer.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Paced<S> {
    fn new(body: S, patience: Duration) -> Self {
        Self {
            body,
            left: patience,
            waiting: None,
        }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Paced<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(part) = Pin::new(&mut self.body).poll_next(cx) {
            if let Some((since, _)) = self.waiting.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            if let Some(Ok(bytes)) = &part {
                let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.left = self.left.saturating_add(EACH.saturating_mul(bytes));
            }
            return Poll::Ready(part);
        }
        let left = self.left;
        let (_, timer) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until((now + left).into())))
        });
        std::task::ready!(timer.as_mut().poll(cx));
        let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
        Poll::Ready(Some(Err(PayloadError::Incomplete(Some(late)))))
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    fn trickle(bytes: usize, pause: Duration) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin {
        let parts = stream::repeat(Bytes::from(vec![b'x'; bytes]));
        Box::pin(parts.then(move |part| async move {
            tokio::time::sleep(pause).await;
            Ok(part)
        }))
    }

    #[tokio::test]
    async fn a_body_that_trickles_ends_and_one_that_comes_slowly_does_not() {
        let (patience, pause) = (Duration::from_millis(300), Duration::from_millis(20));
        let parts: Vec<_> = Paced::new(trickle(1, pause), patience).take(100).collect().await;
        let late = parts.iter().position(Result::is_err).unwrap();
        assert!((1..=15).contains(&late), "{late}");
        assert!(matches!(parts[late], Err(PayloadError::Incomplete(Some(_)))));
        let slow = Paced::new(trickle(2_048, pause), patience).take(50);
        assert!(slow.all(async |part| part.is_ok()).await);
    }
}
