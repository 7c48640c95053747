//! One shard of the hub: the channels of a part of this node's connections.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::{Channel, Need};
use super::connections::Connections;
use super::history::Stored;
use super::inlet::Inlet;
use super::outlet::{Gate, Subscriber, Turn};
use super::publication::{ChannelKey, Place, Publication, View};
use crate::supervision::{Context, Supervised};
use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Handler, Message, WrapFuture};

/// How often every channel is compared with what is stored: the last resort against what the bus lost silently.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// Parts in which that is done, one after the other, so that they are not all read in the same instant.
const PARTS: u32 = 10;

/// Followers who are given something in one turn: their writes take some 0.5 ms.
const TURN: usize = 64;

/// How long is waited for those whose turn it was; beyond it, most of them do not read.
const PATIENCE: Duration = Duration::from_millis(20);

/// How often the lease of this node's connections is looked at.
const ENFORCE_EVERY: Duration = Duration::from_millis(200);

/// See the module. Its state is a cache: a new incarnation starts empty, and everybody who was subscribed is told to come
/// back, which they do with their position.
pub(super) struct LiveHub {
    stored: Stored,
    inlet: Arc<Inlet>,
    connections: Arc<Connections>,
    channels: HashMap<ChannelKey, Channel>,
    /// Channels in which something is due, each once, in the order of their turns.
    busy: VecDeque<ChannelKey>,
    gate: Arc<Gate>,
    /// The next turn waits until the gate is free.
    waits: bool,
    /// When it is looked again at what is kept back.
    wakes: Option<Instant>,
    /// The part of the channels that is compared next.
    part: u32,
}

impl LiveHub {
    pub(super) fn new((stored, inlet, connections): (Stored, Arc<Inlet>, Arc<Connections>)) -> Self {
        Self {
            stored,
            inlet,
            connections,
            channels: HashMap::new(),
            busy: VecDeque::new(),
            gate: Arc::default(),
            waits: false,
            wakes: None,
            part: 0,
        }
    }

    /// Takes in what came over the bus. Every handler begins with it, so that messages and deliveries keep their order, and ends
    /// with giving what is due: whoever puts something into the inlet while the mailbox is full wakes nobody, and need not, since
    /// what is in the mailbox then does.
    fn take_in(&mut self, ctx: &mut Context<Self>) {
        let (publications, overflowed) = self.inlet.take();
        for run in publications.chunk_by(|one, next| one.channel == next.channel) {
            self.arrive(run, ctx);
        }
        if overflowed {
            self.compare_all(ctx);
        }
    }

    /// Gives what is due, in turns.
    fn deliver(&mut self, ctx: &mut Context<Self>) {
        while !self.waits {
            self.take_in(ctx);
            if self.busy.is_empty() {
                return;
            }
            if !self.gate.is_free() {
                return self.wait(ctx);
            }
            match self.take_turn(Instant::now()) {
                Ok(()) => {}
                Err(Some(rest)) => return self.rest(rest, ctx),
                Err(None) => return,
            }
        }
    }

    /// Gives some followers what is due to them; or nothing, where all that is due is kept back for so long, or nothing is due.
    fn take_turn(&mut self, now: Instant) -> Result<(), Option<Duration>> {
        let mut next = Some(self.next_channel(now)?);
        let turn = Turn::begin(&self.gate);
        let mut served = 0;
        while let Some(key) = next.take() {
            if let Some(channel) = self.channels.get_mut(&key) {
                served += channel.serve(TURN - served, &turn, now);
                if channel.is_due() {
                    self.busy.push_back(key);
                }
            }
            if served < TURN {
                next = self.next_channel(now).ok();
            }
        }
        turn.given(served);
        Ok(())
    }

    /// The next channel in which something is to be given now, taken off the list. Or how long until there is one, where one is
    /// left: the last who followed a channel may have gone since it was put on the list.
    fn next_channel(&mut self, now: Instant) -> Result<ChannelKey, Option<Duration>> {
        let mut rest: Option<Duration> = None;
        for _ in 0..self.busy.len() {
            let Some(key) = self.busy.pop_front() else { break };
            match self.channels.get(&key).map(|channel| channel.rest(now)) {
                Some(Duration::ZERO) => return Ok(key),
                Some(left) => {
                    rest = Some(rest.map_or(left, |rest| rest.min(left)));
                    self.busy.push_back(key);
                }
                // nobody follows it any more
                None => {}
            }
        }
        Err(rest)
    }

    fn rest(&mut self, rest: Duration, ctx: &mut Context<Self>) {
        let ends = Instant::now() + rest;
        if self.wakes.is_some_and(|wakes| wakes <= ends) {
            return;
        }
        self.wakes = Some(ends);
        ctx.run_later(rest, move |hub, ctx| {
            if hub.wakes == Some(ends) {
                hub.wakes = None;
            }
            hub.deliver(ctx);
        });
    }

    fn wait(&mut self, ctx: &mut Context<Self>) {
        self.waits = true;
        let gate = self.gate.clone();
        let freed = async move { tokio::time::timeout(PATIENCE, gate.freed()).await.is_ok() };
        let go_on = freed.into_actor(self).map(|in_time, hub, ctx| {
            hub.waits = false;
            if !in_time {
                // the turns under way are nobody's any more
                hub.gate = Arc::default();
            }
            hub.deliver(ctx);
        });
        ctx.spawn(go_on);
    }

    fn arrive(&mut self, run: &[Arc<Publication>], ctx: &mut Context<Self>) {
        let Some(key) = run.first().map(|first| &first.channel) else {
            return;
        };
        self.change(key.clone(), ctx, |channel| channel.arrive_together(run));
    }

    /// Does something with a channel, and what comes of it.
    fn change(&mut self, key: ChannelKey, ctx: &mut Context<Self>, act: impl FnOnce(&mut Channel) -> Need) {
        let Some(channel) = self.channels.get_mut(&key) else {
            return;
        };
        let was_due = channel.is_due();
        let need = act(channel);
        while channel.is_overdue() {
            channel.serve(usize::MAX, &Turn::default(), Instant::now());
        }
        if !was_due && channel.is_due() {
            self.busy.push_back(key.clone());
        }
        self.meet(key, need, ctx);
    }

    fn meet(&mut self, key: ChannelKey, need: Need, ctx: &mut Context<Self>) {
        let Need::Read(since) = need else { return };
        let stored = self.stored.clone();
        let read = async move {
            let page = stored.page(&key, since).await;
            (key, page)
        };
        let done = read.into_actor(self).map(|(key, page), hub, ctx| {
            hub.change(key, ctx, |channel| channel.read(page));
            hub.deliver(ctx);
        });
        ctx.spawn(done);
    }

    fn sweep(&mut self) {
        self.channels.retain(|key, channel| {
            let empty = channel.sweep();
            if empty {
                self.inlet.closed(key);
            }
            !empty
        });
    }

    /// Compares one part of the channels with what Redis knows of them, and reads where it knows more. One of the hub's own of
    /// which it knows nothing is not asked for elsewhere: what is published of it next comes over the bus. One of the application's
    /// has begun anew, or ends with the reading.
    fn compare_part(&mut self, ctx: &mut Context<Self>) {
        self.part = (self.part + 1) % PARTS;
        if self.part == 0 {
            self.sweep();
        }
        let hasher = self.channels.hasher();
        let is_next = |key: &&ChannelKey| hasher.hash_one(key) % u64::from(PARTS) == u64::from(self.part);
        let part: Vec<_> = self.channels.keys().filter(is_next).cloned().collect();
        if part.is_empty() {
            return;
        }
        let stored = self.stored.clone();
        let asked = async move {
            let places = stored.places(&part).await;
            (part, places)
        };
        let done = asked.into_actor(self).map(|(part, places), hub, ctx| {
            for (n, key) in part.into_iter().enumerate() {
                let place = places
                    .as_ref()
                    .map(|places| places.get(n).and_then(Option::as_ref));
                match place {
                    Ok(None) if key.is_of_application() => hub.change(key, ctx, Channel::check),
                    Ok(place) => hub.change(key, ctx, |channel| channel.compare(place)),
                    // the reading tries again, and gives up in the end
                    Err(_) => hub.change(key, ctx, Channel::check),
                }
            }
            hub.deliver(ctx);
        });
        ctx.spawn(done);
    }

    /// Compares every channel with what is stored, in Redis or in PostgreSQL.
    fn compare_all(&mut self, ctx: &mut Context<Self>) {
        self.sweep();
        let needs: Vec<_> = self
            .channels
            .iter_mut()
            .map(|(key, channel)| (key.clone(), channel.check()))
            .collect();
        for (key, need) in needs {
            self.meet(key, need, ctx);
        }
    }
}

impl Actor for LiveHub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // whoever the incarnation before this one served is served by nobody now
        self.inlet.lose_everybody();
        ctx.run_interval(COMPARE_EVERY / PARTS, |hub, ctx| {
            hub.take_in(ctx);
            hub.compare_part(ctx);
            hub.deliver(ctx);
        });
        ctx.run_interval(ENFORCE_EVERY, |hub, _| hub.connections.enforce(Instant::now()));
    }
}

impl Supervised for LiveHub {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}

/// The inlet has something.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Deliver;

impl Handler<Deliver> for LiveHub {
    type Result = ();

    fn handle(&mut self, _: Deliver, ctx: &mut Self::Context) {
        self.deliver(ctx);
    }
}

/// Keep what comes from now on for this subscriber, until it is released.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Join {
    pub(super) key: ChannelKey,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) view: View,
}

impl Handler<Join> for LiveHub {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) {
        self.take_in(ctx);
        let inlet = &self.inlet;
        let channel = self.channels.entry(join.key).or_insert_with_key(|key| {
            let channel = Channel::default();
            inlet.opened(key.clone(), channel.stats().clone());
            channel
        });
        channel.join(join.subscriber, join.view);
        self.deliver(ctx);
    }
}

/// The subscriber has everything up to this place: let the rest flow.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Release {
    pub(super) key: ChannelKey,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) place: Place,
    pub(super) has_base: bool,
}

impl Handler<Release> for LiveHub {
    type Result = ();

    fn handle(&mut self, release: Release, ctx: &mut Self::Context) {
        self.take_in(ctx);
        let Release {
            key,
            subscriber,
            place,
            has_base,
        } = release;
        if self.channels.contains_key(&key) {
            self.change(key, ctx, |channel| channel.release(&subscriber, place, has_base));
        } else {
            subscriber.lose();
        }
        self.deliver(ctx);
    }
}

/// Somebody has left this channel.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Left {
    pub(super) key: ChannelKey,
    pub(super) subscriber: Arc<Subscriber>,
}

impl Handler<Left> for LiveHub {
    type Result = ();

    fn handle(&mut self, left: Left, ctx: &mut Self::Context) {
        let Left { key, subscriber } = left;
        let channel = self.channels.get_mut(&key);
        if channel.is_some_and(|channel| channel.leave(&subscriber)) {
            self.channels.remove(&key);
            self.inlet.closed(&key);
        }
        self.deliver(ctx);
    }
}

/// The bus may have lost messages: compare every channel with what is stored.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Compare;

impl Handler<Compare> for LiveHub {
    type Result = ();

    fn handle(&mut self, _: Compare, ctx: &mut Self::Context) {
        self.take_in(ctx);
        self.compare_all(ctx);
        self.deliver(ctx);
    }
}
