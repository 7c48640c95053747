//! Signing in, and staying signed in.

use std::time::Instant;

use super::heartbeat::Heartbeat;
use super::{Client, Effect, Phase};
use crate::live::protocol::{ConnectResult, Disconnect, Message, RefreshResult, ReplyError};

/// Good credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// When the client must have shown new ones. `None` when the session behind a cookie decides.
    pub expires_at: Option<Instant>,
}

/// Credentials that do not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The hub cannot tell now.
    Unavailable,
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
        self.waiting = 0;
        match result {
            Ok(SignedIn { expires_at }) => {
                let heartbeat = Heartbeat::start(&self.timing, now, spread);
                self.phase = Phase::Up {
                    heartbeat,
                    expires_at,
                };
                self.answer_connect(reply_to, expires_at, now);
                for (id, request) in waiting {
                    self.call(id, request);
                }
            }
            Err(SignInError::Expired) => self.refuse_connect(reply_to, ReplyError::TokenExpired, stale_at),
            Err(SignInError::Unavailable) => self.refuse_connect(reply_to, ReplyError::Internal, stale_at),
            Err(SignInError::Missing) => self.close(Disconnect::BadRequest),
            Err(SignInError::Invalid) => self.close(Disconnect::InvalidToken),
            Err(SignInError::SignedOut) => self.close(Disconnect::SignedOut),
            Err(SignInError::AccessEnded) => self.close(Disconnect::AccessEnded),
        }
    }

    /// The credentials of the refresh have been judged.
    pub fn refreshed(&mut self, id: u32, result: Result<SignedIn, SignInError>, now: Instant) {
        let Phase::Up { expires_at, .. } = &mut self.phase else {
            return;
        };
        match result {
            Ok(signed_in) => {
                *expires_at = signed_in.expires_at;
                let (expires, ttl) = remaining(signed_in.expires_at, now);
                let client = self.id.clone();
                let version = env!("CARGO_PKG_VERSION");
                self.write(&Message::Refresh(
                    id,
                    RefreshResult {
                        client: &client,
                        version,
                        expires,
                        ttl,
                    },
                ));
            }
            // not an error reply: with a permanent one the SDKs stop for good
            Err(SignInError::Expired) => self.close(Disconnect::Expired),
            Err(SignInError::Unavailable) => self.refuse(id, ReplyError::Internal),
            Err(SignInError::Missing) => self.close(Disconnect::BadRequest),
            Err(SignInError::Invalid) => self.close(Disconnect::InvalidToken),
            Err(SignInError::SignedOut) => self.close(Disconnect::SignedOut),
            Err(SignInError::AccessEnded) => self.close(Disconnect::AccessEnded),
        }
    }

    pub(super) fn refresh(&mut self, id: u32, token: String) {
        let client_side = matches!(
            self.phase,
            Phase::Up {
                expires_at: Some(_),
                ..
            }
        );
        if token.is_empty() || !client_side {
            self.close(Disconnect::BadRequest);
        } else {
            self.effects.push(Effect::Refresh(id, token));
        }
    }

    fn answer_connect(&mut self, id: u32, expires_at: Option<Instant>, now: Instant) {
        let (expires, ttl) = remaining(expires_at, now);
        let client = self.id.clone();
        let ping = self.timing.ping.as_secs().max(1) as u32;
        let version = env!("CARGO_PKG_VERSION");
        let result = ConnectResult {
            client: &client,
            version,
            expires,
            ttl,
            ping,
            pong: true,
        };
        self.write(&Message::Connect(id, result));
    }

    fn refuse_connect(&mut self, id: u32, error: ReplyError, stale_at: Instant) {
        self.phase = Phase::Refused { stale_at };
        self.refuse(id, error);
    }
}

/// Whether credentials expire, and in how many whole seconds. Never 0 while they last: 0 means "not at all".
fn remaining(expires_at: Option<Instant>, now: Instant) -> (bool, u32) {
    expires_at.map_or((false, 0), |at| {
        (true, at.saturating_duration_since(now).as_secs().max(1) as u32)
    })
}
