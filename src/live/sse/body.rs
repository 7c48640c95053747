//! The writing half of `GET /api/v1/stream`.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use signalbox_actors::live_hub::{Frame, Outlet, Taken};
use tokio::sync::oneshot;

use super::super::plug::Alive;
use super::super::protocol::Disconnect;
use super::super::stream_id::Track;
use super::super::wire::event_frame;

/// Bytes handed to the dispatcher at once.
const CHUNK: usize = 32 * 1024;

/// The response body of one event stream.
pub struct Body {
    outlet: Arc<Outlet>,
    written: Rc<RefCell<Track>>,
    over: bool,
    _alive: Alive,
    _gone: oneshot::Sender<()>,
}

impl Body {
    /// Writes what `outlet` gets, and the word of its end.
    pub fn new(
        outlet: Arc<Outlet>,
        written: Rc<RefCell<Track>>,
        alive: Alive,
    ) -> (Self, oneshot::Receiver<()>) {
        let (gone, is_gone) = oneshot::channel();
        let body = Self {
            outlet,
            written,
            over: false,
            _alive: alive,
            _gone: gone,
        };
        (body, is_gone)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let most = self.written.borrow().room(CHUNK);
            match std::task::ready!(self.outlet.poll_take(cx, most)) {
                Taken::Batch(batch) => {
                    let mut text = Vec::new();
                    let mut written = self.written.borrow_mut();
                    for item in batch {
                        written.write(item.slot, item.offset, item.frame.payload(), &mut text);
                    }
                    if !text.is_empty() {
                        return Poll::Ready(Some(Ok(text.into())));
                    }
                }
                Taken::Ended(why) => {
                    self.over = true;
                    return Poll::Ready(last_words(&why).map(|words| Ok(words.whole())));
                }
            }
        }
    }
}

impl Drop for Body {
    /// The socket is gone: whoever feeds it has nobody left to feed.
    fn drop(&mut self) {
        self.outlet.cut(Disconnect::ForceReconnect);
    }
}

/// What is said where coming back is of no use.
fn last_words(why: &Disconnect) -> Option<Frame> {
    // a token that ran out ends a socket for a moment, but an EventSource cannot bring another one
    let told = why.is_final() || *why == Disconnect::Expired;
    told.then(|| {
        event_frame(
            Some("end"),
            &json!({"code": why.code(), "reason": why.reason()}).to_string(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_without_return_is_told() {
        let told: Vec<_> = Disconnect::ALL
            .into_iter()
            .filter(|why| last_words(why).is_some())
            .collect();
        assert!(told.contains(&Disconnect::AccessEnded) && told.contains(&Disconnect::Expired));
        assert!(!told.contains(&Disconnect::Shutdown) && !told.contains(&Disconnect::Slow));
        let words = last_words(&Disconnect::AccessEnded).unwrap();
        let expected = "event: end\ndata: {\"code\":4501,\"reason\":\"access ended\"}\n\n";
        assert_eq!(String::from_utf8_lossy(words.payload()), expected);
    }
}
