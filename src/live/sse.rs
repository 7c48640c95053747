//! `GET /api/v1/stream`: the same events for plain EventSource and `curl`.
//!
//! Every event carries in its `id:` how far all channels of the stream are, so that one `Last-Event-ID` resumes them all.
//! `event: reset` names channels whose present state must be fetched again. `event: end` says why nothing more comes, where
//! reconnecting would only be refused; without it, reconnecting helps.
//!
//! Invariant: rights that change end the stream or the view at once; what was queued under the old ones is not written.
//! Invariant: as on WebSocket, timers and signals never wait for writing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use signalbox_actors::live_hub::{
    Arrival, Connected, ConnectionOrder, Encoding, Entry, FollowError, Frame, Membership, Outlet, Place,
    Signal, Taken, Transport, View, Wish,
};
use signalbox_core::kernel::id::EventId;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::Live;
use super::client::{Refusal, SignInError};
use super::gate::{Admission, Asked, Grant, Viewer};
use super::plug::{Alive, Plug};
use super::protocol::{Disconnect, ReplyError, SubscribeRequest};
use super::stream_id::{StreamId, Track};
use super::wire::{EventStream, comment_frame, event_frame};

/// Between comments.
const COMMENT: Duration = Duration::from_secs(15);

/// How long the last words may take to be read.
const CLOSING: Duration = Duration::from_secs(5);

/// Bytes handed to the dispatcher at once.
const CHUNK: usize = 32 * 1024;

/// Channels of one stream at most.
pub const MAX_STREAM_CHANNELS: usize = 32;

/// One event stream, as it is driven.
pub struct EventSource {
    live: Arc<Live>,
    outlet: Arc<Outlet>,
    admission: Admission,
    channels: Vec<Held>,
    written: Rc<RefCell<Track>>,
    last_slot: u32,
    expires_at: Option<Instant>,
    entry: Entry,
    _counted: Connected,
}

struct Held {
    name: Rc<str>,
    grant: Grant,
    slot: u32,
    _membership: Membership,
}

/// A place in no stream: a client that stands there is told to fetch.
fn nowhere() -> Place {
    Place {
        epoch: "?".into(),
        offset: 0,
    }
}

impl EventSource {
    /// Opens a stream over channels that have been judged. `known` is where a client stands that comes back: what it does not name
    /// is to be fetched anew.
    ///
    /// # Errors
    /// When delivery is interrupted; trying again later helps.
    pub async fn open(
        live: Arc<Live>,
        outlet: Arc<Outlet>,
        admission: Admission,
        judged: Vec<(String, Grant)>,
        known: Option<&StreamId>,
        address: String,
    ) -> Result<Self, FollowError> {
        let counted = live.hub.connected(&outlet, Transport::EventStream);
        let arrival = Arrival {
            client: EventId::new().to_string(),
            organization: admission.viewer.organization(),
            user: admission.viewer.user(),
            session: String::new(),
            transport: Transport::EventStream,
            protobuf: false,
            name: String::new(),
            version: String::new(),
            address,
            connected_at: live.clock.now(),
        };
        let entry = live.hub.enter(arrival, &outlet, live.limits.connections);
        let mut stream = Self {
            entry: entry.ok_or(FollowError::TooMany)?,
            live,
            outlet,
            admission,
            channels: Vec::with_capacity(judged.len()),
            written: Rc::default(),
            last_slot: 0,
            expires_at: None,
            _counted: counted,
        };
        // spread over a second, so that streams that were cut together do not come back together
        let retry = 500 + rand::random_range(0..1000);
        stream
            .outlet
            .push(Frame::new(format!("retry: {retry}\n\n").into(), 0));
        for (channel, grant) in judged {
            let place = known.map(|known| known.place(&channel).cloned().unwrap_or_else(nowhere));
            stream
                .follow(channel.as_str().into(), grant, place.as_ref())
                .await?;
        }
        stream.outlet.push(comment_frame());
        Ok(stream)
    }

    /// The half that writes, and the word of its end.
    pub fn body(&self, alive: Alive) -> (Body, oneshot::Receiver<()>) {
        let (gone, is_gone) = oneshot::channel();
        let (outlet, written) = (self.outlet.clone(), self.written.clone());
        (
            Body {
                outlet,
                written,
                over: false,
                _alive: alive,
                _gone: gone,
            },
            is_gone,
        )
    }

    /// Drives the stream until it ends.
    pub async fn run(mut self, plug: Plug, gone: oneshot::Receiver<()>) {
        self.serve().await;
        self.channels.clear();
        drop(self.admission);
        // a peer that does not even read the last words is not waited for any longer
        let _ = timeout(CLOSING, gone).await;
        plug.pull();
    }

    async fn serve(&mut self) {
        self.expires_at = self.admission.expires_in.map(|lasts| Instant::now() + lasts);
        let mut comment_at = Instant::now() + COMMENT;
        loop {
            let deadline = self.expires_at.map_or(comment_at, |at| comment_at.min(at));
            let outlet = self.outlet.clone();
            tokio::select! {
                biased;
                signal = poll_fn(|cx| outlet.poll_signal(cx)) => match signal {
                    Signal::Ended(_) => return,
                    Signal::Lost(slot) => self.follow_again(slot).await,
                    Signal::RightsChanged => self.look_again().await,
                    Signal::Ordered => outlet.take_orders().into_iter().for_each(|order| self.obey(order)),
                },
                () = sleep_until(deadline.into()) => {
                    if self.expires_at.is_some_and(|at| at <= deadline) {
                        return self.outlet.end(Disconnect::Expired);
                    }
                    comment_at = deadline + COMMENT;
                    self.outlet.push(comment_frame());
                }
            }
        }
    }

    /// What the server API orders. Its channels are what its address says, so none is added; one that is taken ends the stream, which
    /// may not come back for it.
    fn obey(&mut self, order: ConnectionOrder) {
        match order {
            ConnectionOrder::Unsubscribe { channel, .. } => {
                if self.channels.iter().any(|held| *held.name == channel) {
                    self.outlet.cut(Disconnect::PermissionDenied);
                }
            }
            ConnectionOrder::Refresh { expired: true, .. } => self.outlet.end(Disconnect::Expired),
            ConnectionOrder::Refresh { expire_at, .. } => {
                let left = expire_at.map(|at| at - self.live.clock.now().unix_timestamp());
                self.expires_at = match left.map(u64::try_from) {
                    Some(Ok(left @ 1..)) => Some(Instant::now() + Duration::from_secs(left)),
                    Some(_) => return self.outlet.end(Disconnect::Expired),
                    None => None,
                };
            }
            ConnectionOrder::Subscribe { .. } | ConnectionOrder::Commands(_) => {}
        }
    }

    /// Follows a channel from where the client stands, and queues what it missed.
    async fn follow(
        &mut self,
        name: Rc<str>,
        grant: Grant,
        known: Option<&Place>,
    ) -> Result<(), FollowError> {
        self.last_slot += 1;
        let slot = self.last_slot;
        // whoever may not resume begins now, wherever they say that they were
        let since = known.filter(|_| grant.recoverable).map(|known| Place {
            epoch: grant.sight.epoch_meant(&known.epoch).into(),
            offset: known.offset,
        });
        let wish = Wish {
            channel: grant.key.clone(),
            view: View::new(grant.sight.clone(), &EventStream),
            since,
            keeps: grant.keeps,
        };
        let following = self.live.hub.follow(&self.outlet, slot, wish).await?;
        let place = following.place;
        self.written
            .borrow_mut()
            .begins(slot, name.clone(), grant.sight.epoch_told(&place.epoch).into());
        let resumed = known.filter(|_| following.recovered);
        let from = resumed.map_or(place.offset, |known| known.offset);
        // no bytes, only the place: the next thing written tells it
        self.outlet.push_at(Frame::new(Bytes::new(), 0), slot, from);
        for item in following.missed {
            let frame = EventStream.publication(&name, &item);
            self.outlet.push_at(frame, slot, item.offset);
        }
        if resumed.is_some() {
            // what the client may not see has moved it too
            self.outlet
                .push_at(Frame::new(Bytes::new(), 0), slot, place.offset);
        } else if known.is_some() {
            self.outlet.push(event_frame(
                Some("reset"),
                &json!({"channels": [&*name]}).to_string(),
            ));
        }
        following.membership.release(place, false);
        self.entry.present.follows(&following.membership.channel().name);
        self.channels.push(Held {
            name,
            grant,
            slot,
            _membership: following.membership,
        });
        Ok(())
    }

    /// The hub lost this channel's place; the stream goes on from what was written. A client that reads too slowly for that
    /// is told to fetch instead: what it could not read once is not queued again.
    async fn follow_again(&mut self, slot: u32) {
        let Some(at) = self.channels.iter().position(|held| held.slot == slot) else {
            return;
        };
        let too_slow = self.outlet.has_dropped(slot);
        let Held { name, grant, .. } = self.channels.swap_remove(at);
        self.entry.present.leaves(&name);
        let known = self.written.borrow().place(&name).filter(|_| !too_slow);
        self.follow_or_end(name, grant, known).await;
    }

    async fn follow_or_end(&mut self, name: Rc<str>, grant: Grant, known: Option<Place>) {
        let known = known.unwrap_or_else(nowhere);
        if let Err(error) = self.follow(name, grant, Some(&known)).await {
            tracing::debug!(%error, "an event stream could not be continued");
            self.outlet.cut(Disconnect::InsufficientState);
        }
    }

    /// Rights may have changed: every channel is judged anew.
    async fn look_again(&mut self) {
        let gate = self.live.gate.clone();
        let Viewer::Member(before) = &self.admission.viewer else {
            return;
        };
        match gate.look_again(before).await {
            Ok(member) => self.admission.viewer = Viewer::Member(member),
            Err(SignInError::AccessEnded) => return self.outlet.cut(Disconnect::AccessEnded),
            Err(SignInError::Address) => return self.outlet.cut(Disconnect::AddressRefused),
            Err(SignInError::Unavailable) => return self.outlet.cut(Disconnect::ForceReconnect),
            Err(_) => return self.outlet.cut(Disconnect::SignedOut),
        }
        let mut changed = Vec::new();
        for held in std::mem::take(&mut self.channels) {
            match gate.judge(&self.admission.viewer, asked(&held.name)).await {
                // nobody can say just now
                Err(Refusal::Reply(ReplyError::Internal)) => {
                    return self.outlet.cut(Disconnect::ForceReconnect);
                }
                Err(_) => return self.outlet.cut(Disconnect::PermissionDenied),
                Ok(grant) if grant.sight == held.grant.sight => self.channels.push(held),
                Ok(grant) => changed.push((held, grant)),
            }
        }
        // all views of before are gone before anything is said of the first
        let changed: Vec<_> = changed
            .into_iter()
            .map(|(held, grant)| (held.name, grant))
            .collect();
        for (name, grant) in changed {
            self.entry.present.leaves(&name);
            self.follow_or_end(name, grant, None).await;
        }
    }
}

/// The wish of an event stream, which says nothing but the channel.
pub fn asked(channel: &str) -> Asked {
    Asked {
        client: "".into(),
        wish: SubscribeRequest {
            channel: channel.to_owned(),
            recoverable: true,
            positioned: true,
            ..SubscribeRequest::default()
        },
        by_server: None,
    }
}

/// The response body of one event stream.
pub struct Body {
    outlet: Arc<Outlet>,
    written: Rc<RefCell<Track>>,
    over: bool,
    _alive: Alive,
    _gone: oneshot::Sender<()>,
}

impl Stream for Body {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            match std::task::ready!(self.outlet.poll_take(cx, CHUNK)) {
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
