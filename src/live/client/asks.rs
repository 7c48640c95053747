//! Questions about a channel, and what is said into it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::connect::remaining;
use super::subscribe::Channel;
use super::{Client, Effect, Refusal};
use crate::live::protocol::wire::{
    ClientInfo, Empty, HistoryResult, PresenceResult, PresenceStatsResult, SubRefreshResult,
};
use crate::live::protocol::{Ask, Disconnect, Reply, ReplyError, Request};

/// An answer found.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It has been said.
    Published,
    /// Who is there, by client id.
    Presence(BTreeMap<String, ClientInfo>),
    /// How many are there.
    PresenceStats(PresenceStatsResult),
    /// What was said.
    History(HistoryResult),
    /// Keys are tracked, or not any more: what is known of them, and how long that lasts.
    Tracked(SubRefreshResult),
    /// The subscription lasts so long from now; `None` as long as the connection.
    Renewed(Option<Duration>),
}

/// Kinds of a `sub_refresh` that are about keys that are polled.
pub const TRACK: i32 = 1;
/// See [`TRACK`].
pub const UNTRACK: i32 = 2;

#[derive(Debug, Default)]
pub(super) struct Asks {
    out: bool,
    // boxed: most connections never ask
    waiting: Option<Box<Queue>>,
}

/// Command, question, and the subscription that its channel had when it came.
type Queue = VecDeque<(u32, Box<Ask>, Option<u32>)>;

impl Client {
    pub(super) fn ask(&mut self, id: u32, ask: Box<Ask>) {
        let bytes = ask.bytes();
        if let Some(waiting) = self.busy(ask.channel()) {
            waiting.push_back((id, Request::Ask(ask)));
            return self.count_waiting(bytes);
        }
        if let Ask::Refresh(request) = &*ask {
            let at = self.position(&request.channel);
            let held = at.is_some_and(|at| self.channels[at].is_held());
            let refusal = match () {
                () if request.channel.is_empty() => Some(ReplyError::BadRequest),
                () if !(0..=UNTRACK).contains(&request.kind) => Some(ReplyError::NotAvailable),
                () if !held => Some(ReplyError::PermissionDenied),
                () => None,
            };
            if let Some(error) = refusal {
                return self.refuse(id, error);
            }
        }
        let slot = self.slot_of(ask.channel());
        self.asks
            .waiting
            .get_or_insert_default()
            .push_back((id, ask, slot));
        self.count_waiting(bytes);
        self.next_ask();
    }

    fn next_ask(&mut self) {
        if self.asks.out {
            return;
        }
        let Some((id, ask, slot)) = self.asks.waiting.as_mut().and_then(|waiting| waiting.pop_front()) else {
            self.asks.waiting = None;
            return;
        };
        self.discount_waiting(1, ask.bytes());
        self.asks.out = true;
        self.effects.push(Effect::Ask { id, ask, slot });
    }

    /// The question with this id has an answer. `slot` is what the effect said.
    pub fn answered(&mut self, id: u32, slot: Option<u32>, result: Result<Answer, Refusal>, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.asks.out = false;
        match result {
            Ok(Answer::Renewed(lasts)) => self.renewed(id, slot, lasts, now),
            Ok(answer) => self.write(reply(id, answer)),
            Err(refusal) => self.turn_down(id, refusal),
        }
        if !self.is_closed() {
            self.next_ask();
        }
    }

    /// The server has ended this subscription: nothing is asked as its follower any more.
    pub(super) fn ask_without(&mut self, slot: u32) {
        for (.., held) in self
            .asks
            .waiting
            .iter_mut()
            .flat_map(|waiting| waiting.iter_mut())
        {
            *held = held.filter(|held| *held != slot);
        }
    }

    fn renewed(&mut self, id: u32, slot: Option<u32>, lasts: Option<Duration>, now: Instant) {
        let expires_at = lasts.map(|lasts| now + lasts);
        let Some(channel) = self
            .channels
            .iter_mut()
            .find(|channel| Some(channel.slot) == slot && channel.is_held())
        else {
            // ended meanwhile; or a map that is read again, which was given its time
            return self.refuse(id, ReplyError::PermissionDenied);
        };
        channel.expires_at = expires_at;
        let (expires, ttl) = remaining(expires_at, now);
        self.write(Reply {
            sub_refresh: Some(SubRefreshResult {
                expires,
                ttl,
                items: Vec::new(),
            }),
            ..Reply::to(id)
        });
    }

    /// Subscriptions whose token ran out, the grace included, end: the client comes back with another one.
    pub(super) fn end_expired(&mut self, now: Instant) {
        let grace = self.timing.grace;
        let over = |channel: &&Channel| channel.ends_at(grace).is_some_and(|at| now >= at);
        let ended = self.channels.iter().filter(over);
        if ended.clone().any(Channel::is_read) {
            // it has begun to read a map and does not go on
            return self.close(Disconnect::Slow);
        }
        if ended.clone().any(|channel| channel.by_server) {
            return self.close(Disconnect::SubscriptionExpired);
        }
        for slot in ended.map(|channel| channel.slot).collect::<Vec<_>>() {
            self.subscription_expired(slot);
        }
    }
}

fn reply(id: u32, answer: Answer) -> Reply {
    let mut reply = Reply::to(id);
    match answer {
        Answer::Published => reply.publish = Some(Empty {}),
        Answer::Presence(presence) => reply.presence = Some(PresenceResult { presence }),
        Answer::PresenceStats(stats) => reply.presence_stats = Some(stats),
        Answer::History(history) => reply.history = Some(history),
        Answer::Tracked(tracked) => reply.sub_refresh = Some(tracked),
        Answer::Renewed(_) => {}
    }
    reply
}
