//! Ping and pong, and everything else that happens because time passed.

use std::time::Instant;

use super::{Client, Phase, Timing};
use crate::live::protocol::{Disconnect, Message};

#[derive(Debug)]
pub(super) struct Heartbeat {
    next_ping: Instant,
    /// Until when the outstanding ping may be answered.
    pong_until: Option<Instant>,
}

impl Heartbeat {
    /// The first ping falls into the second half of the interval.
    pub(super) fn start(timing: &Timing, now: Instant, spread: f64) -> Self {
        let share = 0.5 + 0.5 * spread.clamp(0.0, 1.0);
        Self {
            next_ping: now + timing.ping.mul_f64(share),
            pong_until: None,
        }
    }
}

impl Client {
    /// When [`Client::tick`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::New { stale_at } | Phase::SigningIn { stale_at, .. } | Phase::Refused { stale_at } => {
                Some(*stale_at)
            }
            Phase::Up {
                heartbeat,
                expires_at,
            } => {
                let ping = heartbeat.pong_until.unwrap_or(heartbeat.next_ping);
                Some(expires_at.map_or(ping, |at| ping.min(at + self.timing.grace)))
            }
            Phase::Closed => None,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        let timing = self.timing;
        match &mut self.phase {
            Phase::New { stale_at } | Phase::SigningIn { stale_at, .. } | Phase::Refused { stale_at } => {
                if now >= *stale_at {
                    self.close(Disconnect::Stale);
                }
            }
            Phase::Up {
                heartbeat,
                expires_at,
            } => {
                if expires_at.is_some_and(|at| now >= at + timing.grace) {
                    self.close(Disconnect::Expired);
                } else if heartbeat.pong_until.is_some_and(|until| now >= until) {
                    self.close(Disconnect::NoPong);
                } else if heartbeat.pong_until.is_none() && now >= heartbeat.next_ping {
                    heartbeat.pong_until = Some(now + timing.pong);
                    heartbeat.next_ping = now + timing.ping;
                    self.write(&Message::Ping);
                }
            }
            Phase::Closed => {}
        }
    }

    /// A pong that nobody asked for is not the protocol.
    pub(super) fn pong(&mut self) {
        match &mut self.phase {
            Phase::Up { heartbeat, .. } if heartbeat.pong_until.is_some() => heartbeat.pong_until = None,
            _ => self.close(Disconnect::BadRequest),
        }
    }
}
