//! One connection of the Centrifuge protocol: carries out what the state machine wants, and tells it what happened.
//!
//! Invariant: nothing is asked of the rest of the hub on behalf of a viewer whose rights have changed since; an answer
//! given for older rights is thrown away.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;
use signalbox_actors::live_hub::{
    Arrival, Connected, ConnectionOrder, Entry, Frame, Outlet, Signal, Transport,
};
use signalbox_core::live::application::ServerSubscription;
use signalbox_core::live::position::Position;
use signalbox_core::live::scope::Sight;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::Live;
use super::answers::answer;
use super::client::{
    Answer, Client, Effect, Expiry, Followed, Line, Recovering, Refusal, ServerFollowed, SignInError,
    SignedIn, is_map,
};
use super::following::{Subscription, Wanted, follow};
use super::gate::{Admission, Asked, Credentials, Member, Viewer};
use super::map::{Reading, Step, read};
use super::pending::Pending;
use super::plug::Plug;
use super::protocol::raw::Object;
use super::protocol::wire::ConnectResult;
use super::protocol::{Ask, ConnectRequest, Disconnect, Reply, ReplyError, SubscribeRequest, Unsubscribed};
use super::socket::{Incoming, Reader};
use super::stream_id::Track;
use super::wire::{Dialect, ping_frame, pong_frame};

/// How long a peer may take to answer a close, or to read what was written before it.
const CLOSING: Duration = Duration::from_secs(5);

/// What a connection comes by.
#[derive(Debug, Clone)]
pub struct Way {
    /// What carries it.
    pub transport: Transport,
    /// How it is written to.
    pub dialect: Dialect,
    /// What the request that opened it shows: the session cookie, if it came from our own pages, or a ticket.
    pub shown: Credentials,
    /// Where it comes from.
    pub address: String,
    /// The same, for rules about it.
    pub ip: Option<IpAddr>,
}

/// What a peer sends by.
pub enum Input {
    /// The connection's own socket.
    Socket(Reader),
    /// Other requests, or none; the receiver hears when the response body is gone.
    Elsewhere(oneshot::Receiver<()>),
}

impl Input {
    async fn next(&mut self) -> Incoming {
        match self {
            Self::Socket(reader) => reader.next().await,
            Self::Elsewhere(gone) => {
                // an error is the other side's end, which is what is waited for
                let _ = gone.await;
                Incoming::Closed
            }
        }
    }

    /// Lets a peer read what was written last.
    async fn drain(&mut self) {
        match self {
            Self::Socket(reader) => reader.drain().await,
            Self::Elsewhere(gone) => {
                let _ = gone.await;
            }
        }
    }
}

/// What one connection owns besides its socket.
pub struct Connection {
    live: Arc<Live>,
    client: Client,
    outlet: Arc<Outlet>,
    way: Box<Way>,
    admission: Option<Admission>,
    entry: Option<Entry>,
    subscriptions: Vec<Subscription>,
    /// Maps that the client reads and does not follow yet.
    readings: Vec<Reading>,
    /// Counts how often rights have changed.
    rights: u64,
    /// The count with which the viewer was last judged: what is asked before that is asked with older rights.
    judged: u64,
    track: Option<Rc<RefCell<Track>>>,
    pending: Pending<Done>,
    _counted: Connected,
}

/// The viewer as of now, and what that means for each subscription: what is seen of it, or nothing any more.
type Judged = Result<(Member, Vec<(u32, Option<Sight>)>), SignInError>;

/// What was asked of the hub has been answered.
enum Done {
    Admitted(Result<Admission, SignInError>, Box<ConnectRequest>),
    Attended(u64, Result<Vec<(ServerFollowed, Subscription)>, Refusal>),
    Refreshed(u32, Result<Admission, SignInError>),
    Followed(u32, u64, Result<(Followed, Step), Refusal>),
    FollowedForServer(u64, Result<(ServerFollowed, Subscription), Refusal>),
    Answered(u32, Option<u32>, u64, Result<Answer, Refusal>),
    LookedAgain(u64, Judged),
}

impl Connection {
    /// A connection whose stream has just been opened.
    pub fn new(live: Arc<Live>, outlet: Arc<Outlet>, way: Way, speech: Line, id: &str) -> Self {
        let client = Client::new(id, speech, live.timing.clone(), Instant::now());
        let counted = live.hub.connected(&outlet, way.transport);
        Self {
            live,
            client,
            outlet,
            way: Box::new(way),
            admission: None,
            entry: None,
            subscriptions: Vec::new(),
            readings: Vec::new(),
            rights: 0,
            judged: 0,
            track: None,
            pending: Pending::default(),
            _counted: counted,
        }
    }

    /// Tells the writing half where the client is in its channels.
    pub fn tracked_by(mut self, track: Rc<RefCell<Track>>) -> Self {
        self.track = Some(track);
        self
    }

    /// Takes what came with the request that opened the stream.
    pub fn with_first(mut self, frame: &[u8]) -> Self {
        self.hear(frame);
        self
    }

    /// Signs in with what came with the request that opened the stream.
    pub fn with_connect(mut self, request: ConnectRequest) -> Self {
        self.client.connect(Box::new(request));
        self
    }

    /// Serves the connection until it ends.
    pub async fn run(mut self, mut input: Input, plug: Plug) {
        let peer_is_there = self.serve(&mut input).await;
        // the subscriptions and the session go first: they need nobody who reads
        self.subscriptions.clear();
        self.pending = Pending::default();
        self.entry = None;
        self.admission = None;
        if peer_is_there {
            // a peer that does not even read the close is not waited for any longer
            let _ = timeout(CLOSING, input.drain()).await;
        }
        plug.pull();
    }

    /// False when the peer is gone.
    async fn serve(&mut self, input: &mut Input) -> bool {
        let timer = sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            self.carry_out();
            let Some(deadline) = self.client.deadline() else {
                return true;
            };
            if timer.deadline() != deadline.into() {
                timer.as_mut().reset(deadline.into());
            }
            let outlet = self.outlet.clone();
            tokio::select! {
                biased;
                signal = poll_fn(|cx| outlet.poll_signal(cx)) => match signal {
                    Signal::Ended(_) => return true,
                    Signal::Lost(slot) => self.client.lost(slot),
                    Signal::RightsChanged => self.look_again(),
                    Signal::Ordered => self.outlet.take_orders().into_iter().for_each(|order| self.obey(order)),
                },
                done = self.pending.next() => self.settle(done),
                incoming = input.next() => match incoming {
                    Incoming::Message(message) => self.hear(&message),
                    Incoming::Ping(payload) => self.outlet.push(pong_frame(&payload)),
                    Incoming::Pong => {
                        self.client.pong_of_transport(Instant::now());
                        self.note_latency();
                    }
                    Incoming::Closed => {
                        self.outlet.cut(Disconnect::ForceReconnect);
                        return false;
                    }
                    Incoming::Bad(why) => self.client.close(why),
                },
                () = timer.as_mut() => self.client.tick(Instant::now()),
            }
        }
    }

    fn hear(&mut self, frame: &[u8]) {
        if self.way.dialect != Dialect::Pushes {
            self.client.frame(frame, Instant::now());
            return self.note_latency();
        }
        // it says who it is, and from then on only listens
        if self.client.is_new() {
            match serde_json::from_slice(frame) {
                Ok(Object(request)) => self.client.connect(Box::new(request)),
                Err(_) => self.client.close(Disconnect::BadRequest),
            }
        }
    }

    fn note_latency(&mut self) {
        if let (Some(latency), Some(entry)) = (self.client.take_latency(), &self.entry) {
            let milliseconds = u32::try_from(latency.as_millis()).unwrap_or(u32::MAX - 1);
            entry.present.answered_after(milliseconds);
        }
    }

    /// Carrying out one effect may have further ones.
    fn carry_out(&mut self) {
        loop {
            let effects = self.client.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.carry(effect);
            }
        }
    }

    fn carry(&mut self, effect: Effect) {
        match effect {
            Effect::Write(reply) => self.write(*reply),
            Effect::Deliver { slot, push } => {
                let offset = push
                    .publication
                    .as_ref()
                    .map_or(0, |publication| publication.offset);
                let frame = self.way.dialect.frame(Reply::push(*push));
                self.outlet.push_at(frame, slot, offset);
            }
            Effect::Ping => self.outlet.push(ping_frame()),
            Effect::SignIn(request) => self.sign_in(request),
            Effect::Refresh(id, token) => {
                let asked = self
                    .live
                    .gate
                    .admit(Credentials::Token(token), self.way.ip, self.outlet.clone());
                self.pending
                    .push(Box::pin(async move { Done::Refreshed(id, asked.await) }));
            }
            Effect::Follow { slot, wish } => self.follow(slot, *wish),
            Effect::Ask { id, ask, slot } => self.ask(id, *ask, slot),
            Effect::Release { slot, has_base } => {
                if let Some(held) = self.subscriptions.iter_mut().find(|held| held.slot == slot) {
                    held.release(has_base);
                    if let Some(entry) = &self.entry {
                        entry.present.follows(held.channel());
                    }
                }
            }
            Effect::Unfollow(slot) => self.unfollow(slot),
            Effect::Close(why) => {
                self.subscriptions.clear();
                self.outlet.end(why);
            }
        }
    }

    fn write(&mut self, reply: Reply) {
        // a client that only listens cannot be answered: what it is told is the end
        if self.way.dialect == Dialect::Pushes
            && let Some(error) = &reply.error
        {
            return self.outlet.end(match error.code {
                109 => Disconnect::Expired,
                111 => Disconnect::TooManyRequests,
                103 => Disconnect::PermissionDenied,
                // coming back with the same wish would not help
                102 | 107 => Disconnect::BadRequest,
                106 => Disconnect::ChannelLimit,
                108 => Disconnect::NotAvailable,
                _ => Disconnect::Internal,
            });
        }
        if let (Some(_), Some(connect)) = (&self.track, &reply.connect) {
            self.move_to(connect);
        }
        self.outlet.push(self.way.dialect.frame(reply));
    }

    /// Whoever has the answer to the connect has what stands in it. An item without bytes only moves its channel.
    fn move_to(&self, connect: &ConnectResult) {
        for held in &self.subscriptions {
            if let Some(result) = connect.subs.get(&**held.channel())
                && !result.epoch.is_empty()
            {
                let last = result.publications.last();
                let offset = last.map_or(result.offset, |publication| publication.offset);
                self.outlet
                    .push_at(Frame::new(Bytes::new(), 0), held.slot, offset);
            }
        }
    }

    /// A subscription stands: the writing half may count its positions.
    fn keep(&mut self, subscription: Subscription) {
        if let Some(track) = &self.track {
            let (channel, epoch) = (subscription.channel(), subscription.epoch());
            track
                .borrow_mut()
                .begins(subscription.slot, (**channel).into(), epoch.into());
        }
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(subscription);
        // it was wished for before
        self.show_info();
    }

    /// What is told of a user of the application may have changed: others see it.
    fn show_info(&mut self) {
        if let Some(Viewer::Guest(guest)) = self.admission.as_ref().map(|admission| &admission.viewer) {
            for held in &mut self.subscriptions {
                held.show(guest.info.as_ref());
            }
        }
    }

    fn unfollow(&mut self, slot: u32) {
        self.readings.retain(|reading| reading.slot != slot);
        if let Some(at) = self.subscriptions.iter().position(|held| held.slot == slot) {
            let held = self.subscriptions.swap_remove(at);
            if let Some(entry) = &self.entry {
                entry.present.leaves(held.channel());
            }
        }
    }

    fn sign_in(&mut self, request: Box<ConnectRequest>) {
        let shown = std::mem::replace(&mut self.way.shown, Credentials::Nothing);
        let credentials = if request.token.is_empty() {
            shown
        } else {
            Credentials::Token(request.token.clone())
        };
        if !self.live.hub.is_open() {
            return self
                .client
                .signed_in(Err(SignInError::Unavailable), Instant::now(), 0.0);
        }
        let asked = self
            .live
            .gate
            .admit(credentials, self.way.ip, self.outlet.clone());
        self.pending
            .push(Box::pin(async move { Done::Admitted(asked.await, request) }));
    }

    /// What is wanted of a channel, by whoever signed in. `None` before that.
    fn wanted(
        &self,
        slot: u32,
        wish: SubscribeRequest,
        by_server: Option<ServerSubscription>,
    ) -> Option<Wanted> {
        let viewer = self.admission.as_ref()?.viewer.clone();
        Some(Wanted {
            slot,
            viewer,
            dialect: self.way.dialect,
            outlet: self.outlet.clone(),
            asked: Asked {
                client: self.client.id().into(),
                wish,
                by_server,
            },
        })
    }

    fn follow(&mut self, slot: u32, wish: SubscribeRequest) {
        let before = self.readings.iter().position(|reading| reading.slot == slot);
        let reading = before.map(|at| self.readings.swap_remove(at));
        let is_map = is_map(&wish);
        let Some(wanted) = self.wanted(slot, wish, None) else {
            return;
        };
        let (live, rights) = (self.live.clone(), self.judged);
        self.pending.push(Box::pin(async move {
            let step = if is_map {
                read(&live, wanted, reading).await
            } else {
                let stands = |(followed, held)| (followed, Step::Stands(Box::new(held)));
                follow(&live, wanted).await.map(stands)
            };
            Done::Followed(slot, rights, step)
        }));
    }

    fn ask(&mut self, id: u32, ask: Ask, slot: Option<u32>) {
        let Some(viewer) = self.admission.as_ref().map(|admission| admission.viewer.clone()) else {
            return;
        };
        let held = slot.and_then(|slot| self.subscriptions.iter().find(|held| held.slot == slot));
        let info = held.and_then(|held| held.info().cloned());
        let info = info.unwrap_or_else(|| viewer.info(self.client.id(), None));
        let tracker = held.and_then(|held| held.tracker.clone());
        let (live, following, dialect) = (self.live.clone(), slot.is_some(), self.way.dialect);
        let rights = self.judged;
        self.pending.push(Box::pin(async move {
            Done::Answered(
                id,
                slot,
                rights,
                answer(&live, &viewer, info, ask, following, dialect, tracker).await,
            )
        }));
    }

    /// Rights may have changed: whoever the viewer is now decides about every subscription anew.
    fn look_again(&mut self) {
        self.rights += 1;
        let member = match self.admission.as_ref().map(|admission| &admission.viewer) {
            Some(Viewer::Member(member)) => member.clone(),
            Some(Viewer::Guest(_)) => {
                self.judged = self.rights;
                return;
            }
            // looked at once it has signed in
            None => return,
        };
        let client: Box<str> = self.client.id().into();
        let held: Vec<_> = self
            .subscriptions
            .iter()
            .map(|held| (held.slot, held.channel().to_string()))
            .collect();
        let (gate, rights) = (self.live.gate.clone(), self.rights);
        self.pending.push(Box::pin(async move {
            let judged = async {
                let member = gate.look_again(&member).await?;
                let viewer = Viewer::Member(member.clone());
                let mut sights = Vec::with_capacity(held.len());
                for (slot, channel) in held {
                    let wish = SubscribeRequest {
                        channel,
                        ..SubscribeRequest::default()
                    };
                    let asked = Asked {
                        client: client.clone(),
                        wish,
                        by_server: None,
                    };
                    let sight = match gate.judge(&viewer, asked).await {
                        Ok(grant) => Some(grant.sight),
                        Err(Refusal::Reply(ReplyError::Internal)) => return Err(SignInError::Unavailable),
                        Err(_) => None,
                    };
                    sights.push((slot, sight));
                }
                Ok((member, sights))
            };
            Done::LookedAgain(rights, judged.await)
        }));
    }

    fn settle(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Admitted(result, request) => self.admitted(result, *request, now),
            Done::Attended(rights, result) => {
                let fresh = if rights == self.rights {
                    result
                } else {
                    Err(Refusal::Close(Disconnect::ForceReconnect))
                };
                self.attended(fresh, now);
            }
            Done::Refreshed(id, result) => self.refreshed(id, result, now),
            Done::Followed(slot, rights, result) => {
                let fresh = if rights == self.rights {
                    result
                } else {
                    Err(ReplyError::Internal.into())
                };
                let followed = fresh.map(|(followed, step)| {
                    match step {
                        Step::Stands(subscription) => self.keep(*subscription),
                        Step::Reads(reading) => self.readings.push(reading),
                    }
                    followed
                });
                self.client.followed(slot, followed, now);
            }
            Done::FollowedForServer(rights, Ok((followed, subscription))) if rights == self.rights => {
                self.keep(subscription);
                self.client.subscribed_by_server(followed, now);
            }
            Done::FollowedForServer(_, result) => {
                if let Err(refusal) = result {
                    tracing::debug!(?refusal, "a channel could not be followed on the server's behalf");
                }
            }
            Done::Answered(id, slot, rights, result) => {
                let fresh = match result {
                    // what was said is said
                    Ok(shown) if shown != Answer::Published && rights != self.rights => {
                        Err(ReplyError::Internal.into())
                    }
                    result => result,
                };
                self.client.answered(id, slot, fresh, now);
            }
            Done::LookedAgain(rights, result) if rights == self.rights => {
                self.judged = rights;
                self.judge_again(result);
            }
            Done::LookedAgain(..) => {}
        }
    }

    /// The credentials are good: everything that comes with them is followed before the connect is answered.
    fn admitted(&mut self, result: Result<Admission, SignInError>, request: ConnectRequest, now: Instant) {
        let admission = match result {
            Ok(admission) => admission,
            Err(error) => return self.client.signed_in(Err(error), now, 0.0),
        };
        let arrival = Arrival {
            client: self.client.id().to_owned(),
            organization: admission.viewer.organization(),
            user: admission.viewer.user(),
            session: self.client.line().session.clone(),
            transport: self.way.transport,
            protobuf: self.way.dialect == Dialect::Protobuf,
            name: shortened(&request.name, 16),
            version: shortened(&request.version, 64),
            address: std::mem::take(&mut self.way.address),
            connected_at: self.live.clock.now(),
        };
        let Some(entry) = self
            .live
            .hub
            .enter(arrival, &self.outlet, self.live.limits.connections)
        else {
            let error = SignInError::Close(Disconnect::ConnectionLimit);
            return self.client.signed_in(Err(error), now, 0.0);
        };
        self.entry = Some(entry);
        let wishes = self.wishes(&admission, request);
        self.admission = Some(admission);
        if self.rights != self.judged {
            // they changed while it signed in
            self.look_again();
        }
        if wishes.len() > self.live.timing.channels {
            let error = SignInError::Close(Disconnect::ChannelLimit);
            return self.client.signed_in(Err(error), now, 0.0);
        }
        let wanted: Vec<_> = wishes
            .into_iter()
            .filter_map(|(wish, terms)| {
                let slot = self.client.next_slot();
                self.wanted(slot, wish, terms)
            })
            .collect();
        if wanted.is_empty() {
            return self.attended(Ok(Vec::new()), now);
        }
        let (live, rights) = (self.live.clone(), self.judged);
        self.pending.push(Box::pin(async move {
            let all = wanted.into_iter().map(|wanted| follow_for_server(&live, wanted));
            Done::Attended(rights, try_join_all(all).await)
        }));
    }

    /// The channels that are followed with the connect: those of the credentials, from where the client says; and of a
    /// client that only listens, those it asks for itself.
    fn wishes(
        &self,
        admission: &Admission,
        mut request: ConnectRequest,
    ) -> Vec<(SubscribeRequest, Option<ServerSubscription>)> {
        let mut wishes: Vec<_> = admission
            .subscriptions
            .iter()
            .map(|(channel, terms)| {
                let mut wish = request.subs.remove(channel).unwrap_or_default();
                wish.channel.clone_from(channel);
                (wish, Some(terms.clone()))
            })
            .collect();
        if self.way.dialect == Dialect::Pushes {
            wishes.extend(request.subs.into_iter().map(|(channel, mut wish)| {
                wish.channel = channel;
                (wish, None)
            }));
        }
        wishes
    }

    fn attended(&mut self, result: Result<Vec<(ServerFollowed, Subscription)>, Refusal>, now: Instant) {
        let signed_in = match result {
            Ok(all) => {
                let (followed, subscriptions): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                for subscription in subscriptions {
                    self.keep(subscription);
                }
                Ok(SignedIn {
                    expires: self.expiry(now),
                    data: self.told_at_connect(),
                    time: super::milliseconds(&self.live.clock),
                    subscriptions: followed,
                })
            }
            Err(Refusal::Reply(error)) => Err(SignInError::Channel(error)),
            Err(Refusal::Close(why)) => Err(SignInError::Close(why)),
        };
        self.client.signed_in(signed_in, now, rand::random());
    }

    /// A member's console shows which node serves it. An application is not told how the hub is built.
    fn told_at_connect(&self) -> Bytes {
        match self.admission.as_ref().map(|admission| &admission.viewer) {
            Some(Viewer::Member(_)) => {
                let told = serde_json::json!({ "node": self.live.nodes.name() });
                Bytes::from(told.to_string())
            }
            _ => Bytes::new(),
        }
    }

    fn expiry(&self, now: Instant) -> Expiry {
        let lasts = self.admission.as_ref().and_then(|admission| admission.expires_in);
        Expiry::at(lasts.map(|lasts| now + lasts))
    }

    fn refreshed(&mut self, id: u32, result: Result<Admission, SignInError>, now: Instant) {
        let before = self.admission.as_ref().map(|admission| admission.viewer.clone());
        let new = match (result, before) {
            (Ok(new), Some(before)) if before.is_same(&new.viewer) => new,
            (Ok(_), _) => return self.client.refreshed(id, Err(SignInError::Invalid), now),
            (Err(error), _) => return self.client.refreshed(id, Err(error), now),
        };
        let mut channels: Vec<_> = new
            .subscriptions
            .iter()
            .map(|(channel, _)| channel.clone())
            .collect();
        channels.sort_unstable();
        let before: Option<Vec<_>> = self.admission.as_ref().map(|admission| {
            let mut names: Vec<_> = admission
                .subscriptions
                .iter()
                .map(|(channel, _)| channel.clone())
                .collect();
            names.sort_unstable();
            names
        });
        if before.is_some_and(|before| before != channels) {
            // what comes with the token is made at a connect
            return self.client.close(Disconnect::InsufficientState);
        }
        self.admission = Some(new);
        self.show_info();
        let expiry = self.expiry(now);
        // perhaps another session, with other rights
        self.look_again();
        self.client.refreshed(id, Ok(expiry), now);
    }

    fn judge_again(&mut self, result: Judged) {
        let (member, sights) = match result {
            Ok(judged) => judged,
            // cut, not closed: what waits to be written is not for them any more
            Err(SignInError::AccessEnded) => return self.outlet.cut(Disconnect::AccessEnded),
            Err(SignInError::Address) => return self.outlet.cut(Disconnect::AddressRefused),
            Err(SignInError::Unavailable) => return self.outlet.cut(Disconnect::ForceReconnect),
            Err(_) => return self.outlet.cut(Disconnect::SignedOut),
        };
        if let Some(admission) = &mut self.admission {
            admission.viewer = Viewer::Member(member);
        }
        for (slot, sight) in sights {
            let held = self.subscriptions.iter().find(|held| held.slot == slot);
            match held.map(|held| sight.map(|sight| sight == held.sight)) {
                None | Some(Some(true)) => {}
                Some(None) => {
                    self.unfollow(slot);
                    self.client.forbidden(slot);
                }
                // what it has was seen with other rights: it comes back without a position, and reads again
                Some(Some(false)) => {
                    self.unfollow(slot);
                    self.client.invalidated(slot);
                }
            }
        }
    }

    fn obey(&mut self, order: ConnectionOrder) {
        let now = Instant::now();
        match order {
            ConnectionOrder::Subscribe { channel, terms } => {
                let since = terms.recover_since.clone();
                let wish = recovering(channel, since);
                let slot = self.client.next_slot();
                if let Some(wanted) = self.wanted(slot, wish, Some(*terms)) {
                    let (live, rights) = (self.live.clone(), self.judged);
                    self.pending.push(Box::pin(async move {
                        Done::FollowedForServer(rights, follow_for_server(&live, wanted).await)
                    }));
                }
            }
            ConnectionOrder::Unsubscribe {
                channel,
                code,
                reason,
            } => {
                let reason = reason.into();
                self.client
                    .unsubscribed_by_server(&channel, Unsubscribed { code, reason });
            }
            ConnectionOrder::Refresh { expired: true, .. } => self.client.close(Disconnect::Expired),
            ConnectionOrder::Refresh { expire_at, info, .. } => {
                let viewer = self.admission.as_mut().map(|admission| &mut admission.viewer);
                if let (Some(Viewer::Guest(guest)), Some(info)) = (viewer, info) {
                    guest.info = Some(info);
                    self.show_info();
                }
                let left = expire_at.map(|at| at - self.live.clock.now().unix_timestamp());
                let at = left.map(|left| now + Duration::from_secs(u64::try_from(left).unwrap_or_default()));
                self.client.moved(at, now);
            }
            ConnectionOrder::Commands(frame) => self.hear(&frame),
        }
    }
}

async fn follow_for_server(live: &Live, wanted: Wanted) -> Result<(ServerFollowed, Subscription), Refusal> {
    let slot = wanted.slot;
    let channel = wanted.asked.wish.channel.clone();
    let recovering = Recovering::from(&wanted.asked.wish);
    let (followed, subscription) = follow(live, wanted).await?;
    let followed = ServerFollowed {
        slot,
        channel,
        recovering,
        followed,
    };
    Ok((followed, subscription))
}

fn recovering(channel: String, since: Option<Position>) -> SubscribeRequest {
    let mut wish = SubscribeRequest {
        channel,
        ..SubscribeRequest::default()
    };
    if let Some(place) = since {
        wish.recover = true;
        wish.epoch = place.epoch;
        wish.offset = place.offset;
    }
    wish
}

/// At most `most` characters of what a client says about itself.
fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
