//! What one connection may do next: the protocol's rules as a state machine, without sockets, clocks or I/O.
//! What arrives goes in, [`Effect`]s come out; whoever drives it carries them out and reports back.
//!
//! Invariant: nothing is answered before the connection is signed in, and after a [`Effect::Close`] nothing at all.
//! Invariant: commands on one channel take effect in the order in which they came. A command that finds its
//! channel busy waits for it; other channels do not. Of questions one is out at a time, so that what a client publishes
//! keeps its order.
//! Invariant: what waits is bounded, in number and in bytes. Of a client that says more, nothing further is read before some of it is
//! done ([`Client::listens`]).

mod asks;
mod connect;
mod heartbeat;
mod orders;
mod subscribe;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use asks::{Answer, TRACK, UNTRACK};
pub use connect::{Expiry, SignInError, SignedIn};
pub use orders::ServerFollowed;
pub use subscribe::{Followed, LIVE, MapPart, POLL, Recovering, STATE, STREAM, is_map, nonsense};

use super::protocol::{
    Ask, Codec, Command, ConnectRequest, Disconnect, Push, Reply, ReplyError, Request, SubscribeRequest,
};
use subscribe::Channel;

/// How many commands of one connection may wait for something else to finish.
pub const MAX_WAITING: usize = 512;

/// With so many waiting, or so many bytes of them, nothing further is read.
const LISTENS_BELOW: usize = MAX_WAITING / 2;
const LISTENS_BELOW_BYTES: usize = 256 * 1024;

/// What the rules allow a connection, in time and number.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between pings.
    pub ping: Duration,
    /// From a ping to its pong; shorter than `ping`.
    pub pong: Duration,
    /// From the opening to being signed in.
    pub stale: Duration,
    /// From the end of the credentials to the close, for a refresh that is late. Holds for subscriptions too.
    pub grace: Duration,
    /// Channels one connection may hold.
    pub channels: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(8),
            stale: Duration::from_secs(10),
            grace: Duration::from_secs(25),
            channels: 128,
        }
    }
}

/// What a client is reached by, as far as the rules differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How messages are written.
    pub codec: Codec,
    /// How it is seen that the client is still there.
    pub pulse: Pulse,
    /// The stream's secret, told to the client; empty where it needs none.
    pub session: String,
    /// The node that holds the stream, told to clients that must send to it in other ways; empty elsewhere.
    pub node: String,
}

/// How it is seen that a client is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Messages of the protocol, which the client answers.
    Asked,
    /// Frames of the transport, which its library answers.
    Frames,
    /// Messages that nobody answers: the client only listens.
    Told,
}

/// What the driver is to do, in order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write one message.
    Write(Box<Reply>),
    /// Write something of one subscription, unless that is dropped before it is written.
    Deliver {
        /// The subscription.
        slot: u32,
        /// What.
        push: Box<Push>,
    },
    /// Send a ping of the transport.
    Ping,
    /// Check the credentials and report with [`Client::signed_in`].
    SignIn(Box<ConnectRequest>),
    /// Check the new credentials and report with [`Client::refreshed`]. One is out at a time.
    Refresh(u32, String),
    /// Judge the wish, register for the channel and read what was missed; report with [`Client::followed`].
    Follow {
        /// This subscription's number within the connection.
        slot: u32,
        /// What the client asked for.
        wish: Box<SubscribeRequest>,
    },
    /// Find the answer and report with [`Client::answered`]. One is out at a time.
    Ask {
        /// The command.
        id: u32,
        /// What is asked.
        ask: Box<Ask>,
        /// The channel's subscription, if the client has one.
        slot: Option<u32>,
    },
    /// Let live publications of this subscription flow: its reply has been written.
    Release {
        /// The subscription.
        slot: u32,
        /// The client was given the publication at the place where it begins.
        has_base: bool,
    },
    /// Drop this subscription, before anything that follows is written.
    Unfollow(u32),
    /// End the connection; no effect follows.
    Close(Disconnect),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    id: Box<str>,
    line: Box<Line>,
    timing: Arc<Timing>,
    phase: Phase,
    channels: Vec<Channel>,
    asks: asks::Asks,
    renewals: connect::Renewals,
    waiting: usize,
    waiting_bytes: usize,
    /// The commands of a frame that are not read yet.
    unread: Option<Box<[u8]>>,
    last_slot: u32,
    latency: Option<Duration>,
    effects: Vec<Effect>,
}

#[derive(Debug)]
enum Phase {
    /// Nothing said yet.
    New { stale_at: Instant },
    /// The credentials are being checked; what came behind the connect waits.
    SigningIn {
        reply_to: u32,
        stale_at: Instant,
        waiting: VecDeque<(u32, Request)>,
    },
    /// The connect was answered with an error: nothing can follow on this connection.
    Refused { stale_at: Instant },
    /// Signed in.
    Up {
        heartbeat: heartbeat::Heartbeat,
        expires: connect::Expiry,
    },
    /// Ended.
    Closed,
}

impl Client {
    /// A connection that has just been opened. `id` is told to the client and may be known to others.
    pub fn new(id: &str, line: Line, timing: Arc<Timing>, now: Instant) -> Self {
        let phase = Phase::New {
            stale_at: now + timing.stale,
        };
        Self {
            id: id.into(),
            line: Box::new(line),
            timing,
            phase,
            channels: Vec::new(),
            asks: asks::Asks::default(),
            renewals: connect::Renewals::default(),
            waiting: 0,
            waiting_bytes: 0,
            unread: None,
            last_slot: 0,
            latency: None,
            effects: Vec::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is reached by.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What is to be done since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// How long the last pong took, once.
    pub fn take_latency(&mut self) -> Option<Duration> {
        self.latency.take()
    }

    /// Signs in a client that says nothing but who it is.
    pub fn connect(&mut self, request: Box<ConnectRequest>) {
        self.call(1, Request::Connect(request));
    }

    /// Whether it has not said who it is yet.
    pub fn is_new(&self) -> bool {
        matches!(self.phase, Phase::New { .. })
    }

    /// A frame of the client arrived, which is listened to.
    pub fn frame(&mut self, frame: &[u8], now: Instant) {
        if self.unread.is_some() {
            return self.close(Disconnect::TooManyRequests);
        }
        let mut commands = match self.line.codec.commands(frame) {
            Ok(commands) => commands,
            Err(why) => return self.close(why),
        };
        loop {
            if self.has_enough() {
                self.unread = commands.rest().map(Box::from);
                return self.await_pong_until_read(now);
            }
            let Some(command) = commands.next() else { return };
            match command {
                Ok(Command::Pong) => self.pong(now),
                Ok(Command::Call { id, request }) => self.call(id, request),
                Err(why) => self.close(why),
            }
            if self.is_closed() {
                return;
            }
        }
    }

    /// Whether another frame may be given to [`Client::frame`].
    pub fn listens(&self) -> bool {
        self.unread.is_none() && !self.has_enough()
    }

    fn has_enough(&self) -> bool {
        self.waiting >= LISTENS_BELOW || self.waiting_bytes >= LISTENS_BELOW_BYTES
    }

    /// Reads on in a frame, where enough of what waited is done. Whether it did.
    pub fn go_on(&mut self, now: Instant) -> bool {
        if self.has_enough() || self.is_closed() {
            return false;
        }
        let Some(unread) = self.unread.take() else {
            return false;
        };
        self.frame(&unread, now);
        true
    }

    /// Whether it has signed in, and has not ended.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// How many channels it holds or has asked for.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Ends the connection from inside.
    pub fn close(&mut self, why: Disconnect) {
        if !self.is_closed() {
            self.phase = Phase::Closed;
            self.channels = Vec::new();
            self.asks = asks::Asks::default();
            self.renewals = connect::Renewals::default();
            self.unread = None;
            self.effects.push(Effect::Close(why));
        }
    }

    /// Whether nothing more can happen.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    fn call(&mut self, id: u32, request: Request) {
        match (&mut self.phase, request) {
            (Phase::Closed, _) => {}
            (Phase::New { stale_at }, Request::Connect(request)) => {
                let (stale_at, waiting) = (*stale_at, VecDeque::new());
                self.phase = Phase::SigningIn {
                    reply_to: id,
                    stale_at,
                    waiting,
                };
                self.effects.push(Effect::SignIn(request));
            }
            (Phase::New { .. } | Phase::Refused { .. }, _) | (_, Request::Connect(_)) => {
                self.close(Disconnect::BadRequest);
            }
            (Phase::SigningIn { waiting, .. }, request) => {
                let bytes = request.bytes();
                waiting.push_back((id, request));
                self.count_waiting(bytes);
            }
            (Phase::Up { .. }, request) => self.serve(id, request),
        }
    }

    fn serve(&mut self, id: u32, request: Request) {
        match request {
            Request::Subscribe(wish) => self.subscribe(id, wish),
            Request::Unsubscribe(channel) => self.unsubscribe(id, channel),
            Request::Refresh(request) => self.refresh(id, request.token),
            Request::Ask(ask) => self.ask(id, ask),
            Request::Unsupported => self.refuse(id, ReplyError::NotAvailable),
            Request::Send => self.close(Disconnect::NotAvailable),
            Request::Connect(_) => self.close(Disconnect::BadRequest),
        }
    }

    /// A command of so many bytes waits.
    fn count_waiting(&mut self, bytes: usize) {
        self.waiting += 1;
        self.waiting_bytes += bytes;
        if self.waiting > MAX_WAITING {
            self.close(Disconnect::TooManyRequests);
        }
    }

    /// So many commands, of so many bytes together, wait no longer.
    fn discount_waiting(&mut self, count: usize, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
    }

    fn write(&mut self, reply: Reply) {
        self.effects.push(Effect::Write(Box::new(reply)));
    }

    fn push(&mut self, push: Push) {
        self.write(Reply::push(push));
    }

    fn refuse(&mut self, id: u32, error: ReplyError) {
        self.write(Reply::error(id, error));
    }

    /// A refusal: in the reply, or of the whole connection.
    fn turn_down(&mut self, id: u32, refusal: Refusal) {
        match refusal {
            Refusal::Reply(error) => self.refuse(id, error),
            Refusal::Close(why) => self.close(why),
        }
    }
}

/// What becomes of something that may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The command is answered with an error.
    Reply(ReplyError),
    /// The connection ends.
    Close(Disconnect),
}

impl From<ReplyError> for Refusal {
    fn from(error: ReplyError) -> Self {
        Self::Reply(error)
    }
}
