//! How everybody talks to the hub of this node.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use signalbox_core::Store;
use signalbox_core::bus::questions::NodeState;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::Namespaces;
use subtle::ConstantTimeEq;

use super::connections::{Connected, Connections, Transport};
use super::history::{Beginning, Keeps, Past, Stored};
use super::inlet::Inlet;
use super::lapse::Lapse;
use super::outlet::{ConnectionOrder, Outlet, Subscriber};
use super::publication::{ChannelKey, Item, Place, Publication, View};
use super::roster::{Arrival, Entry, Most, Roster};
use super::shard::{Compare, Deliver, Join, Left, LiveHub as Shard, Release};
use crate::supervision::{Handle, Spec, StartError, Tree};

/// Live delivery on this node. Cheap to clone.
#[derive(Clone)]
pub struct LiveHub(Arc<Inner>);

struct Inner {
    stored: Stored,
    shards: Vec<ShardLink>,
    next_shard: AtomicUsize,
    connections: Arc<Connections>,
    roster: Arc<Roster>,
}

#[derive(Clone)]
struct ShardLink {
    handle: Handle<Shard>,
    inlet: Arc<Inlet>,
}

/// Why a channel cannot be followed now; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// This node cannot vouch for what it would deliver: the bus is cut, or the node is stopping.
    #[error("live delivery is interrupted")]
    Closed,
    /// The user has as many connections to this node as one may have.
    #[error("connection limit")]
    TooMany,
    /// The shard is overloaded or restarting.
    #[error("live delivery is busy")]
    Busy(#[from] crate::supervision::CallError),
    /// Redis or PostgreSQL did not answer.
    #[error(transparent)]
    Store(#[from] signalbox_core::kernel::error::Error),
}

/// A wish to follow a channel. Rights have been judged: `view` is what came of it.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which channel.
    pub channel: ChannelKey,
    /// How it is seen.
    pub view: View,
    /// The last place the follower knows; `None` begins at the top. An empty epoch is any.
    pub since: Option<Place>,
    /// What the channel keeps.
    pub keeps: Keeps,
}

/// A subscription that stands but does not flow yet.
#[derive(Debug)]
pub struct Following {
    /// Where it stands, behind what was missed.
    pub place: Place,
    /// Whether everything since the place asked for is in `missed`.
    pub recovered: bool,
    /// Publications missed, as the follower may see them.
    pub missed: Vec<Item>,
    /// Holds the subscription; dropped, it ends.
    pub membership: Membership,
}

/// One subscription. Dropping it ends it: nothing of it is written any more.
pub struct Membership {
    channel: ChannelKey,
    subscriber: Arc<Subscriber>,
    shard: ShardLink,
    /// Bytes of its outlet that are kept for what it missed, until that is queued.
    reserved: AtomicUsize,
}

impl LiveHub {
    /// Adds the hub to the tree: `shards` actors, one for each HTTP worker thread. It delivers nothing before
    /// [`LiveHub::vouch_until`]. `namespaces` tells what the application's channels keep.
    ///
    /// # Errors
    /// When the tree already has a hub.
    pub fn supervise(
        tree: &Tree,
        store: &Store,
        namespaces: Arc<Namespaces>,
        shards: usize,
    ) -> Result<Self, StartError> {
        if namespaces.have_lapsing_maps() {
            let (store, namespaces) = (store.clone(), namespaces.clone());
            let sweeper = move || Lapse::new(store.clone(), namespaces.clone());
            tree.child(Spec::named("map_lapse").order(45), sweeper)?;
        }
        let stored = Stored {
            store: store.clone(),
            namespaces,
        };
        let connections = Arc::new(Connections::default());
        let links = (0..shards.max(1)).map(|n| {
            let inlet = Arc::new(Inlet::default());
            let parts = (stored.clone(), inlet.clone(), connections.clone());
            let spec = Spec::named(format!("live_hub/{n}")).order(30).capacity(8_192);
            let handle = tree.child(spec, move || Shard::new(parts.clone()))?;
            Ok(ShardLink { handle, inlet })
        });
        Ok(Self(Arc::new(Inner {
            shards: links.collect::<Result<_, StartError>>()?,
            stored,
            next_shard: AtomicUsize::new(0),
            connections,
            roster: Arc::default(),
        })))
    }

    /// Whether this node can vouch for what it delivers: it hears the bus and is not stopping.
    pub fn is_open(&self) -> bool {
        self.0.connections.may_show(Instant::now())
    }

    /// Whether delivery has been open since this start, be it once.
    pub fn has_opened(&self) -> bool {
        self.0.connections.was_vouched_for()
    }

    /// Everything published before now has been heard and every revocation been applied, so delivery may go on until
    /// this instant. Past it, every connection ends with 3011.
    pub fn vouch_until(&self, until: Instant) {
        self.0.connections.vouch_until(until);
    }

    /// Counts a connection in until the guard is dropped.
    pub fn connected(&self, outlet: &Arc<Outlet>, transport: Transport) -> Connected {
        self.0.connections.add(outlet, transport)
    }

    /// Follows a channel. Publications wait until [`Membership::release`].
    ///
    /// # Errors
    /// [`FollowError`]; all of them pass.
    pub async fn follow(
        &self,
        outlet: &Arc<Outlet>,
        slot: u32,
        wish: Wish,
    ) -> Result<Following, FollowError> {
        if !self.is_open() {
            return Err(FollowError::Closed);
        }
        let Wish {
            channel,
            view,
            since,
            keeps,
        } = wish;
        let subscriber = Subscriber::new(outlet.clone(), slot);
        let shard = self.shard().clone();
        shard.inlet.add(&subscriber);
        let membership = Membership {
            channel: channel.clone(),
            subscriber: subscriber.clone(),
            shard,
            reserved: AtomicUsize::new(0),
        };
        // joined first and read then: what is published in between comes both ways, and is told apart by its position
        membership
            .shard
            .handle
            .ask(Join {
                key: channel.clone(),
                subscriber,
                view: view.clone(),
            })
            .await?;
        let mut begun = self
            .0
            .stored
            .begin(&channel, since.as_ref(), &view, keeps, outlet.most_at_once())
            .await?;
        let bytes = begun.missed.iter().map(Item::cost).sum();
        if outlet.reserve(bytes) {
            membership.reserved.store(bytes, Ordering::Relaxed);
        } else {
            begun = Beginning::afresh(begun.place);
        }
        Ok(Following {
            place: begun.place,
            recovered: begun.recovered,
            missed: begun.missed,
            membership,
        })
    }

    /// A part of a channel's past as `view` may see it, and where the stream stands. `None` when the place asked for is of
    /// another generation.
    ///
    /// # Errors
    /// Redis or PostgreSQL did not answer.
    pub async fn history(
        &self,
        channel: &ChannelKey,
        view: &View,
        past: Past,
    ) -> signalbox_core::kernel::error::Result<Option<(Place, Vec<Item>)>> {
        self.0.stored.past(channel, view, past).await
    }

    pub(super) fn stored(&self) -> &Stored {
        &self.0.stored
    }

    /// Enters a connection that has signed in on the roster, until the entry is dropped. `None` when there are as many of the
    /// same user, or from the same address, as `most` allows.
    pub fn enter(&self, arrival: Arrival, outlet: &Arc<Outlet>, most: Most) -> Option<Entry> {
        self.0.roster.enter(arrival, outlet, most)
    }

    /// Commands of a client that cannot send on its stream, by the stream's secret. Commands for a stream that has ended are
    /// for nobody.
    pub fn commands(&self, session: &str, commands: Bytes) {
        let client = session.split_once('.').map_or(session, |(client, _)| client);
        let present = self.0.roster.one(client);
        let found = present
            .filter(|present| bool::from(present.arrival.session.as_bytes().ct_eq(session.as_bytes())));
        if let Some(present) = found {
            present.outlet.order(ConnectionOrder::Commands(commands));
        }
    }

    /// Hands publications to every shard.
    pub fn publish(&self, publications: &[Arc<Publication>]) {
        for shard in &self.0.shards {
            if shard.inlet.put(publications) {
                // a mailbox that is full has messages each of which looks into the inlet, and one that restarts begins empty
                let _ = shard.handle.try_send(Deliver);
            }
        }
    }

    /// As [`LiveHub::publish`], where no shard's mailbox takes another message.
    #[cfg(test)]
    pub(super) fn publish_unheard(&self, publications: &[Arc<Publication>]) {
        for shard in &self.0.shards {
            shard.inlet.put(publications);
        }
    }

    /// Publications may have been lost on the bus: every channel is compared with what is stored.
    pub fn compare(&self) {
        for shard in &self.0.shards {
            // a restarting shard has nobody to compare for, and a busy one compares every few seconds
            let _ = shard.handle.try_send(Compare);
        }
    }

    /// Ends every connection in paced batches, so that clients find other nodes without a storm: `per_second`, and as many
    /// more as it takes to be done `within`.
    pub async fn drain(&self, per_second: u32, within: Option<Duration>) {
        self.0.connections.drain(per_second, within).await;
    }

    /// Whether this node moves its connections to others and takes nobody new.
    pub fn is_draining(&self) -> bool {
        self.0.connections.is_draining()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.0.connections.count().iter().sum()
    }

    /// How it is on this node.
    pub(super) fn state(&self) -> NodeState {
        let counts = self.0.connections.count();
        let transports = Transport::ALL.iter().zip(counts).filter(|(_, count)| *count > 0);
        let subscriptions: usize = self.0.shards.iter().map(|shard| shard.inlet.subscribers()).sum();
        let channels = self.census();
        NodeState {
            connections: counts.iter().sum::<usize>() as u64,
            users: self.0.roster.users() as u64,
            channels: channels.len() as u64,
            subscriptions: subscriptions as u64,
            queue_bytes: self.0.connections.queued_bytes() as u64,
            draining: self.is_draining(),
            transports: transports
                .map(|(transport, count)| (transport.name().to_owned(), count as u64))
                .collect(),
            ..NodeState::default()
        }
    }

    /// Who is connected to this node.
    pub(super) fn roster(&self) -> &Arc<Roster> {
        &self.0.roster
    }

    /// The channels that somebody here follows: how many do, and publications a second.
    pub(super) fn census(&self) -> HashMap<ChannelKey, (u64, f64)> {
        let mut all: HashMap<ChannelKey, (u64, f64)> = HashMap::new();
        for (channel, members, rate) in self.0.shards.iter().flat_map(|shard| shard.inlet.census()) {
            let known = all.entry(channel).or_default();
            // every shard hears all of a channel's publications
            *known = (known.0 + members, known.1.max(rate));
        }
        all
    }

    /// Organizations of which somebody here follows the channel of this name.
    pub fn followers_of(&self, name: &str) -> Vec<OrganizationId> {
        let channels = self.census().into_keys();
        channels
            .filter(|key| &*key.name == name)
            .map(|key| key.organization)
            .collect()
    }

    /// The channels that somebody here follows and whose names `wanted` holds of.
    pub fn followed(&self, wanted: impl Fn(&str) -> bool) -> Vec<ChannelKey> {
        let channels = self.census().into_keys();
        channels.filter(|key| wanted(&key.name)).collect()
    }

    /// Writes the gauges of live delivery.
    pub fn export(&self) {
        let counts = self.0.connections.count();
        for (transport, count) in Transport::ALL.iter().zip(counts) {
            metrics::gauge!("signalbox_live_connections", "transport" => transport.name()).set(count as f64);
        }
        let subscriptions: usize = self.0.shards.iter().map(|shard| shard.inlet.subscribers()).sum();
        metrics::gauge!("signalbox_live_subscriptions").set(subscriptions as f64);
        metrics::gauge!("signalbox_live_queue_bytes").set(self.0.connections.queued_bytes() as f64);
        metrics::gauge!("signalbox_live_open").set(f64::from(u8::from(self.is_open())));
    }

    /// The shard of the calling thread: connections of one HTTP worker share one.
    fn shard(&self) -> &ShardLink {
        thread_local! {
            static MINE: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
        }
        let mine = MINE
            .get()
            .unwrap_or_else(|| self.0.next_shard.fetch_add(1, Ordering::Relaxed));
        MINE.set(Some(mine));
        &self.0.shards[mine % self.0.shards.len()]
    }
}

impl Membership {
    /// Lets publications flow: what came before `place` has been written, the publication there too if it `has_base`.
    pub fn release(&self, place: Place, has_base: bool) {
        self.unreserve();
        let (key, subscriber) = (self.channel.clone(), self.subscriber.clone());
        if self
            .shard
            .handle
            .try_send(Release {
                key,
                subscriber,
                place,
                has_base,
            })
            .is_err()
        {
            self.subscriber.lose();
        }
    }

    fn unreserve(&self) {
        let bytes = self.reserved.swap(0, Ordering::Relaxed);
        if bytes > 0 {
            self.subscriber.outlet().unreserve(bytes);
        }
    }

    /// The channel.
    pub fn channel(&self) -> &ChannelKey {
        &self.channel
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.unreserve();
        self.subscriber.close();
        self.shard.inlet.remove(&self.subscriber);
        let (key, subscriber) = (self.channel.clone(), self.subscriber.clone());
        // a shard that does not hear of it notices when it compares
        let _ = self.shard.handle.try_send(Left { key, subscriber });
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LiveHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveHub")
    }
}
