//! Several nodes on one bus, with clients made up for the test.

use std::collections::BTreeSet;

use proptest::prelude::*;
use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, NodeState, Question};
use signalbox_core::bus::{Bus, Signal, Subscription};
use signalbox_core::live::application::map::Presences;
use signalbox_core::live::application::{APPLICATION, Message as Payload};
use signalbox_core::live::history::Batch;
use signalbox_core::live::presence::burial::{Burial, bury};
use signalbox_core::testing::{Stalls, TestStore, eventually, store};

use super::*;
use crate::nodes::Local;
use crate::own_redis::OwnRedis;
use crate::supervision::{Options, Poison};

struct Nobody;

impl Local for Nobody {
    fn carry_out(&self, _: Order) {}

    fn answer(&self, _: &Question) -> Answer {
        Answer::Node(NodeState::default())
    }
}

struct Node {
    tree: Tree,
    nodes: Nodes,
    presence: Presence,
}

async fn node(test: &TestStore, name: &str) -> Node {
    let options = Options {
        faults: true,
        ..Options::default()
    };
    let tree = Tree::start(options).unwrap();
    let nodes = Nodes::supervise(&tree, &test.store, name, Arc::new(Nobody)).unwrap();
    let presence = Presence::supervise(&tree, &test.store, &nodes, Arc::default()).unwrap();
    tree.start_all().await;
    Node {
        tree,
        nodes,
        presence,
    }
}

impl Node {
    async fn enter(&self, client: &str) -> Attendance {
        let info = ClientInfo {
            user: "7".to_owned(),
            client: client.to_owned(),
            ..ClientInfo::default()
        };
        self.presence.enter(&room(), info, true).await.unwrap()
    }

    async fn seen(&self) -> Vec<String> {
        self.presence.of(&room()).await.unwrap().into_keys().collect()
    }

    async fn dies(self) {
        // nothing is written any more, and no lease renewed; the clients' attendances go on
        self.tree.stop(Duration::from_secs(5)).await;
    }
}

fn room() -> ChannelKey {
    ChannelKey {
        organization: APPLICATION,
        name: "chat:1".into(),
    }
}

async fn listening(test: &TestStore) -> Subscription {
    let bus = &test.store.bus;
    bus.subscribe(&[bus.keys().fan(APPLICATION, "chat:1")])
        .await
        .unwrap()
}

/// What was told until now: `+client` and `-client`.
async fn told(test: &TestStore, heard: &mut Subscription) -> Vec<String> {
    let bus = &test.store.bus;
    bus.publish(&bus.keys().fan(APPLICATION, "chat:1"), b"end")
        .await
        .unwrap();
    let mut told = Vec::new();
    loop {
        match heard.next().await {
            Some(Signal::Message { payload, .. }) if &payload[..] == b"end" => return told,
            Some(Signal::Message { payload, .. }) => {
                match Payload::parse(&Batch::parse(&payload).unwrap().payloads[0]).unwrap() {
                    Payload::Join(info) => told.push(format!("+{}", info.client)),
                    Payload::Leave(info) => told.push(format!("-{}", info.client)),
                    Payload::Publication(_) => panic!("nobody published"),
                }
            }
            _ => {}
        }
    }
}

/// A store on a Redis of its own.
async fn apart() -> (TestStore, OwnRedis) {
    let (mut test, redis) = (store().await, OwnRedis::start());
    eventually("Redis answers", async || {
        let bus = Bus::connect(&redis.url(), "t").await;
        bus.map(|bus| test.store.bus = bus).is_ok()
    })
    .await;
    (test, redis)
}

/// Whether Redis knows of nobody's presence.
async fn nothing_is_left(test: &TestStore) -> bool {
    let all = format!("{}:live:pres*", test.prefix);
    test.redis(&["KEYS", &all]).await.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_entered_finds_themselves_and_is_seen_by_every_node_until_they_leave() {
    let test = store().await;
    let (one, two) = (node(&test, "n1").await, node(&test, "n2").await);
    let (a, b) = (one.enter("a").await, two.enter("b").await);
    assert_eq!(one.seen().await, ["a", "b"]);
    assert_eq!(
        two.presence.stats(&room()).await.unwrap(),
        (2, 1),
        "one user twice"
    );
    drop(a);
    eventually("a has left", async || two.seen().await == ["b"]).await;
    drop(b);
    eventually("nothing is left", async || nothing_is_left(&test).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_node_that_died_are_gone_within_five_seconds_and_said_so_once() {
    let test = store().await;
    let mut heard = listening(&test).await;
    let (one, two, three) = (
        node(&test, "n1").await,
        node(&test, "n2").await,
        node(&test, "n3").await,
    );
    let mut ghosts = Vec::new();
    for n in 0..50 {
        ghosts.push(one.enter(&format!("ghost {n}")).await);
        ghosts[n].announce();
    }
    let b = two.enter("b").await;
    b.announce();
    one.presence.settle(Duration::from_secs(5)).await;
    let (died, stalls) = (std::time::Instant::now(), Stalls::watch());
    one.dies().await;
    eventually("nobody sees ghosts", async || {
        two.seen().await == ["b"] && three.seen().await == ["b"]
    })
    .await;
    let took = died.elapsed();
    assert!(took < Duration::from_secs(5) + stalls.allowance(), "{took:?}");
    let mut said = Vec::new();
    eventually("each has been said to leave", async || {
        said.extend(told(&test, &mut heard).await);
        said.iter().filter(|word| word.starts_with('-')).count() >= 50
    })
    .await;
    eventually("the node is off the list", async || {
        two.nodes.standing().borrow().census.lapsed.is_empty()
    })
    .await;
    said.extend(told(&test, &mut heard).await);
    let left: BTreeSet<_> = said.iter().filter(|word| word.starts_with('-')).collect();
    assert_eq!((left.len(), said.len()), (50, 101), "{said:?}");
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_lost_everything_everybody_is_back_and_nobody_is_said_to_have_come_or_left() {
    let (test, _redis) = apart().await;
    let (one, two) = (node(&test, "n1").await, node(&test, "n2").await);
    let (a, b) = (one.enter("a").await, two.enter("b").await);
    a.announce();
    eventually("a is announced", async || one.presence.list.sizes().1 == 0).await;
    let mut heard = listening(&test).await;
    test.redis(&["FLUSHALL"]).await;
    eventually("both are back", async || one.seen().await == ["a", "b"]).await;
    assert_eq!(told(&test, &mut heard).await, Vec::<String>::new());
    drop(a);
    eventually("a has left", async || one.seen().await == ["b"]).await;
    assert_eq!(
        told(&test, &mut heard).await,
        ["-a"],
        "what it was told by is known again"
    );
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_taken_for_dead_is_seen_again_as_soon_as_it_is_back() {
    let test = store().await;
    let mut heard = listening(&test).await;
    let (one, two) = (node(&test, "n1").await, node(&test, "n2").await);
    let a = one.enter("a").await;
    a.announce();
    eventually("a is announced", async || one.presence.list.sizes().1 == 0).await;
    let nodes = test.store.bus.keys().live_nodes();
    eventually("the node is taken for dead", async || {
        test.redis(&["ZADD", &nodes, "1", "n1"]).await;
        let buried = bury(&test.store.bus, &Presences::default(), "n1", "n2")
            .await
            .unwrap();
        // it may have renewed its lease in between
        matches!(buried, Burial::Done(1))
    })
    .await;
    let mut said = told(&test, &mut heard).await;
    eventually("a is seen again", async || two.seen().await == ["a"]).await;
    eventually("and said to have come", async || {
        said.extend(told(&test, &mut heard).await);
        said.len() == 3
    })
    .await;
    assert_eq!(said, ["+a", "-a", "+a"]);
    drop(a);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_panics_again_and_again_loses_nobody_who_came_or_left() {
    let test = store().await;
    let one = node(&test, "n1").await;
    let mut here = Vec::new();
    for round in 0..4 {
        for n in 0..20 {
            here.push(one.enter(&format!("{round}/{n}")).await);
        }
        here.drain(..15);
        one.tree.poison("presence", Poison::Panic).unwrap();
    }
    eventually("who is here is there, and nobody else", async || {
        one.seen().await.len() == 20
    })
    .await;
    let mut expected: Vec<_> = here.iter().map(|attendance| attendance.client.clone()).collect();
    expected.sort();
    assert_eq!(one.seen().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_while_entering_is_not_there() {
    let test = store().await;
    let one = node(&test, "n1").await;
    for n in 0..200 {
        let entering = one.enter("a");
        if n % 2 == 0 {
            // dropped at its first wait, unless nobody had to wait
            drop(futures::FutureExt::now_or_never(entering));
        } else {
            let _ = tokio::time::timeout(Duration::from_micros(n * 5), entering).await;
        }
    }
    one.presence.settle(Duration::from_secs(5)).await;
    assert_eq!(one.seen().await, Vec::<String>::new());
    assert!(nothing_is_left(&test).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nobody_enters_and_who_left_meanwhile_is_gone_when_it_is_back() {
    let (test, redis) = apart().await;
    let one = node(&test, "n1").await;
    let (a, b) = (one.enter("a").await, one.enter("b").await);
    redis.signal(nix::sys::signal::Signal::SIGSTOP);
    let nobody = ClientInfo {
        client: "c".into(),
        ..ClientInfo::default()
    };
    let refused = one.presence.enter(&room(), nobody, true).await;
    assert!(refused.is_err(), "{refused:?}");
    drop(a);
    redis.signal(nix::sys::signal::Signal::SIGCONT);
    eventually("a is gone, and c never was there", async || {
        one.presence.list.sizes().1 == 0 && one.seen().await == ["b"]
    })
    .await;
    drop(b);
}

#[derive(Clone, Debug)]
enum Act {
    Enter(usize),
    Announce(usize),
    Leave(usize),
    Wait,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let client = 0..4_usize;
    let act = prop_oneof![
        4 => client.clone().prop_map(Act::Enter),
        2 => client.clone().prop_map(Act::Announce),
        4 => client.prop_map(Act::Leave),
        1 => Just(Act::Wait),
    ];
    proptest::collection::vec(act, 1..40)
}

#[test]
fn whatever_comes_and_goes_at_once_what_is_seen_and_told_agrees_with_who_is_here() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(store());
    let one = runtime.block_on(node(&test, "n1"));
    proptest!(ProptestConfig::with_cases(24), |(acts in acts())| {
        runtime.block_on(agrees(&test, &one, acts))?;
    });
}

async fn agrees(test: &TestStore, one: &Node, acts: Vec<Act>) -> std::result::Result<(), TestCaseError> {
    let mut heard = listening(test).await;
    let mut here: BTreeMap<String, Attendance> = BTreeMap::new();
    for act in acts {
        match act {
            Act::Enter(client) => {
                let client = client.to_string();
                // the new coming stands before the old one is dropped
                here.insert(client.clone(), one.enter(&client).await);
            }
            Act::Announce(client) => here.get(&client.to_string()).map_or((), Attendance::announce),
            Act::Leave(client) => drop(here.remove(&client.to_string())),
            Act::Wait => tokio::task::yield_now().await,
        }
    }
    one.presence.settle(Duration::from_secs(5)).await;
    prop_assert_eq!(one.seen().await, here.keys().cloned().collect::<Vec<_>>());
    let announced: BTreeSet<String> = here
        .keys()
        .filter(|client| one.presence.list.is_told(&room(), client))
        .cloned()
        .collect();
    drop(here);
    one.presence.settle(Duration::from_secs(5)).await;
    prop_assert_eq!(one.seen().await, Vec::<String>::new());
    // each is told to come before it is told to leave, in turns
    let mut present = BTreeSet::new();
    let told = told(test, &mut heard).await;
    for word in &told {
        let (sign, client) = word.split_at(1);
        let fits = if sign == "+" {
            present.insert(client.to_owned())
        } else {
            present.remove(client)
        };
        prop_assert!(fits, "{:?}", told);
    }
    prop_assert!(
        present.is_empty()
            && announced
                .iter()
                .all(|client| told.contains(&format!("-{client}"))),
        "{:?}",
        told
    );
    Ok(())
}
