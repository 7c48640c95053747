//! One connection of the Centrifuge protocol: carries out what the state machine wants, and tells it what happened.
//!
//! Invariant: nothing is asked of the rest of the hub on behalf of a viewer whose rights have changed since; an answer
//! given for older rights is thrown away, and the connection is cut off where one waits to be read.

mod orders;
mod peer;
mod settled;
mod wants;

pub use peer::{Input, Way};

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signalbox_actors::live_hub::{Connected, ConnectionOrder, Entry, Outlet, Signal};
use signalbox_core::live::scope::Sight;
use tokio::time::{sleep_until, timeout};

use super::Live;
use super::client::{Answer, Client, Followed, Line, Recovering, Refusal, ServerFollowed, SignInError};
use super::following::{Subscription, Wanted, follow};
use super::gate::{Admission, Member};
use super::map::{Reading, Step};
use super::pending::Pending;
use super::plug::Plug;
use super::protocol::raw::Object;
use super::protocol::{Ask, ConnectRequest, Disconnect, SubscribeRequest};
use super::socket::Incoming;
use super::stream_id::{StreamId, Track};
use super::wire::{Dialect, pong_frame};

/// How long a peer may take to answer a close, or to read what was written before it.
const CLOSING: Duration = Duration::from_secs(5);

/// How long a peer that closes is waited for: it has its answer by then, and waits for the end of the connection itself.
const FAREWELL: Duration = Duration::from_millis(100);

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
    /// Where a client that comes back by `Last-Event-ID` stands, until it has signed in.
    known: Option<Box<StreamId>>,
    /// Orders that wait for something else.
    orders: VecDeque<ConnectionOrder>,
    /// Channels that are being followed on the server's behalf.
    following: Vec<String>,
    /// What was read for the client while its rights changed, to be read once more with those that it has then.
    again: Vec<Again>,
    pending: Pending<Done>,
    _counted: Connected,
}

/// The viewer as of now, and what that means for each subscription: what is seen of it, or nothing any more.
type Judged = Result<(Member, Vec<(u32, Option<Sight>)>), SignInError>;

/// A question of the client: the command, what it asks, and the subscription that its channel has.
struct Question {
    id: u32,
    ask: Box<Ask>,
    slot: Option<u32>,
}

/// What is done once more.
enum Again {
    Follow(u32, Box<SubscribeRequest>),
    Ask(Question),
}

/// What was asked of the hub has been answered.
enum Done {
    Admitted(Result<Admission, SignInError>, Box<ConnectRequest>),
    Attended(u64, Result<Vec<(ServerFollowed, Subscription)>, Refusal>),
    Refreshed(u32, Result<Admission, SignInError>),
    Followed(u32, SubscribeRequest, u64, Result<(Followed, Step), Refusal>),
    FollowedForServer(
        ConnectionOrder,
        u64,
        Result<(ServerFollowed, Subscription), Refusal>,
    ),
    Answered(Question, u64, Result<Answer, Refusal>),
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
            known: None,
            orders: VecDeque::new(),
            following: Vec::new(),
            again: Vec::new(),
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

    /// Where the client stands in channels, wherever it says nothing else.
    pub fn standing_at(mut self, known: StreamId) -> Self {
        self.known = Some(Box::new(known));
        self
    }

    /// Signs in with what came with the request that opened the stream.
    pub fn with_connect(mut self, request: ConnectRequest) -> Self {
        self.client.connect(Box::new(request));
        self
    }

    /// Serves the connection until it ends.
    pub async fn run(mut self, mut input: Input, plug: Plug) {
        let patience = self.serve(&mut input, &plug).await;
        if self.outlet.is_severed() {
            // nor is what the writing half has begun read to its end
            plug.pull();
        }
        // the subscriptions and the session go first: they need nobody who reads
        self.subscriptions.clear();
        self.pending = Pending::default();
        self.entry = None;
        self.admission = None;
        if let Some(patience) = patience {
            // a peer that does not even read the close is not waited for any longer
            let _ = timeout(patience, input.drain()).await;
        }
        plug.pull();
    }

    /// How long the peer is waited for; `None` when it is gone.
    async fn serve(&mut self, input: &mut Input, plug: &Plug) -> Option<Duration> {
        let timer = sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            self.carry_out();
            if self.go_on() {
                continue;
            }
            let Some(deadline) = self.client.deadline() else {
                return Some(CLOSING);
            };
            if timer.deadline() != deadline.into() {
                timer.as_mut().reset(deadline.into());
            }
            let outlet = self.outlet.clone();
            // who has a socket of their own is heard to leave
            let is_seen = matches!(input, Input::Elsewhere(_))
                && self.subscriptions.iter().any(|held| held.info().is_some());
            tokio::select! {
                biased;
                signal = poll_fn(|cx| outlet.poll_signal(cx)) => match signal {
                    Signal::Ended(_) => return Some(CLOSING),
                    Signal::Lost(slot) => self.client.lost(slot),
                    Signal::RightsChanged => self.look_again(),
                    Signal::Ordered => self.take_orders(),
                },
                done = self.pending.next() => self.settle(done),
                // a client that says more than can be done is not heard until that is done
                incoming = input.next(), if self.client.listens() => match incoming {
                    Incoming::Message(message) => self.hear(&message),
                    Incoming::Ping(payload) => self.outlet.push(pong_frame(&payload)),
                    Incoming::Pong => {
                        self.client.pong_of_transport(Instant::now());
                        self.note_latency();
                    }
                    Incoming::Closed => {
                        self.outlet.cut(Disconnect::ForceReconnect);
                        return None;
                    }
                    Incoming::Farewell(code) => {
                        self.outlet.cut(Disconnect::Custom(Arc::new((code, String::new()))));
                        return Some(FAREWELL);
                    }
                    Incoming::Bad(why) => self.client.close(why),
                },
                () = plug.hung_up(), if is_seen => {
                    self.outlet.cut(Disconnect::ForceReconnect);
                    return None;
                }
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
