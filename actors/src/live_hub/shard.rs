//! One shard of the hub: the channels of a part of this node's connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::{Channel, Need};
use super::connections::Connections;
use super::history::Stored;
use super::inlet::Inlet;
use super::outlet::Subscriber;
use super::publication::{ChannelKey, Place, Publication, View};
use crate::supervision::{Context, Supervised};
use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Handler, Message, WrapFuture};

/// How often every channel is compared with what is stored: the last resort against what the bus lost silently.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// How long what comes is gathered after something was given to so many followers: some times what their writes take (about
/// 5 us each, measured), so that a write carries many publications and the kernel is not asked for each. Whoever follows a
/// channel of few waits for nothing, and so does what comes after a pause.
const PAUSE_EACH: Duration = Duration::from_micros(20);
const PAUSE: Duration = Duration::from_millis(200);
/// So many publications, two full frames, are not held back for longer, once those before them are written.
const ENOUGH: usize = 32;
/// How often it is looked whether they are written.
const LOOK: Duration = Duration::from_millis(1);

/// Followers of whom it is looked whether they are written: the last in their channel are the last to be.
const LAST: usize = 8;

/// How often the lease of this node's connections is looked at.
const ENFORCE_EVERY: Duration = Duration::from_millis(200);

/// See the module. Its state is a cache: a new incarnation starts empty, and everybody who was subscribed is told to come
/// back, which they do with their position.
pub(super) struct LiveHub {
    stored: Stored,
    inlet: Arc<Inlet>,
    connections: Arc<Connections>,
    channels: HashMap<ChannelKey, Channel>,
    /// What was given last.
    given: Given,
    /// What has come waits for its time.
    gathering: bool,
}

impl LiveHub {
    pub(super) fn new((stored, inlet, connections): (Stored, Arc<Inlet>, Arc<Connections>)) -> Self {
        Self {
            stored,
            inlet,
            connections,
            channels: HashMap::new(),
            given: Given::default(),
            gathering: false,
        }
    }

    /// Delivers what came over the bus. Every handler begins with it, so that messages and deliveries keep their order.
    fn deliver(&mut self, ctx: &mut Context<Self>) {
        let (publications, overflowed) = self.inlet.take();
        let mut given = Given::default();
        for run in publications.chunk_by(|one, next| one.channel == next.channel) {
            self.arrive(run, &mut given, ctx);
        }
        if !publications.is_empty() {
            given.at = Some(Instant::now());
            self.given = given;
        }
        if overflowed {
            self.compare_all(ctx);
        }
    }

    /// Delivers at once when nothing was delivered just now. While many are being written to, what comes is gathered: they
    /// are then given several publications in one write.
    fn deliver_in_time(&mut self, ctx: &mut Context<Self>) {
        if self.gathering {
            return;
        }
        let Some(wait) = self.given.wait(Instant::now(), self.inlet.waiting()) else {
            return self.deliver(ctx);
        };
        self.gathering = true;
        ctx.run_later(wait, |hub, ctx| {
            hub.gathering = false;
            hub.deliver_in_time(ctx);
        });
    }

    fn arrive(&mut self, run: &[Arc<Publication>], given: &mut Given, ctx: &mut Context<Self>) {
        let Some(key) = run.first().map(|first| &first.channel) else {
            return;
        };
        let Some(channel) = self.channels.get_mut(key) else {
            return;
        };
        let need = channel.arrive_together(run);
        given.to(channel);
        self.meet(key.clone(), need, ctx);
    }

    fn meet(&mut self, key: ChannelKey, need: Need, ctx: &mut Context<Self>) {
        let Need::Read(since) = need else { return };
        let stored = self.stored.clone();
        let read = async move {
            let page = stored.page(&key, since).await;
            (key, page)
        };
        let done = read.into_actor(self).map(|(key, page), hub, ctx| {
            if let Some(channel) = hub.channels.get_mut(&key) {
                let need = channel.read(page);
                hub.meet(key, need, ctx);
            }
        });
        ctx.spawn(done);
    }

    fn compare_all(&mut self, ctx: &mut Context<Self>) {
        self.channels.retain(|key, channel| {
            let empty = channel.sweep();
            if empty {
                self.inlet.closed(key);
            }
            !empty
        });
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

/// To whom something was given last, as far as it decides when the next may be.
#[derive(Default)]
struct Given {
    at: Option<Instant>,
    followers: u32,
    /// Some of the channel with the most of them.
    last: Vec<Arc<Subscriber>>,
    most: usize,
}

impl Given {
    fn to(&mut self, channel: &Channel) {
        let members = channel.stats().members();
        self.followers = self.followers.saturating_add(members as u32);
        if members > self.most {
            self.most = members;
            self.last = channel.last(LAST);
        }
    }

    /// How long to wait before it is looked again; `None` when the next may be given, of which so many wait.
    fn wait(&self, now: Instant, waiting: usize) -> Option<Duration> {
        let since = now.saturating_duration_since(self.at?);
        let pause = (PAUSE_EACH * self.followers).min(PAUSE).saturating_sub(since);
        if pause.is_zero() || (waiting >= ENOUGH && self.is_written()) {
            return None;
        }
        Some(pause.min(LOOK))
    }

    /// Whether most of the last have been written to; one that does not read at all is waited for by nobody.
    fn is_written(&self) -> bool {
        let written = self.last.iter().filter(|last| last.outlet().bytes() == 0).count();
        2 * written >= self.last.len()
    }
}

impl Actor for LiveHub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // whoever the incarnation before this one served is served by nobody now
        self.inlet.lose_everybody();
        ctx.run_interval(COMPARE_EVERY, |hub, ctx| {
            hub.deliver(ctx);
            hub.compare_all(ctx);
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
        self.deliver_in_time(ctx);
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
        self.deliver(ctx);
        let inlet = &self.inlet;
        let channel = self.channels.entry(join.key).or_insert_with_key(|key| {
            let channel = Channel::default();
            inlet.opened(key.clone(), channel.stats().clone());
            channel
        });
        channel.join(join.subscriber, join.view);
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
        self.deliver(ctx);
        match self.channels.get_mut(&release.key) {
            Some(channel) => {
                let need = channel.release(&release.subscriber, release.place, release.has_base);
                self.meet(release.key, need, ctx);
            }
            None => release.subscriber.lose(),
        }
    }
}

/// Somebody has left this channel.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Left(pub(super) ChannelKey);

impl Handler<Left> for LiveHub {
    type Result = ();

    fn handle(&mut self, left: Left, _: &mut Self::Context) {
        if self.channels.get_mut(&left.0).is_some_and(Channel::sweep) {
            self.channels.remove(&left.0);
            self.inlet.closed(&left.0);
        }
    }
}

/// The bus may have lost messages: compare every channel with what is stored.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Compare;

impl Handler<Compare> for LiveHub {
    type Result = ();

    fn handle(&mut self, _: Compare, ctx: &mut Self::Context) {
        self.deliver(ctx);
        self.compare_all(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::super::outlet::{Frame, Outlet};
    use super::*;
    use bytes::Bytes;

    fn given(followers: u32, last: Vec<Arc<Subscriber>>) -> (Given, Instant) {
        let at = Instant::now();
        let given = Given {
            at: Some(at),
            followers,
            last,
            most: followers as usize,
        };
        (given, at)
    }

    fn follower(waits: bool) -> Arc<Subscriber> {
        let subscriber = Subscriber::new(Outlet::new(1_000), 1);
        if waits {
            subscriber.push(Frame::new(Bytes::from_static(b"not written yet"), 0), 1);
        }
        subscriber
    }

    #[test]
    fn what_comes_first_or_after_few_is_given_at_once() {
        assert_eq!(Given::default().wait(Instant::now(), 1), None);
        let (given, at) = given(1, vec![follower(true)]);
        assert_eq!(given.wait(at + Duration::from_micros(20), 1), None);
    }

    #[test]
    fn what_comes_after_many_waits_until_it_is_much_and_they_are_written_and_not_for_ever() {
        let (written, at) = given(1_000, vec![follower(false), follower(false), follower(true)]);
        let soon = at + Duration::from_millis(1);
        assert_eq!(written.wait(soon, ENOUGH - 1), Some(LOOK));
        assert_eq!(
            written.wait(soon, ENOUGH),
            None,
            "one that does not read holds up nobody"
        );
        let (writing, at) = given(1_000, vec![follower(true), follower(true), follower(false)]);
        let soon = at + Duration::from_millis(1);
        assert_eq!(writing.wait(soon, ENOUGH), Some(LOOK));
        assert_eq!(writing.wait(at + Duration::from_millis(20), 1), None);
        let (everybody, at) = given(1_000_000, vec![follower(true)]);
        assert_eq!(everybody.wait(at + PAUSE, 1), None);
    }
}
