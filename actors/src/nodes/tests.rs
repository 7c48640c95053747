//! Several nodes on one bus, each with connections made up for the test.

use std::sync::atomic::AtomicBool;

use futures::future::BoxFuture;
use signalbox_core::bus::orders::Whom;
use signalbox_core::bus::questions::{ConnectionRow, ConnectionsWanted, NodeState, Rows};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::testing::{TestStore, eventually, store};
use time::OffsetDateTime;

use super::*;
use crate::backplane::{Backplane, ControlListener};
use crate::live_hub::LiveHub;
use crate::supervision::{Options, Poison};

const APPLICATION: OrganizationId = OrganizationId(uuid::Uuid::nil());

struct Made {
    rows: Vec<ConnectionRow>,
    orders: Mutex<Vec<Order>>,
    busy: AtomicBool,
}

impl Local for Made {
    fn carry_out(&self, order: Order) {
        self.orders.lock().push(order);
    }

    fn answer(&self, question: &Question) -> Answer {
        if self.busy.load(Ordering::SeqCst) {
            // longer than whoever asks waits
            std::thread::sleep(PATIENCE * 5);
        }
        match question {
            Question::Node => Answer::Node(NodeState {
                connections: self.rows.len() as u64,
                ..NodeState::default()
            }),
            Question::Connections(wanted) => Answer::Connections(wanted.page(self.rows.clone())),
            Question::Connection { client, .. } => Answer::Connection {
                found: self
                    .rows
                    .iter()
                    .find(|row| row.client == *client)
                    .map(|row| (row.clone(), vec!["news:all".to_owned()])),
            },
            Question::Channels(_) => Answer::Channels(Rows {
                items: Vec::new(),
                total: 0,
            }),
            Question::Sockets { .. } => Answer::Sockets { rows: Vec::new() },
        }
    }
}

struct Nobody;

impl ControlListener for Nobody {
    fn heard(&self, _: Control) {}

    fn settle(&self) -> BoxFuture<'static, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct Node {
    tree: Tree,
    nodes: Nodes,
    made: Arc<Made>,
    _backplane: Backplane,
}

async fn node(test: &TestStore, name: &str, clients: std::ops::Range<i64>) -> Node {
    let tree = Tree::start(Options {
        faults: true,
        ..Options::default()
    })
    .unwrap();
    let rows = clients.map(|n| ConnectionRow {
        client: format!("c{n}"),
        organization: APPLICATION,
        user: String::new(),
        transport: "websocket".to_owned(),
        protocol: "json".to_owned(),
        name: String::new(),
        version: String::new(),
        address: String::new(),
        connected_at: OffsetDateTime::from_unix_timestamp(n).unwrap(),
        channels: 0,
        queue_bytes: 0,
        latency_ms: None,
    });
    let made = Arc::new(Made {
        rows: rows.collect(),
        orders: Mutex::default(),
        busy: AtomicBool::new(false),
    });
    let hub = LiveHub::supervise(&tree, &test.store, Arc::default(), 1).unwrap();
    let nodes = Nodes::supervise(&tree, &test.store, name, made.clone()).unwrap();
    let backplane = Backplane::supervise(&tree, &test.store, &hub, &nodes, Arc::new(Nobody)).unwrap();
    tree.start_all().await;
    eventually("the node hears the bus", async || hub.is_open()).await;
    Node {
        tree,
        nodes,
        made,
        _backplane: backplane,
    }
}

async fn three(test: &TestStore) -> [Node; 3] {
    let nodes = [
        node(test, "a", 0..10).await,
        node(test, "b", 10..20).await,
        node(test, "c", 20..30).await,
    ];
    eventually("each knows of the others", async || {
        nodes.iter().all(|node| node.nodes.others().len() == 2)
    })
    .await;
    nodes
}

/// What all nodes answer: a machine that is too slow may have one keep silent the first time.
async fn whole(node: &Node, question: Question) -> Answers {
    let mut answers = node.nodes.ask(question.clone()).await;
    eventually("nobody is missing", async || {
        if !answers.missing.is_empty() {
            answers = node.nodes.ask(question.clone()).await;
        }
        answers.missing.is_empty()
    })
    .await;
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_by_every_node_and_pages_are_of_the_whole() {
    let test = store().await;
    let [_a, b, _c] = three(&test).await;
    let answers = whole(&b, Question::Node).await;
    let states = answers.nodes();
    let told: Vec<_> = states
        .iter()
        .map(|item| (item.node.as_str(), item.state.connections))
        .collect();
    assert_eq!(told, [("a", 10), ("b", 10), ("c", 10)]);
    assert!(states.iter().all(|item| !item.state.version.is_empty()));
    let wanted = ConnectionsWanted {
        organizations: vec![APPLICATION],
        limit: 4,
        ..ConnectionsWanted::default()
    };
    let page = whole(&b, Question::Connections(wanted.clone())).await;
    let page = page.connections(&wanted);
    assert_eq!(page.total, 30);
    let newest: Vec<_> = page
        .items
        .iter()
        .map(|(node, row)| (node.as_str(), row.client.as_str()))
        .collect();
    assert_eq!(newest, [("c", "c29"), ("c", "c28"), ("c", "c27"), ("c", "c26")]);
    let one = Question::Connection {
        organizations: vec![APPLICATION],
        client: "c3".to_owned(),
    };
    let (node, row, channels) = whole(&b, one).await.connection().unwrap();
    assert_eq!(
        (node.as_str(), row.client.as_str(), channels.len()),
        ("a", "c3", 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_keeps_silent_is_named_and_holds_nobody_up() {
    let test = store().await;
    let [a, b, _c] = three(&test).await;
    b.made.busy.store(true, Ordering::SeqCst);
    let asked = Instant::now();
    let answers = a.nodes.ask(Question::Node).await;
    assert!(asked.elapsed() < PATIENCE * 4, "{:?}", asked.elapsed());
    // a machine that is too slow may have another keep silent too
    assert!(
        answers.missing.iter().any(|node| node == "b"),
        "{:?}",
        answers.missing
    );
    assert_eq!(answers.given.len() + answers.missing.len(), 3);
    b.made.busy.store(false, Ordering::SeqCst);
    b.nodes.leave().await;
    eventually("who has left is not asked", async || {
        a.nodes.ask(Question::Node).await.missing.is_empty()
    })
    .await;
    b.tree.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_given_to_any_node_is_carried_out_once_by_each() {
    let test = store().await;
    let nodes = three(&test).await;
    let order = Order::Disconnect {
        whom: Whom {
            user: Some("u1".to_owned()),
            ..Whom::of(APPLICATION)
        },
        code: 3503,
        reason: "a test".to_owned(),
    };
    let emulate = |node: &str| Order::Emulate {
        node: node.to_owned(),
        session: "secret".to_owned(),
        data: vec![0, 255, 10],
    };
    nodes[2].nodes.tell(order.clone()).await.unwrap();
    nodes[2].nodes.tell(emulate("a")).await.unwrap();
    nodes[2].nodes.tell(emulate("c")).await.unwrap();
    let missing = nodes[2].nodes.tell(emulate("nobody")).await.unwrap_err();
    assert_eq!(missing.kind, signalbox_core::kernel::error::Kind::NotFound);
    let expected = [
        vec![order.clone(), emulate("a")],
        vec![order.clone()],
        vec![emulate("c"), order.clone()],
    ];
    for (node, expected) in nodes.iter().zip(expected) {
        eventually("it is carried out", async || {
            node.made.orders.lock().len() >= expected.len()
        })
        .await;
        let orders = node.made.orders.lock();
        assert!(
            expected.iter().all(|order| orders.contains(order)) && orders.len() == expected.len(),
            "{orders:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_redis_lost_is_begun_anew_and_told_and_the_actor_survives_its_own_end() {
    let test = store().await;
    let node = node(&test, "a", 0..1).await;
    let standing = node.nodes.standing();
    eventually("the lease stands", async || {
        let standing = standing.borrow();
        standing.begun == 1 && standing.census.held
    })
    .await;
    node.tree.poison("nodes", Poison::Panic).unwrap();
    test.store.bus.end_lease("a").await.unwrap();
    eventually("it is begun again", async || standing.borrow().begun == 2).await;
    eventually("it answers", async || {
        node.nodes.ask(Question::Node).await.given.len() == 1
    })
    .await;
}
