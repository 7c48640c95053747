//! Ping and pong, and everything else that happens because time passed.

use std::time::Instant;

use super::{Client, Effect, Phase, Pulse, Timing};
use crate::live::protocol::{Disconnect, Reply};

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
            Phase::Up { heartbeat, expires } => {
                let ping = heartbeat.pong_until.unwrap_or(heartbeat.next_ping);
                let grace = self.timing.grace;
                let channels = self.channels.iter();
                let subscriptions = channels.filter_map(|channel| channel.ends_at(grace));
                let first = subscriptions.chain(expires.at.map(|at| at + grace)).min();
                Some(first.map_or(ping, |at| ping.min(at)))
            }
            Phase::Closed => None,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        let timing = self.timing.clone();
        match &mut self.phase {
            Phase::New { stale_at } | Phase::Refused { stale_at } => {
                if now >= *stale_at {
                    self.close(Disconnect::Stale);
                }
            }
            // it has said who it is: that the hub is slow to judge is no reason to stay away for good
            Phase::SigningIn { stale_at, .. } => {
                if now >= *stale_at {
                    self.close(Disconnect::Internal);
                }
            }
            Phase::Up { heartbeat, expires } => {
                if expires.at.is_some_and(|at| now >= at + timing.grace) {
                    return self.close(Disconnect::Expired);
                }
                if heartbeat.pong_until.is_some_and(|until| now >= until) {
                    return self.close(Disconnect::NoPong);
                }
                if heartbeat.pong_until.is_none() && now >= heartbeat.next_ping {
                    heartbeat.next_ping = now + timing.ping;
                    if self.line.pulse != Pulse::Told {
                        heartbeat.pong_until = Some(now + timing.pong);
                    }
                    match self.line.pulse {
                        Pulse::Frames => self.effects.push(Effect::Ping),
                        Pulse::Asked | Pulse::Told => self.write(Reply::default()),
                    }
                }
                self.end_expired(now);
            }
            Phase::Closed => {}
        }
    }

    /// A pong may stand in what is not read yet.
    pub(super) fn await_pong_until_read(&mut self, now: Instant) {
        if let Phase::Up { heartbeat, .. } = &mut self.phase
            && let Some(until) = &mut heartbeat.pong_until
        {
            *until = now + self.timing.pong;
        }
    }

    /// The answer to a ping of the transport. One that nobody asked for is allowed there (RFC 6455 §5.5.3).
    pub fn pong_of_transport(&mut self, now: Instant) {
        if matches!(&self.phase, Phase::Up { heartbeat, .. } if heartbeat.pong_until.is_some()) {
            self.pong(now);
        }
    }

    /// A pong that nobody asked for is not the protocol.
    pub(super) fn pong(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Up { heartbeat, .. } if heartbeat.pong_until.is_some() => {
                let sent = heartbeat
                    .pong_until
                    .take()
                    .and_then(|until| until.checked_sub(self.timing.pong));
                self.latency = sent.map(|sent| now.saturating_duration_since(sent));
            }
            _ => self.close(Disconnect::BadRequest),
        }
    }
}
