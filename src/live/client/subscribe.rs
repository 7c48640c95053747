//! Following channels, and ceasing to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connect::remaining;
use super::{Client, Effect, Refusal};
use crate::live::protocol::wire::{Publication, SubscribeResult};
use crate::live::protocol::{
    Disconnect, MAX_CHANNEL_BYTES, Push, Reply, ReplyError, Request, SubscribeRequest, Unsubscribed,
};

/// Publications in the reply to a subscribe at most; what was missed beyond them follows behind it, as pushes.
pub const IN_REPLY: usize = 300;

/// A subscription that stands, and what was missed before it.
#[derive(Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
pub struct Followed {
    /// The stream's generation.
    pub epoch: String,
    /// The top of the stream as far as `missed` reaches.
    pub offset: u64,
    /// The client may come back with its position.
    pub recoverable: bool,
    /// The hub watches for gaps, and the client is told its position.
    pub positioned: bool,
    /// Publications come as patches.
    pub delta: bool,
    /// Whether everything since the position asked for is in `missed`.
    pub recovered: bool,
    /// What this viewer may see of it, masked, with its offsets.
    pub missed: Vec<Publication>,
    /// JSON for the client; empty for none.
    pub data: Bytes,
    /// How long it lasts unless it is renewed. `None`: as long as the connection. Of a map that is not live yet: how long the
    /// client has to go on until it is.
    pub lasts: Option<Duration>,
    /// Of a map.
    pub map: Option<Box<MapPart>>,
}

/// What a map adds to an answer.
#[derive(Debug, Default, PartialEq)]
pub struct MapPart {
    /// Its kind, as the client asked for.
    pub kind: i32,
    /// What the client is to ask for next: 2 more of its state, 1 what has changed; 0 when it is live.
    pub phase: i32,
    /// Where its next page begins; empty behind the last.
    pub cursor: String,
    /// What stands in it.
    pub state: Vec<Publication>,
}

/// What the connection knows of one channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Box<str>,
    pub(super) slot: u32,
    pub(super) state: State,
    /// The server made it: the client can neither make nor renew it.
    pub(super) by_server: bool,
    /// See [`Channel::ends_at`].
    pub(super) expires_at: Option<Instant>,
}

impl Channel {
    /// When time ends it, if nothing else does: what flows has some `grace` to be renewed in, and what is read none to be live in.
    pub(super) fn ends_at(&self, grace: Duration) -> Option<Instant> {
        let grace = if self.is_read() { Duration::ZERO } else { grace };
        self.expires_at.map(|at| at + grace)
    }

    /// Whether publications flow: only then is there something to renew. How long a map may be read is not the client's to say.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Held)
    }

    /// Whether it is a map whose next page the client has not asked for yet.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.state, State::Reading)
    }
}

#[derive(Debug)]
pub(super) enum State {
    /// Being judged and read.
    Busy(Box<Busy>),
    /// Of a map: the client reads it page by page.
    Reading,
    /// Publications flow.
    Held,
}

#[derive(Debug)]
pub(super) struct Busy {
    reply_to: u32,
    wish: Recovering,
    /// A page of a map is read.
    map: bool,
    lost: Option<Unsubscribed>,
    /// What the client asked of this channel since.
    waiting: VecDeque<(u32, Request)>,
}

/// What a client that comes back wants.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Recovering {
    /// To be given what it missed.
    pub recover: bool,
    /// Since here.
    pub offset: u64,
    /// An error rather than less than that.
    pub rejects_unrecovered: bool,
}

impl From<&SubscribeRequest> for Recovering {
    fn from(wish: &SubscribeRequest) -> Self {
        Self {
            recover: wish.recover,
            offset: wish.offset,
            rejects_unrecovered: wish.rejects_unrecovered(),
        }
    }
}

/// What follows behind the reply of a subscription.
#[derive(Debug, Default)]
pub(super) struct Later {
    publications: Vec<Publication>,
    has_base: bool,
}

impl Client {
    pub(super) fn subscribe(&mut self, id: u32, wish: Box<SubscribeRequest>) {
        if is_map(&wish) && self.is_read(&wish.channel) {
            return self.refuse(id, ReplyError::ConcurrentPagination);
        }
        if let Some(waiting) = self.busy(&wish.channel) {
            let request = Request::Subscribe(wish);
            let bytes = request.bytes();
            waiting.push_back((id, request));
            return self.count_waiting(bytes);
        }
        if let Some(refusal) = nonsense(&wish) {
            return self.turn_down(id, refusal);
        }
        if let Some(error) = self.objection(&wish) {
            return self.refuse(id, error);
        }
        let busy = Busy {
            reply_to: id,
            wish: Recovering::from(&*wish),
            map: is_map(&wish),
            lost: None,
            waiting: VecDeque::new(),
        };
        if let Some(at) = self.position(&wish.channel) {
            if continues(&wish) {
                let channel = &mut self.channels[at];
                channel.state = State::Busy(Box::new(busy));
                channel.expires_at = None;
                let slot = channel.slot;
                return self.effects.push(Effect::Follow { slot, wish });
            }
            // it begins again
            let slot = self.channels.swap_remove(at).slot;
            self.effects.push(Effect::Unfollow(slot));
        }
        let slot = self.next_slot();
        // most connections hold one or two, and there are many connections
        self.channels.reserve_exact(1);
        self.channels.push(Channel {
            name: wish.channel.as_str().into(),
            slot,
            state: State::Busy(Box::new(busy)),
            by_server: false,
            expires_at: None,
        });
        self.effects.push(Effect::Follow { slot, wish });
    }

    /// A number for a subscription that was never used on this connection.
    pub fn next_slot(&mut self) -> u32 {
        self.last_slot += 1;
        self.last_slot
    }

    /// What speaks against a wish whoever asks.
    fn objection(&self, wish: &SubscribeRequest) -> Option<ReplyError> {
        let channel = self.position(&wish.channel).map(|at| &self.channels[at]);
        let reads = channel.is_some_and(Channel::is_read);
        if wish.channel.len() > MAX_CHANNEL_BYTES || !wish.channel.is_ascii() {
            Some(ReplyError::BadRequest)
        } else if channel.is_some() && !(reads && is_map(wish)) {
            Some(ReplyError::AlreadySubscribed)
        } else if channel.is_none() && self.channels.len() >= self.timing.channels {
            Some(ReplyError::LimitExceeded)
        } else if !(0..=POLL).contains(&wish.kind) {
            Some(ReplyError::PermissionDenied)
        } else if is_map(wish) && !(LIVE..=STATE).contains(&wish.phase) {
            Some(ReplyError::BadRequest)
        } else if is_map(wish) && channel.is_none() && continues(wish) && !wish.recover {
            // nobody has let this client read the map
            Some(ReplyError::PermissionDenied)
        } else {
            None
        }
    }

    /// Never an error: an SDK answers one by reconnecting.
    pub(super) fn unsubscribe(&mut self, id: u32, channel: String) {
        if let Some(waiting) = self.busy(&channel) {
            let bytes = channel.len();
            waiting.push_back((id, Request::Unsubscribe(channel)));
            return self.count_waiting(bytes);
        }
        if let Some(at) = self.position(&channel) {
            let channel = self.channels.swap_remove(at);
            self.effects.push(Effect::Unfollow(channel.slot));
        }
        self.write(Reply::unsubscribed(id));
    }

    /// A wish has been judged and, if granted, read for.
    pub fn followed(&mut self, slot: u32, result: Result<Followed, Refusal>, now: Instant) {
        // closed meanwhile, and with it every slot
        let Some(at) = self.channels.iter().position(|channel| channel.slot == slot) else {
            return;
        };
        let State::Busy(busy) = std::mem::replace(&mut self.channels[at].state, State::Held) else {
            return;
        };
        let Busy {
            reply_to,
            wish,
            lost,
            waiting,
            ..
        } = *busy;
        let bytes = waiting.iter().map(|(_, request)| request.bytes()).sum();
        self.discount_waiting(waiting.len(), bytes);
        match result {
            Err(refusal) => {
                self.channels.swap_remove(at);
                self.turn_down(reply_to, refusal);
            }
            Ok(followed) if wish.recover && !followed.recovered && wish.rejects_unrecovered => {
                self.channels.swap_remove(at);
                self.effects.push(Effect::Unfollow(slot));
                self.refuse(reply_to, ReplyError::Unrecoverable);
            }
            Ok(followed) => {
                let reads = followed.map.as_ref().is_some_and(|map| map.phase != LIVE);
                if reads {
                    self.channels[at].state = State::Reading;
                }
                self.channels[at].expires_at = followed.lasts.map(|lasts| now + lasts);
                let (result, later) = answer(wish, followed, now);
                self.write(Reply {
                    subscribe: Some(result),
                    ..Reply::to(reply_to)
                });
                if !reads {
                    self.flow(slot, later);
                }
                if let Some(why) = lost {
                    self.drop_subscription(slot, why);
                }
            }
        }
        for (id, request) in waiting {
            self.call(id, request);
        }
    }

    /// What comes behind the reply: the rest of what was missed, then what happens now.
    pub(super) fn flow(&mut self, slot: u32, later: Later) {
        let Some(channel) = self.channels.iter().find(|channel| channel.slot == slot) else {
            return;
        };
        let name = channel.name.to_string();
        for publication in later.publications {
            let push = Box::new(Push::publication(&name, publication));
            self.effects.push(Effect::Deliver { slot, push });
        }
        let has_base = later.has_base;
        self.effects.push(Effect::Release { slot, has_base });
    }

    /// The hub has dropped this subscription because its place in the stream is lost; the client comes back for it.
    pub fn lost(&mut self, slot: u32) {
        self.drop_subscription(slot, Unsubscribed::INSUFFICIENT_STATE);
    }

    /// The viewer may no longer see this channel. The driver has dropped the subscription.
    pub fn forbidden(&mut self, slot: u32) {
        self.drop_subscription(slot, Unsubscribed::PERMISSION_LOST);
    }

    /// The viewer may see other parts of this channel than before: what it has is of another view. The driver has dropped
    /// the subscription.
    pub fn invalidated(&mut self, slot: u32) {
        self.drop_subscription(slot, Unsubscribed::STATE_INVALIDATED);
    }

    pub(super) fn subscription_expired(&mut self, slot: u32) {
        self.drop_subscription(slot, Unsubscribed::EXPIRED);
    }

    pub(super) fn drop_subscription(&mut self, slot: u32, why: Unsubscribed) {
        let Some(at) = self.channels.iter().position(|channel| channel.slot == slot) else {
            return;
        };
        let channel = &mut self.channels[at];
        // the reply is still to come, and the push may not overtake it
        if let State::Busy(busy) = &mut channel.state {
            busy.lost.get_or_insert(why);
            return;
        }
        // such a client cannot subscribe again by itself; a new connection resumes what came with the old one
        if channel.by_server && why.code >= Unsubscribed::INSUFFICIENT_STATE.code {
            let invalid = why.code == Unsubscribed::STATE_INVALIDATED.code;
            return self.close(if invalid {
                Disconnect::Invalidated
            } else {
                Disconnect::InsufficientState
            });
        }
        let channel = self.channels.swap_remove(at);
        self.ask_without(slot);
        self.effects.push(Effect::Unfollow(slot));
        self.push(Push::unsubscribe(&channel.name, &why));
    }

    /// Where what is asked of a channel waits while the channel is busy.
    pub(super) fn busy(&mut self, name: &str) -> Option<&mut VecDeque<(u32, Request)>> {
        let at = self.position(name)?;
        match &mut self.channels[at].state {
            State::Busy(busy) => Some(&mut busy.waiting),
            State::Reading | State::Held => None,
        }
    }

    /// Whether a page of this map is being read now.
    fn is_read(&self, name: &str) -> bool {
        let state = self.position(name).map(|at| &self.channels[at].state);
        matches!(state, Some(State::Busy(busy)) if busy.map)
    }

    /// The number of the subscription to a channel, if there is one.
    pub fn slot_of(&self, name: &str) -> Option<u32> {
        self.position(name).map(|at| self.channels[at].slot)
    }

    /// At most [`super::Timing::channels`] are searched.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.channels.iter().position(|channel| &*channel.name == name)
    }
}

/// Phases of a map.
pub const LIVE: i32 = 0;
/// See [`LIVE`].
pub const STREAM: i32 = 1;
/// See [`LIVE`].
pub const STATE: i32 = 2;

/// The kind of a subscription whose keys are polled.
pub const POLL: i32 = 4;

/// Whether a map is asked for: 1 to 3 are its kinds.
pub fn is_map(wish: &SubscribeRequest) -> bool {
    (1..=3).contains(&wish.kind)
}

/// What cannot be meant, whoever asks and however: in a subscribe, or with a connect.
pub fn nonsense(wish: &SubscribeRequest) -> Option<Refusal> {
    if !matches!(wish.delta.as_str(), "" | "fossil") {
        Some(Refusal::Close(Disconnect::BadRequest))
    } else if wish.tf.is_some() && !wish.delta.is_empty() {
        // a patch of what was filtered out would be a patch of nothing
        Some(ReplyError::BadRequest.into())
    } else {
        None
    }
}

/// Whether it asks for more of a map that the client reads already, rather than for the first of it.
fn continues(wish: &SubscribeRequest) -> bool {
    wish.phase != STATE || !wish.cursor.is_empty()
}

/// The reply to a subscribe, and what follows behind it.
pub(super) fn answer(wish: Recovering, mut followed: Followed, now: Instant) -> (SubscribeResult, Later) {
    if let Some(map) = followed.map.take() {
        return (answer_of_map(wish, *map, followed, now), Later::default());
    }
    let mut publications = followed.missed;
    let recovered = wish.recover && followed.recovered;
    if !followed.recovered {
        publications.clear();
    }
    let has_base = !publications.is_empty();
    // a recovering client counts on from where it was, by the publications it is given. Those it may not see
    // are not among them, so with none left it moves to the top at once.
    let offset = if recovered && has_base {
        wish.offset
    } else {
        followed.offset
    };
    let rest = publications.split_off(publications.len().min(IN_REPLY));
    let (expires, ttl) = remaining(followed.lasts.map(|lasts| now + lasts), now);
    let told = followed.positioned || followed.recoverable;
    let result = SubscribeResult {
        expires,
        ttl,
        recoverable: followed.recoverable,
        epoch: if told { followed.epoch } else { String::new() },
        publications,
        recovered,
        offset: if told { offset } else { 0 },
        positioned: followed.positioned,
        data: followed.data,
        was_recovering: wish.recover,
        delta: followed.delta,
        ..SubscribeResult::default()
    };
    let later = Later {
        publications: rest,
        has_base,
    };
    (result, later)
}

/// The reply to one step of reading a map. Its offset is how far the client then is, whatever it brought.
fn answer_of_map(wish: Recovering, map: MapPart, followed: Followed, now: Instant) -> SubscribeResult {
    let live = map.phase == LIVE;
    let lasts = followed.lasts.filter(|_| live);
    let (expires, ttl) = remaining(lasts.map(|lasts| now + lasts), now);
    SubscribeResult {
        expires,
        ttl,
        recoverable: live && followed.recoverable,
        epoch: followed.epoch,
        publications: followed.missed,
        recovered: live && followed.recovered,
        offset: followed.offset,
        positioned: live && followed.positioned,
        data: followed.data,
        was_recovering: live && wish.recover,
        delta: live && followed.delta,
        kind: map.kind,
        phase: map.phase,
        cursor: map.cursor,
        state: map.state,
    }
}
