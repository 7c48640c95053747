//! The writing half of the transports that are an endless HTTP answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use signalbox_actors::live_hub::{Outlet, Queued, Taken};
use tokio::sync::oneshot;

use super::plug::Alive;
use super::protocol::{Disconnect, Push, Reply};
use super::stream_id::Track;
use super::wire::Dialect;

/// Bytes handed to the dispatcher at once: what its write buffer holds.
pub const CHUNK: usize = 32 * 1024;

/// What is written of an outlet as the body of an answer, piece by piece.
///
/// Invariant: what the dispatcher has not written of a piece when its reader is cut off is not written any more: the socket is ended.
pub struct Flow {
    outlet: Arc<Outlet>,
    over: bool,
    alive: Alive,
    _gone: oneshot::Sender<()>,
}

impl Flow {
    /// A flow, and the word of its end.
    pub fn new(outlet: Arc<Outlet>, alive: Alive) -> (Self, oneshot::Receiver<()>) {
        let (gone, is_gone) = oneshot::channel();
        let flow = Self {
            outlet,
            over: false,
            alive,
            _gone: gone,
        };
        (flow, is_gone)
    }

    /// The next piece: of about `most()` bytes that waited, as `written` has them, and at the end what `last` says.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        most: impl Fn() -> usize,
        written: impl Fn(VecDeque<Queued>) -> Bytes,
        last: impl FnOnce(&Disconnect) -> Option<Bytes>,
    ) -> Poll<Option<Piece>> {
        while !self.over {
            match ready!(self.outlet.poll_take(cx, most())) {
                Taken::Batch(batch) => {
                    let piece = written(batch);
                    // a batch may only move ids, and an empty chunk would end the answer
                    if !piece.is_empty() {
                        self.alive.gives();
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                Taken::Ended(why) => {
                    self.over = true;
                    if !self.outlet.is_severed() {
                        return Poll::Ready(last(&why).map(Ok));
                    }
                    self.alive.pull();
                }
            }
        }
        Poll::Ready(None)
    }
}

impl Drop for Flow {
    /// The socket is gone: whoever feeds it has nobody left to feed.
    fn drop(&mut self) {
        self.outlet.cut(Disconnect::ForceReconnect);
    }
}

/// Of a body that never fails.
pub type Piece = Result<Bytes, std::io::Error>;

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
    flow: Flow,
    framing: Framing,
    dialect: Dialect,
    /// Where the client is in its channels, written as ids that it brings back.
    track: Option<Rc<RefCell<Track>>>,
    begun: bool,
}

impl Body {
    /// A body, and the word of its end.
    pub fn new(
        outlet: Arc<Outlet>,
        framing: Framing,
        dialect: Dialect,
        alive: Alive,
    ) -> (Self, oneshot::Receiver<()>) {
        let (flow, is_gone) = Flow::new(outlet, alive);
        let body = Self {
            flow,
            framing,
            dialect,
            track: None,
            begun: false,
        };
        (body, is_gone)
    }

    /// Writes ids, by which an EventSource resumes by itself.
    pub fn tracking(mut self, track: Rc<RefCell<Track>>) -> Self {
        self.track = Some(track);
        self
    }
}

impl Stream for Body {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let Self {
            flow,
            framing,
            dialect,
            track,
            begun,
        } = self.get_mut();
        let (framing, dialect, track) = (*framing, *dialect, track.as_ref());
        if framing == Framing::Events && !std::mem::replace(begun, true) {
            // some clients and proxies wait for a first byte before they believe that the stream is open
            return Poll::Ready(Some(Ok(Bytes::from_static(b"\r\n"))));
        }
        let most = || track.map_or(CHUNK, |track| track.borrow().room(CHUNK));
        let written = |batch: VecDeque<Queued>| {
            let mut out = BytesMut::new();
            for item in &batch {
                let mut framed = BytesMut::new();
                if !item.frame.payload().is_empty() {
                    put(framing, dialect, item.frame.payload(), &mut framed);
                }
                match track {
                    Some(track) => track
                        .borrow_mut()
                        .write(item.slot, item.offset, &framed, &mut out),
                    None => out.unsplit(framed),
                }
            }
            out.freeze()
        };
        flow.poll(cx, most, written, |why| {
            let mut out = BytesMut::new();
            let words = dialect.frame(Reply::push(Push::disconnect(why)));
            put(framing, dialect, words.payload(), &mut out);
            Some(out.freeze())
        })
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
