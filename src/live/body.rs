//! The writing half of the transports that are an endless HTTP answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use signalbox_actors::live_hub::{Outlet, Queued, Taken};
use tokio::sync::oneshot;

use super::plug::Alive;
use super::protocol::{Disconnect, Push, Reply};
use super::stream_id::Track;
use super::wire::Dialect;

/// Bytes handed to the dispatcher at once: what its write buffer holds.
const CHUNK: usize = 32 * 1024;

/// What stands around messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One JSON line each; Protobuf brings its own lengths.
    Lines,
    /// One event of an event stream each.
    Events,
}

/// The response body of one stream: writes what its outlet gets, and its last words.
pub struct Body {
    outlet: Arc<Outlet>,
    framing: Framing,
    dialect: Dialect,
    /// Where the client is in its channels, written as ids that it brings back.
    track: Option<Rc<RefCell<Track>>>,
    begun: bool,
    over: bool,
    _alive: Alive,
    _gone: oneshot::Sender<()>,
}

impl Body {
    /// A body, and the word of its end.
    pub fn new(
        outlet: Arc<Outlet>,
        framing: Framing,
        dialect: Dialect,
        alive: Alive,
    ) -> (Self, oneshot::Receiver<()>) {
        let (gone, is_gone) = oneshot::channel();
        let body = Self {
            outlet,
            framing,
            dialect,
            track: None,
            begun: false,
            over: false,
            _alive: alive,
            _gone: gone,
        };
        (body, is_gone)
    }

    /// Writes ids, by which an EventSource resumes by itself.
    pub fn tracking(mut self, track: Rc<RefCell<Track>>) -> Self {
        self.track = Some(track);
        self
    }

    fn batch(&self, batch: VecDeque<Queued>) -> Bytes {
        let mut out = BytesMut::new();
        for item in &batch {
            let mut framed = BytesMut::new();
            if !item.frame.payload().is_empty() {
                put(self.framing, self.dialect, item.frame.payload(), &mut framed);
            }
            match &self.track {
                Some(track) => track
                    .borrow_mut()
                    .write(item.slot, item.offset, &framed, &mut out),
                None => out.unsplit(framed),
            }
        }
        out.freeze()
    }

    fn last_words(&self, why: &Disconnect) -> Bytes {
        let mut out = BytesMut::new();
        let words = self.dialect.frame(Reply::push(Push::disconnect(why)));
        put(self.framing, self.dialect, words.payload(), &mut out);
        out.freeze()
    }
}

impl Stream for Body {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.framing == Framing::Events && !std::mem::replace(&mut self.begun, true) {
            // some clients and proxies wait for a first byte before they believe that the stream is open
            return Poll::Ready(Some(Ok(Bytes::from_static(b"\r\n"))));
        }
        let most = self
            .track
            .as_ref()
            .map_or(CHUNK, |track| track.borrow().room(CHUNK));
        match std::task::ready!(self.outlet.poll_take(cx, most)) {
            // a batch may only move ids, and an empty chunk would end the answer
            Taken::Batch(batch) => match self.batch(batch) {
                bytes if bytes.is_empty() => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                bytes => Poll::Ready(Some(Ok(bytes))),
            },
            Taken::Ended(why) => {
                self.over = true;
                Poll::Ready(Some(Ok(self.last_words(&why))))
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

/// Writes the messages of one frame, which are joined by newlines where they are in JSON.
fn put(framing: Framing, dialect: Dialect, messages: &[u8], out: &mut BytesMut) {
    match (framing, dialect) {
        // an EventSource leaves out every line that does not begin with the name of a field
        (Framing::Events, _) => {
            for message in messages.split(|byte| *byte == b'\n') {
                out.put_slice(b"data: ");
                out.put_slice(message);
                out.put_slice(b"\n\n");
            }
        }
        (Framing::Lines, Dialect::Protobuf) => out.put_slice(messages),
        (Framing::Lines, _) => {
            out.put_slice(messages);
            out.put_u8(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(framing: Framing) -> String {
        let mut out = BytesMut::new();
        put(framing, Dialect::Json, b"{\"a\":1}\n{\"b\":2}", &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn messages_that_were_joined_for_all_are_an_event_each_and_a_line_each() {
        assert_eq!(text(Framing::Events), "data: {\"a\":1}\n\ndata: {\"b\":2}\n\n");
        assert_eq!(text(Framing::Lines), "{\"a\":1}\n{\"b\":2}\n");
    }
}
