//! How everybody talks to the hub of this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use signalbox_core::Store;
use signalbox_core::bus::questions::NodeState;

use super::connections::{Connected, Connections, Transport};
use super::inlet::Inlet;
use super::outlet::{Outlet, Subscriber};
use super::publication::{ChannelKey, Place, Publication, View};
use super::shard::{Compare, Deliver, Join, Left, LiveHub as Shard, Release};
use super::{history, queued_bytes};
use crate::supervision::{Handle, Spec, StartError, Tree};

/// Live delivery on this node. Cheap to clone.
#[derive(Clone)]
pub struct LiveHub(Arc<Inner>);

struct Inner {
    store: Store,
    shards: Vec<ShardLink>,
    next_shard: AtomicUsize,
    connections: Arc<Connections>,
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
}

/// A subscription that stands but does not flow yet.
#[derive(Debug)]
pub struct Following {
    /// Where it stands, behind what was missed.
    pub place: Place,
    /// Whether everything since the place asked for is in `missed`.
    pub recovered: bool,
    /// Events missed, as the follower may see them, one line of JSON each, with their positions.
    pub missed: Vec<(String, u64)>,
    /// Holds the subscription; dropped, it ends.
    pub membership: Membership,
}

/// One subscription. Dropping it ends it: nothing of it is written any more.
pub struct Membership {
    channel: ChannelKey,
    subscriber: Arc<Subscriber>,
    shard: ShardLink,
}

impl LiveHub {
    /// Adds the hub to the tree: `shards` actors, one for each HTTP worker thread. It delivers nothing before
    /// [`LiveHub::vouch_until`].
    ///
    /// # Errors
    /// When the tree already has a hub.
    pub fn supervise(tree: &Tree, store: &Store, shards: usize) -> Result<Self, StartError> {
        let connections = Arc::new(Connections::default());
        let links = (0..shards.max(1)).map(|n| {
            let inlet = Arc::new(Inlet::default());
            let parts = (store.clone(), inlet.clone(), connections.clone());
            let spec = Spec::named(format!("live_hub/{n}")).order(30).capacity(8_192);
            let handle = tree.child(spec, move || Shard::new(parts.clone()))?;
            Ok(ShardLink { handle, inlet })
        });
        Ok(Self(Arc::new(Inner {
            store: store.clone(),
            shards: links.collect::<Result<_, StartError>>()?,
            next_shard: AtomicUsize::new(0),
            connections,
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
        let Wish { channel, view, since } = wish;
        let subscriber = Subscriber::new(outlet.clone(), slot);
        let shard = self.shard().clone();
        shard.inlet.add(&subscriber);
        let membership = Membership {
            channel: channel.clone(),
            subscriber: subscriber.clone(),
            shard,
        };
        // joined first and read then: what is published in between comes both ways, and is told apart by its position
        membership
            .shard
            .handle
            .ask(Join {
                key: channel.clone(),
                subscriber,
                view,
            })
            .await?;
        let begun = history::begin(&self.0.store, &channel, since.as_ref(), view.class).await?;
        Ok(Following {
            place: begun.place,
            recovered: begun.recovered,
            missed: begun.missed,
            membership,
        })
    }

    /// Hands publications to every shard.
    pub fn publish(&self, publications: &[Arc<Publication>]) {
        for shard in &self.0.shards {
            if shard.inlet.put(publications) {
                // a shard that is busy or restarting looks into its inlet by itself
                let _ = shard.handle.try_send(Deliver);
            }
        }
    }

    /// Publications may have been lost on the bus: every channel is compared with what is stored.
    pub fn compare(&self) {
        for shard in &self.0.shards {
            // a restarting shard has nobody to compare for, and a busy one compares every few seconds
            let _ = shard.handle.try_send(Compare);
        }
    }

    /// Ends every connection in paced batches, so that clients find other nodes without a storm.
    pub async fn drain(&self) {
        self.0.connections.drain().await;
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        let (websockets, streams) = self.0.connections.count();
        websockets + streams
    }

    /// How it is on this node.
    pub(super) fn state(&self) -> NodeState {
        let (websockets, streams) = self.0.connections.count();
        let subscriptions: usize = self.0.shards.iter().map(|shard| shard.inlet.subscribers()).sum();
        NodeState {
            connections: (websockets + streams) as u64,
            subscriptions: subscriptions as u64,
            queue_bytes: queued_bytes() as u64,
            transports: [("websocket", websockets), ("eventsource", streams)]
                .map(|(transport, count)| (transport.to_owned(), count as u64))
                .into(),
            ..NodeState::default()
        }
    }

    /// Writes the gauges of live delivery.
    pub fn export(&self) {
        let (websockets, streams) = self.0.connections.count();
        let subscriptions: usize = self.0.shards.iter().map(|shard| shard.inlet.subscribers()).sum();
        metrics::gauge!("signalbox_live_connections", "transport" => "websocket").set(websockets as f64);
        metrics::gauge!("signalbox_live_connections", "transport" => "sse").set(streams as f64);
        metrics::gauge!("signalbox_live_subscriptions").set(subscriptions as f64);
        metrics::gauge!("signalbox_live_queue_bytes").set(queued_bytes() as f64);
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
    /// Lets publications flow: what came before `place` has been written.
    pub fn release(&self, place: Place) {
        let (key, subscriber) = (self.channel.clone(), self.subscriber.clone());
        if self
            .shard
            .handle
            .try_send(Release {
                key,
                subscriber,
                place,
            })
            .is_err()
        {
            self.subscriber.lose();
        }
    }

    /// The channel.
    pub fn channel(&self) -> &ChannelKey {
        &self.channel
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.subscriber.close();
        self.shard.inlet.remove(&self.subscriber);
        // a shard that does not hear of it notices when it compares
        let _ = self.shard.handle.try_send(Left(self.channel.clone()));
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
