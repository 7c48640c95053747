//! What one connection may do next: the protocol's rules as a state machine, without sockets, clocks or I/O.
//! What arrives goes in, [`Effect`]s come out; whoever drives it carries them out and reports back.
//!
//! Invariant: nothing is answered before the connection is signed in, and after a [`Effect::Close`] nothing at all.
//! Invariant: commands on one channel take effect in the order in which they came. A command that finds its
//! channel busy waits for it; other channels do not.
//! Invariant: what waits is bounded by [`MAX_WAITING`].

mod connect;
mod heartbeat;
mod subscribe;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use connect::{SignInError, SignedIn};
pub use subscribe::Followed;

use super::protocol::{
    Command, Disconnect, Message, ReplyError, Request, SubscribeRequest, decode, encode, lines,
};
use subscribe::Channel;

/// How many commands of one connection may wait for something else to finish.
pub const MAX_WAITING: usize = 512;

/// How long the rules let a connection take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between pings.
    pub ping: Duration,
    /// From a ping to its pong; shorter than `ping`.
    pub pong: Duration,
    /// From the opening to being signed in.
    pub stale: Duration,
    /// From the end of the credentials to the close, for a refresh that is late.
    pub grace: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(8),
            stale: Duration::from_secs(10),
            grace: Duration::from_secs(25),
        }
    }
}

/// What the driver is to do, in order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write one message.
    Write(Vec<u8>),
    /// Check the credentials and report with [`Client::signed_in`]. The token is empty when the client sent none.
    SignIn(String),
    /// Check the new credentials and report with [`Client::refreshed`].
    Refresh(u32, String),
    /// Judge the wish, register for the channel and read what was missed; report with [`Client::followed`].
    Follow {
        /// This subscription's number within the connection.
        slot: u32,
        /// What the client asked for.
        wish: Box<SubscribeRequest>,
    },
    /// Let live publications of this subscription flow: its reply has been written.
    Release(u32),
    /// Drop this subscription, before anything that follows is written.
    Unfollow(u32),
    /// End the connection; no effect follows.
    Close(Disconnect),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    id: String,
    timing: Timing,
    phase: Phase,
    channels: HashMap<String, Channel>,
    waiting: usize,
    last_slot: u32,
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
        expires_at: Option<Instant>,
    },
    /// Ended.
    Closed,
}

impl Client {
    /// A connection that has just been opened. `id` is told to the client and may be known to others.
    pub fn new(id: String, timing: Timing, now: Instant) -> Self {
        let phase = Phase::New {
            stale_at: now + timing.stale,
        };
        Self {
            id,
            timing,
            phase,
            channels: HashMap::new(),
            waiting: 0,
            last_slot: 0,
            effects: Vec::new(),
        }
    }

    /// What is to be done since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A frame of the client arrived.
    pub fn frame(&mut self, frame: &[u8]) {
        let lines = match lines(frame) {
            Ok(lines) => lines,
            Err(why) => return self.close(why),
        };
        for line in lines {
            match decode(line) {
                Ok(Command::Pong) => self.pong(),
                Ok(Command::Call { id, request }) => self.call(id, request),
                Err(why) => self.close(why),
            }
            if self.is_closed() {
                return;
            }
        }
    }

    /// Ends the connection from inside.
    pub fn close(&mut self, why: Disconnect) {
        if !self.is_closed() {
            self.phase = Phase::Closed;
            self.channels = HashMap::new();
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
                self.effects.push(Effect::SignIn(request.token));
            }
            (Phase::New { .. } | Phase::Refused { .. }, _) | (_, Request::Connect(_)) => {
                self.close(Disconnect::BadRequest);
            }
            (Phase::SigningIn { waiting, .. }, request) => {
                waiting.push_back((id, request));
                self.count_waiting();
            }
            (Phase::Up { .. }, request) => self.serve(id, request),
        }
    }

    fn serve(&mut self, id: u32, request: Request) {
        match request {
            Request::Subscribe(wish) => self.subscribe(id, wish),
            Request::Unsubscribe(channel) => self.unsubscribe(id, channel),
            Request::Refresh(request) => self.refresh(id, request.token),
            // the hub's own channels are written by the hub alone
            Request::Publish(_) => self.refuse(id, ReplyError::PermissionDenied),
            Request::SubRefresh(channel) if !self.channels.contains_key(&channel) => {
                self.refuse(id, ReplyError::PermissionDenied);
            }
            Request::SubRefresh(_) | Request::Look(_) | Request::Unsupported => {
                self.refuse(id, ReplyError::NotAvailable);
            }
            Request::Send => self.close(Disconnect::NotAvailable),
            Request::Connect(_) => self.close(Disconnect::BadRequest),
        }
    }

    fn count_waiting(&mut self) {
        self.waiting += 1;
        if self.waiting > MAX_WAITING {
            self.close(Disconnect::TooManyRequests);
        }
    }

    fn write(&mut self, message: &Message<'_>) {
        self.effects.push(Effect::Write(encode(message)));
    }

    fn refuse(&mut self, id: u32, error: ReplyError) {
        self.write(&Message::Error(id, error));
    }
}
