//! The writing half of `GET /api/v1/stream`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use serde_json::json;
use signalbox_actors::live_hub::{Frame, Outlet, Queued};
use tokio::sync::oneshot;

use super::super::body::{CHUNK, Flow, Piece};
use super::super::plug::Alive;
use super::super::protocol::Disconnect;
use super::super::stream_id::Track;
use super::super::wire::event_frame;

/// The response body of one event stream.
pub struct Body {
    flow: Flow,
    written: Rc<RefCell<Track>>,
}

impl Body {
    /// Writes what `outlet` gets, and the word of its end.
    pub fn new(
        outlet: Arc<Outlet>,
        written: Rc<RefCell<Track>>,
        alive: Alive,
    ) -> (Self, oneshot::Receiver<()>) {
        let (flow, is_gone) = Flow::new(outlet, alive);
        (Self { flow, written }, is_gone)
    }
}

impl Stream for Body {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let Self { flow, written } = self.get_mut();
        let most = || written.borrow().room(CHUNK);
        let text = |batch: VecDeque<Queued>| {
            let (mut text, mut track) = (Vec::new(), written.borrow_mut());
            for item in batch {
                track.write(item.slot, item.offset, item.frame.payload(), &mut text);
            }
            text.into()
        };
        flow.poll(cx, most, text, |why| last_words(why).map(|words| words.whole()))
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
