//! Signing in, and staying signed in.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::heartbeat::Heartbeat;
use super::orders::ServerFollowed;
use super::{Client, Effect, Phase, Pulse};
use crate::live::protocol::wire::{ConnectResult, RefreshPush, RefreshResult};
use crate::live::protocol::{Disconnect, Push, Reply, ReplyError};

/// When credentials end, and who renews them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// `None`: as long as the session behind a cookie, or for ever.
    pub at: Option<Instant>,
    /// The client renews them: those it brought last end, or the server has told it of an end.
    pub by_client: bool,
}

impl Expiry {
    /// The client must have shown new credentials by then.
    pub fn at(at: Option<Instant>) -> Self {
        Self {
            at,
            by_client: at.is_some(),
        }
    }
}

/// Tokens that the client has brought to renew its own: one is judged at a time.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    out: bool,
    // boxed: no SDK brings a second one before the first is judged
    waiting: Option<Box<Queue>>,
}

/// Command and token.
type Queue = VecDeque<(u32, String)>;

/// Good credentials.
#[derive(Debug, Default, PartialEq)]
pub struct SignedIn {
    /// When the client must have shown new ones.
    pub expires: Expiry,
    /// JSON for the client; empty for none.
    pub data: Bytes,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Subscriptions that come with them.
    pub subscriptions: Vec<ServerFollowed>,
}

/// Credentials that do not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInError {
    /// No token and no cookie.
    Missing,
    /// Not a token of ours, or one of another user.
    Invalid,
    /// It was good once; the client fetches another.
    Expired,
    /// The session behind it has ended.
    SignedOut,
    /// The account may not be used any more.
    AccessEnded,
    /// Nobody is let in from where the client is.
    Address,
    /// The hub cannot tell now.
    Unavailable,
    /// A channel that comes with it does not exist or may not be followed.
    Channel(ReplyError),
    /// The credentials are good, and the connection may not be all the same.
    Close(Disconnect),
}

impl SignInError {
    /// What becomes of the connection, or an error in the reply to its connect.
    fn outcome(self) -> Result<ReplyError, Disconnect> {
        match self {
            Self::Expired => Ok(ReplyError::TokenExpired),
            Self::Unavailable => Ok(ReplyError::Internal),
            Self::Channel(error) => Ok(error),
            Self::Missing => Err(Disconnect::BadRequest),
            Self::Invalid => Err(Disconnect::InvalidToken),
            Self::SignedOut => Err(Disconnect::SignedOut),
            Self::AccessEnded => Err(Disconnect::AccessEnded),
            Self::Address => Err(Disconnect::AddressRefused),
            Self::Close(why) => Err(why),
        }
    }
}

impl Client {
    /// The credentials of the connect have been judged. `spread` in 0..=1 places the first ping, so that many
    /// clients that came together are not pinged together.
    pub fn signed_in(&mut self, result: Result<SignedIn, SignInError>, now: Instant, spread: f64) {
        let Phase::SigningIn {
            reply_to,
            stale_at,
            waiting,
        } = &mut self.phase
        else {
            return;
        };
        let (reply_to, stale_at, waiting) = (*reply_to, *stale_at, std::mem::take(waiting));
        (self.waiting, self.waiting_bytes) = (0, 0);
        match result.map_err(SignInError::outcome) {
            Ok(signed_in) => {
                self.phase = Phase::Up {
                    heartbeat: Heartbeat::start(&self.timing, now, spread),
                    expires: signed_in.expires,
                };
                self.answer_connect(reply_to, signed_in, now);
                for (id, request) in waiting {
                    self.call(id, request);
                }
            }
            Err(Ok(error)) => {
                self.phase = Phase::Refused { stale_at };
                self.refuse(reply_to, error);
            }
            Err(Err(why)) => self.close(why),
        }
    }

    /// The credentials of the refresh have been judged.
    pub fn refreshed(&mut self, id: u32, result: Result<Expiry, SignInError>, now: Instant) {
        self.renewals.out = false;
        self.renewed_as(id, result, now);
        if self.is_up() {
            self.next_renewal();
        }
    }

    fn renewed_as(&mut self, id: u32, result: Result<Expiry, SignInError>, now: Instant) {
        let Phase::Up { expires, .. } = &mut self.phase else {
            return;
        };
        match result {
            Ok(renewed) => {
                *expires = renewed;
                let (expires, ttl) = remaining(renewed.at, now);
                let refresh = RefreshResult {
                    client: self.id.to_string(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    expires,
                    ttl,
                };
                self.write(Reply {
                    refresh: Some(refresh),
                    ..Reply::to(id)
                });
            }
            // not an error reply: with a permanent one the SDKs stop for good
            Err(SignInError::Expired) => self.close(Disconnect::Expired),
            Err(error) => match error.outcome() {
                Ok(error) => self.refuse(id, error),
                Err(why) => self.close(why),
            },
        }
    }

    /// The server moves the end of the credentials, and tells the client.
    pub fn moved(&mut self, at: Option<Instant>, now: Instant) {
        let Phase::Up { expires, .. } = &mut self.phase else {
            return;
        };
        expires.at = at;
        // once it renews them it goes on to, whatever it is told of their end
        expires.by_client |= at.is_some();
        let (expires, ttl) = remaining(at, now);
        let push = Push {
            refresh: Some(RefreshPush { expires, ttl }),
            ..Push::default()
        };
        self.push(push);
    }

    pub(super) fn refresh(&mut self, id: u32, token: String) {
        let client_side = matches!(
            self.phase,
            Phase::Up {
                expires: Expiry { by_client: true, .. },
                ..
            }
        );
        if token.is_empty() || !client_side {
            return self.close(Disconnect::BadRequest);
        }
        let bytes = token.len();
        self.renewals
            .waiting
            .get_or_insert_default()
            .push_back((id, token));
        self.count_waiting(bytes);
        self.next_renewal();
    }

    fn next_renewal(&mut self) {
        if self.renewals.out {
            return;
        }
        let next = self
            .renewals
            .waiting
            .as_mut()
            .and_then(|waiting| waiting.pop_front());
        let Some((id, token)) = next else {
            self.renewals.waiting = None;
            return;
        };
        self.discount_waiting(1, token.len());
        self.renewals.out = true;
        self.effects.push(Effect::Refresh(id, token));
    }

    fn answer_connect(&mut self, id: u32, signed_in: SignedIn, now: Instant) {
        let (expires, ttl) = remaining(signed_in.expires.at, now);
        // of frames of the transport the client's own library knows
        let pinged = self.line.pulse != Pulse::Frames;
        let slots: Vec<_> = signed_in.subscriptions.iter().map(ServerFollowed::slot).collect();
        let mut connect = ConnectResult {
            client: self.id.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            expires,
            ttl,
            data: signed_in.data,
            ping: if pinged {
                self.timing.ping.as_secs().max(1) as u32
            } else {
                0
            },
            pong: self.line.pulse == Pulse::Asked,
            session: self.line.session.clone(),
            node: self.line.node.clone(),
            time: signed_in.time,
            ..ConnectResult::default()
        };
        let mut rest = Vec::new();
        for subscription in signed_in.subscriptions {
            let (channel, result, later) = self.hold_for_server(subscription, now);
            connect.subs.insert(channel, result);
            rest.push(later);
        }
        self.write(Reply {
            connect: Some(connect),
            ..Reply::to(id)
        });
        for (slot, later) in slots.into_iter().zip(rest) {
            self.flow(slot, later);
        }
    }
}

/// Whether credentials expire, and in how many whole seconds. Never 0 while they last: 0 means "not at all".
pub(super) fn remaining(expires_at: Option<Instant>, now: Instant) -> (bool, u32) {
    expires_at.map_or((false, 0), |at| {
        let left = at.saturating_duration_since(now).as_secs().max(1);
        (true, u32::try_from(left).unwrap_or(u32::MAX))
    })
}
