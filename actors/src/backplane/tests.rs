//! The backplane on a Redis of its own, which is stopped, killed and restarted.

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal as Unix;
use parking_lot::Mutex;
use serde_json::json;
use signalbox_core::bus::Bus;
use signalbox_core::bus::control::Control;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::history::{Begin, append};
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;
use signalbox_core::testing::{Stalls, TestStore, eventually, store};

use super::*;
use crate::live_hub::{
    ChannelKey, Disconnect, Encoding, Following, Frame, Item, Keeps, Outlet, Taken, Transport, View, Wish,
};
use crate::own_redis::OwnRedis;
use crate::supervision::{Options, Poison};

/// Counts how often it was asked to settle, and can be made to fail.
#[derive(Default)]
struct Keeper {
    settled: AtomicUsize,
    fails: AtomicUsize,
    heard: Mutex<Vec<Control>>,
}

impl ControlListener for Keeper {
    fn heard(&self, message: Control) {
        self.heard.lock().push(message);
    }

    fn settle(&self) -> BoxFuture<'static, Result<()>> {
        self.settled.fetch_add(1, Ordering::SeqCst);
        let fails = self.fails.load(Ordering::SeqCst) > 0;
        Box::pin(async move {
            let failed = signalbox_core::kernel::error::Error::internal("the database is away");
            if fails { Err(failed) } else { Ok(()) }
        })
    }
}

#[derive(Debug)]
struct Offsets;

impl Encoding for Offsets {
    fn id(&self) -> u8 {
        253
    }

    fn is_json(&self) -> bool {
        true
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        let offset = item.offset;
        Frame::new(Bytes::from(offset.to_string()), 0)
    }
}

struct Node {
    redis: OwnRedis,
    test: TestStore,
    tree: Tree,
    hub: LiveHub,
    keeper: Arc<Keeper>,
    _backplane: Backplane,
}

impl Node {
    async fn start() -> Self {
        let redis = OwnRedis::start();
        let mut test = store().await;
        eventually("Redis answers", async || {
            match Bus::connect(&redis.url(), "t").await {
                Ok(bus) => {
                    test.store.bus = bus;
                    true
                }
                Err(_) => false,
            }
        })
        .await;
        let tree = Tree::start(Options {
            faults: true,
            ..Options::default()
        })
        .unwrap();
        let hub = LiveHub::supervise(&tree, &test.store, Arc::default(), 2).unwrap();
        let keeper = Arc::new(Keeper::default());
        let nodes = Nodes::supervise(&tree, &test.store, "n1", Arc::new(hub.clone())).unwrap();
        let backplane = Backplane::supervise(&tree, &test.store, &hub, &nodes, keeper.clone()).unwrap();
        assert!(!hub.is_open(), "nothing is shown before the first heartbeat");
        tree.start_all().await;
        let node = Self {
            redis,
            test,
            tree,
            hub,
            keeper,
            _backplane: backplane,
        };
        node.opens().await;
        node
    }

    async fn opens(&self) {
        eventually("live delivery opens", async || self.hub.is_open()).await;
    }

    fn channel(&self) -> ChannelKey {
        ChannelKey {
            organization: self.test.organization,
            name: "feed:users".into(),
        }
    }

    async fn append(&self, position: u64) {
        let key = self.channel();
        let payload = json!({"event": {}, "row": "user"}).to_string().into_bytes();
        eventually("the relay reaches Redis", async || {
            let done = append(
                &self.test.store.bus,
                key.organization,
                &key.name,
                "e",
                &Begin::Over(None),
                position,
                std::slice::from_ref(&payload),
            );
            done.await.is_ok()
        })
        .await;
    }

    async fn follow(&self, outlet: &Arc<Outlet>) -> Following {
        let view = View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Offsets);
        let following = self
            .hub
            .follow(
                outlet,
                1,
                Wish {
                    channel: self.channel(),
                    view,
                    since: None,
                    keeps: Keeps::Stream,
                },
            )
            .await
            .unwrap();
        following.membership.release(following.place.clone(), false);
        following
    }
}

/// Whether so many offsets come; not, where it was ended before.
async fn offsets(outlet: &Arc<Outlet>, expected: &[u64]) -> Result<(), Disconnect> {
    let mut got = Vec::new();
    let read = async {
        while got.len() < expected.len() {
            match std::future::poll_fn(|cx| outlet.poll_take(cx, 1_000_000)).await {
                Taken::Batch(batch) => got.extend(batch.iter().map(|item| item.offset)),
                Taken::Ended(why) => return Err(why),
            }
        }
        Ok(())
    };
    let done = tokio::time::timeout(Duration::from_secs(20), read).await;
    done.unwrap_or_else(|_| panic!("got only {got:?}"))?;
    assert_eq!(got, expected);
    Ok(())
}

/// Follows the channel, and has the bus interrupted by `interrupt`, which then publishes: what it says comes, and nobody is ended.
/// On a machine that keeps everybody waiting an interruption may last so long that all are ended, as they must be then; five
/// times at most.
async fn outlives(node: &mut Node, mut interrupt: impl AsyncFnMut(&mut Node) -> Vec<u64>) {
    for _ in 0..5 {
        node.opens().await;
        let outlet = Outlet::new(1 << 20);
        let _counted = node.hub.connected(&outlet, Transport::WebSocket);
        let _following = node.follow(&outlet).await;
        let began = Instant::now();
        let expected = interrupt(node).await;
        match offsets(&outlet, &expected).await {
            Ok(()) => {
                assert_eq!(outlet.ended(), None);
                return;
            }
            Err(why) => {
                let excused = why == Disconnect::ForceReconnect && began.elapsed() > Duration::from_secs(2);
                assert!(excused, "{why:?} after {:?}", began.elapsed());
            }
        }
    }
    panic!("everybody was ended each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_come_over_the_bus_and_a_redis_killed_for_a_moment_loses_none_and_ends_nobody() {
    let mut node = Node::start().await;
    node.append(1).await;
    let outlet = Outlet::new(1 << 20);
    let _counted = node.hub.connected(&outlet, Transport::WebSocket);
    let _following = node.follow(&outlet).await;
    node.append(2).await;
    offsets(&outlet, &[2]).await.unwrap();
    let mut top = 2;
    for _ in 0..3 {
        outlives(&mut node, async |node| {
            node.redis.kill();
            node.redis.run();
            // as fast as Redis answers, and so before the subscription stands again
            for position in top + 1..=top + 5 {
                node.append(position).await;
            }
            top += 5;
            (top - 4..=top).collect()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_cut_ends_everybody_within_five_seconds_and_opens_after_revocations_were_read() {
    let node = Node::start().await;
    node.append(1).await;
    let outlet = Outlet::new(1 << 20);
    let _counted = node.hub.connected(&outlet, Transport::WebSocket);
    let _following = node.follow(&outlet).await;
    let settled = node.keeper.settled.load(Ordering::SeqCst);
    node.keeper.fails.store(1, Ordering::SeqCst);
    let (cut_at, stalls) = (Instant::now(), Stalls::watch());
    node.redis.signal(Unix::SIGSTOP);
    eventually("the connection ends", async || outlet.ended().is_some()).await;
    assert_eq!(outlet.ended(), Some(Disconnect::ForceReconnect));
    let took = cut_at.elapsed();
    // the last words that came back may have been said some time before the cut
    let most = Duration::from_secs(5) + stalls.allowance();
    assert!(took < most && took > Duration::from_secs(1), "{took:?}");
    node.redis.signal(Unix::SIGCONT);
    eventually("revocations are asked for", async || {
        node.keeper.settled.load(Ordering::SeqCst) > settled + 1
    })
    .await;
    assert!(!node.hub.is_open(), "they could not be read");
    node.keeper.fails.store(0, Ordering::SeqCst);
    node.opens().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_messages_reach_their_listener_and_heartbeats_do_not() {
    let node = Node::start().await;
    node.test
        .store
        .bus
        .tell(&Control::Beat {
            node: "other".into(),
            n: 1,
        })
        .await
        .unwrap();
    node.test.store.bus.tell(&Control::OutboxHint).await.unwrap();
    eventually("the hint arrives", async || !node.keeper.heard.lock().is_empty()).await;
    assert_eq!(*node.keeper.heard.lock(), [Control::OutboxHint]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backplane_that_panics_or_freezes_comes_back_and_nothing_is_lost() {
    let mut node = Node::start().await;
    node.append(1).await;
    let mut top = 1;
    for poison in [Poison::Panic, Poison::Hang, Poison::Freeze] {
        outlives(&mut node, async |node| {
            node.tree.poison("backplane", poison).unwrap();
            top += 1;
            node.append(top).await;
            vec![top]
        })
        .await;
    }
}
