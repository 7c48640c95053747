//! `GET /api/v1/stream`: the same events for plain EventSource and `curl`.
//!
//! Every event carries in its `id:` how far all channels of the stream are, so that one `Last-Event-ID` resumes them all.
//! `event: reset` names channels whose present state must be fetched again. `event: end` says why nothing more comes, where
//! reconnecting would only be refused; without it, reconnecting helps. Who is in a channel is told by `event: presence`, and who
//! comes and goes by `join` and `leave`, where that is told on WebSocket.
//!
//! Invariant: rights that change end the stream or the view at once, whatever is being read; what was queued or read under the old
//! ones is not written.
//! Invariant: as on WebSocket, timers and signals never wait for writing, nor for PostgreSQL or Redis.

mod body;
mod stand;

pub use body::Body;
use stand::{Judged, Stands, Wanted, judge_all, stand};

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{LocalBoxFuture, OptionFuture};
use serde_json::json;
use signalbox_actors::live_hub::{
    Arrival, Connected, ConnectionOrder, Encoding, Entry, FollowError, Frame, Membership, Outlet, Place,
    Signal, Transport,
};
use signalbox_core::kernel::id::EventId;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::Live;
use super::following::Present;
use super::gate::{Admission, Asked, Grant, Viewer};
use super::pending::Pending;
use super::plug::{Alive, Plug};
use super::protocol::{Disconnect, SubscribeRequest};
use super::stream_id::{StreamId, Track};
use super::wire::{EventStream, comment_frame, event_frame};

/// Between comments.
const COMMENT: Duration = Duration::from_secs(15);

/// How long the last words may take to be read.
const CLOSING: Duration = Duration::from_secs(5);

/// Channels of one stream at most.
pub const MAX_STREAM_CHANNELS: usize = 32;

/// One event stream, as it is driven.
pub struct EventSource {
    live: Arc<Live>,
    outlet: Arc<Outlet>,
    admission: Admission,
    client: Box<str>,
    channels: Vec<Held>,
    coming: Vec<Coming>,
    /// What is read for those that are coming.
    pending: Pending<(u32, Result<Stands, FollowError>)>,
    /// Rights are looked at, the last change of them alone.
    looking: Option<LocalBoxFuture<'static, Judged>>,
    /// Counts how often rights have changed.
    rights: u64,
    written: Rc<RefCell<Track>>,
    last_slot: u32,
    expires_at: Option<Instant>,
    comment_at: Instant,
    entry: Entry,
    _counted: Connected,
}

/// A channel that is followed.
struct Held {
    name: Rc<str>,
    grant: Grant,
    slot: u32,
    _membership: Membership,
    present: Option<Box<Present>>,
}

/// A channel that is to be followed.
struct Coming {
    name: Rc<str>,
    grant: Grant,
    slot: u32,
    /// Where the client stands, where it stands anywhere.
    known: Option<Place>,
    /// The count of rights that `grant` is of.
    rights: u64,
    /// Its place was lost before it could be used.
    lost: bool,
    /// It was read, and thrown away because rights have changed: it begins again once they are known.
    thrown: bool,
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
        let client = EventId::new().to_string();
        let arrival = Arrival {
            client: client.clone(),
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
        let now = Instant::now();
        let mut stream = Self {
            entry: entry.ok_or(FollowError::TooMany)?,
            live,
            outlet,
            client: client.into(),
            channels: Vec::with_capacity(judged.len()),
            coming: Vec::with_capacity(judged.len()),
            pending: Pending::default(),
            looking: None,
            rights: 0,
            written: Rc::default(),
            last_slot: 0,
            expires_at: admission.expires_in.map(|lasts| now + lasts),
            admission,
            comment_at: now + COMMENT,
            _counted: counted,
        };
        // spread over a second, so that streams that were cut together do not come back together
        let retry = 500 + rand::random_range(0..1000);
        stream
            .outlet
            .push(Frame::new(format!("retry: {retry}\n\n").into(), 0));
        for (channel, grant) in judged {
            let place = known.map(|known| known.place(&channel).cloned().unwrap_or_else(nowhere));
            stream.begin(channel.as_str().into(), grant, place);
        }
        while (stream.looking.is_some() || !stream.coming.is_empty()) && stream.step(None).await? {}
        stream.outlet.push(comment_frame());
        Ok(stream)
    }

    /// The half that writes, and the word of its end.
    pub fn body(&self, alive: Alive) -> (Body, oneshot::Receiver<()>) {
        Body::new(self.outlet.clone(), self.written.clone(), alive)
    }

    /// Drives the stream until it ends.
    pub async fn run(mut self, plug: Plug, gone: oneshot::Receiver<()>) {
        loop {
            match self.step(Some(&plug)).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "an event stream could not be continued");
                    self.outlet.cut(Disconnect::InsufficientState);
                }
            }
        }
        if self.outlet.is_severed() {
            // nor is what the writing half has begun read to its end
            plug.pull();
        }
        self.channels.clear();
        self.pending = Pending::default();
        drop((self.looking, self.entry, self.admission));
        // a peer that does not even read the last words is not waited for any longer
        let _ = timeout(CLOSING, gone).await;
        plug.pull();
    }

    /// The next thing that happens. `false` when the stream has ended.
    async fn step(&mut self, plug: Option<&Plug>) -> Result<bool, FollowError> {
        let deadline = self
            .expires_at
            .map_or(self.comment_at, |at| self.comment_at.min(at));
        let outlet = self.outlet.clone();
        let is_seen = self.channels.iter().any(|held| held.present.is_some());
        let plug = plug.filter(|_| is_seen);
        tokio::select! {
            biased;
            signal = poll_fn(|cx| outlet.poll_signal(cx)) => match signal {
                Signal::Ended(_) => return Ok(false),
                Signal::Lost(slot) => self.follow_again(slot),
                Signal::RightsChanged => self.look_again(),
                Signal::Ordered => outlet.take_orders().into_iter().for_each(|order| self.obey(order)),
            },
            Some(judged) = OptionFuture::from(self.looking.as_mut()), if self.looking.is_some() => {
                self.looking = None;
                self.judged(judged);
            }
            (slot, stands) = self.pending.next() => self.settle(slot, stands)?,
            Some(()) = OptionFuture::from(plug.map(Plug::hung_up)), if plug.is_some() => {
                outlet.cut(Disconnect::ForceReconnect);
            }
            () = sleep_until(deadline.into()) => self.tick(deadline),
        }
        Ok(true)
    }

    fn tick(&mut self, now: Instant) {
        if self.expires_at.is_some_and(|at| at <= now) {
            return self.outlet.end(Disconnect::Expired);
        }
        self.comment_at = now + COMMENT;
        self.outlet.push(comment_frame());
    }

    /// What the server API orders. Its channels are what its address says, so none is added; one that is taken ends the stream, which
    /// may not come back for it.
    fn obey(&mut self, order: ConnectionOrder) {
        match order {
            ConnectionOrder::Unsubscribe { channel, .. } => {
                let mut names = self.channels.iter().map(|held| &held.name);
                let mut coming = self.coming.iter().map(|coming| &coming.name);
                if names.any(|name| **name == channel) || coming.any(|name| **name == channel) {
                    self.outlet.cut(Disconnect::PermissionDenied);
                }
            }
            ConnectionOrder::Refresh { expired: true, .. } => self.outlet.end(Disconnect::Expired),
            ConnectionOrder::Refresh { expire_at, info, .. } => {
                if let (Viewer::Guest(guest), Some(info)) = (&mut self.admission.viewer, info) {
                    guest.info = Some(info);
                    self.show_info();
                }
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

    /// What is told of a user of the application may have changed: others see it.
    fn show_info(&mut self) {
        if let Viewer::Guest(guest) = &self.admission.viewer {
            for present in self.channels.iter_mut().filter_map(|held| held.present.as_mut()) {
                present.show(guest.info.as_ref());
            }
        }
    }

    /// Has a channel followed from where the client stands.
    fn begin(&mut self, name: Rc<str>, grant: Grant, known: Option<Place>) {
        self.last_slot += 1;
        let slot = self.last_slot;
        // whoever may not resume begins now, wherever they say that they were
        let since = known.as_ref().filter(|_| grant.recoverable).map(|known| Place {
            epoch: grant.sight.epoch_meant(&known.epoch).into(),
            offset: known.offset,
        });
        let wanted = Wanted {
            slot,
            client: self.client.clone(),
            viewer: self.admission.viewer.clone(),
            outlet: self.outlet.clone(),
            grant: grant.clone(),
            since,
        };
        let live = self.live.clone();
        self.pending
            .push(Box::pin(async move { (slot, stand(&live, wanted).await) }));
        self.coming.push(Coming {
            name,
            grant,
            slot,
            known,
            rights: self.rights,
            lost: false,
            thrown: false,
        });
    }

    /// A channel was registered for and read, if it is still wanted so.
    fn settle(&mut self, slot: u32, stands: Result<Stands, FollowError>) -> Result<(), FollowError> {
        let Some(at) = self.coming.iter().position(|coming| coming.slot == slot) else {
            return Ok(());
        };
        if self.coming[at].rights != self.rights {
            self.coming[at].thrown = true;
            return Ok(());
        }
        let coming = self.coming.swap_remove(at);
        let stands = stands?;
        if coming.lost {
            self.begin(coming.name, coming.grant, coming.known);
        } else {
            self.hold(coming, stands);
        }
        Ok(())
    }

    /// Queues what a client missed of a channel, and lets what happens now flow.
    fn hold(&mut self, coming: Coming, stands: Stands) {
        let Coming {
            name,
            grant,
            slot,
            known,
            ..
        } = coming;
        let Stands {
            following,
            present,
            there,
        } = stands;
        let place = following.place;
        self.written
            .borrow_mut()
            .begins(slot, &name, grant.sight.epoch_told(&place.epoch).into());
        let resumed = known.as_ref().filter(|_| following.recovered);
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
            let reset = json!({"channels": [&*name]}).to_string();
            self.outlet.push(event_frame(Some("reset"), &reset));
        }
        if let Some(there) = there {
            let all = json!({"channel": &*name, "presence": there}).to_string();
            self.outlet.push_at(event_frame(Some("presence"), &all), slot, 0);
        }
        following.membership.release(place, false);
        if let Some(present) = &present {
            present.announce();
        }
        self.entry.present.follows(&following.membership.channel().name);
        self.channels.push(Held {
            name,
            grant,
            slot,
            _membership: following.membership,
            present,
        });
        // it was asked for before
        self.show_info();
    }

    /// The hub lost this channel's place; the stream goes on from what was written. A client that reads too slowly for that
    /// is told to fetch instead: what it could not read once is not queued again.
    fn follow_again(&mut self, slot: u32) {
        if let Some(coming) = self.coming.iter_mut().find(|coming| coming.slot == slot) {
            coming.lost = true;
        }
        let Some(at) = self.channels.iter().position(|held| held.slot == slot) else {
            return;
        };
        let too_slow = self.outlet.has_dropped(slot);
        let Held { name, grant, .. } = self.channels.swap_remove(at);
        self.entry.present.leaves(&name);
        let known = self.written.borrow().place(&name).filter(|_| !too_slow);
        self.begin(name, grant, Some(known.unwrap_or_else(nowhere)));
    }

    /// Rights may have changed: every channel is judged anew. What is read with those of before is thrown away.
    fn look_again(&mut self) {
        let Viewer::Member(before) = &self.admission.viewer else {
            return;
        };
        self.rights += 1;
        let held = self.channels.iter().map(|held| &held.name);
        let names = held.chain(self.coming.iter().map(|coming| &coming.name));
        let names = names.map(|name| (name.clone(), asked(name))).collect();
        self.looking = Some(Box::pin(judge_all(self.live.gate.clone(), before.clone(), names)));
    }

    /// What a viewer may see as of now.
    fn judged(&mut self, judged: Judged) {
        let (member, grants) = match judged {
            Ok(judged) => judged,
            Err(why) => return self.outlet.cut(why),
        };
        self.admission.viewer = Viewer::Member(member);
        let mut changed = Vec::new();
        for (name, grant) in grants {
            if let Some(at) = self.channels.iter().position(|held| held.name == name) {
                if self.channels[at].grant.sight != grant.sight {
                    changed.push((grant, self.channels.swap_remove(at).name, Some(nowhere())));
                }
            } else if let Some(at) = self.coming.iter().position(|coming| coming.name == name) {
                let coming = &mut self.coming[at];
                let is_same = coming.grant.sight == grant.sight;
                if is_same && !coming.thrown {
                    coming.rights = self.rights;
                    continue;
                }
                let Coming { name, known, .. } = self.coming.swap_remove(at);
                changed.push((
                    grant,
                    name,
                    known.map(|known| if is_same { known } else { nowhere() }),
                ));
            }
        }
        if !changed.is_empty() && self.outlet.holds_content() {
            // an event of before that is half written would be read to its end
            return self.outlet.cut(Disconnect::ForceReconnect);
        }
        // all views of before are gone before anything is said of the first
        for (grant, name, known) in changed {
            self.entry.present.leaves(&name);
            self.begin(name, grant, known);
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
            join_leave: true,
            ..SubscribeRequest::default()
        },
        by_server: None,
    }
}
