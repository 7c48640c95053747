//! What people and Prometheus see.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use parking_lot::Mutex;
use signalbox_actors::supervision::{CallError, Options, Tree};

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_has_the_published_shape() {
    let tree = tree();
    let world = World::named("subject");
    let handle = tree
        .child(spec("hub/0").parent("live").capacity(7), move || world.make())
        .unwrap();
    tree.start_all().await;
    handle.ask(Add(1)).await.unwrap();
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    handle.ask(Add(1)).await.unwrap();
    until("both were counted", || status(&tree, "hub/0").handled == 2).await;
    until("it runs", || tree.snapshot()[0].state.word() == "running").await;
    let mut json = serde_json::to_value(&tree.snapshot()[0]).unwrap();
    let fields = json.as_object_mut().unwrap();
    let since = fields.remove("since").unwrap();
    time::OffsetDateTime::parse(
        since.as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    )
    .unwrap();
    assert!(fields.remove("heartbeat_age_ms").unwrap().as_u64().unwrap() < 10_000);
    let times = fields.remove("handling_us").unwrap();
    assert!(times["max"].as_u64().unwrap() >= times["mean"].as_u64().unwrap());
    assert_eq!(
        json,
        serde_json::json!({
            "name": "hub/0", "kind": "hub", "parent": "live", "state": "running", "restarts": 1,
            "last_reason": "panicked: handler", "mailbox": {"depth": 0, "capacity": 7}, "handled": 2,
        })
    );
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handling_time_includes_an_atomic_response_to_its_end() {
    let (tree, handle, _) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    let call = tokio::spawn({
        let handle = handle.clone();
        async move { handle.ask(Hold(held)).await }
    });
    let from = std::time::Instant::now();
    until("a while has passed", || {
        from.elapsed() > Duration::from_millis(30)
    })
    .await;
    go.send(()).unwrap();
    call.await.unwrap().unwrap();
    until("it was counted", || status(&tree, "subject").handled == 1).await;
    assert!(status(&tree, "subject").handling_us.max >= 20_000);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_changes_and_not_of_messages() {
    let (tree, handle, _) = one(spec("subject")).await;
    let mut changes = tree.subscribe();
    changes.mark_unchanged();
    handle.ask(Add(1)).await.unwrap();
    assert!(!changes.has_changed().unwrap());
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    tokio::time::timeout(Duration::from_secs(10), changes.changed())
        .await
        .unwrap()
        .unwrap();
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_reaches_prometheus_under_its_name() {
    let _ = metrics::set_global_recorder(Seen);
    let tree = Tree::start(Options {
        faults: true,
        tick: Duration::from_millis(10),
        ..Options::default()
    })
    .unwrap();
    let handle = tree
        .child(spec("exported").capacity(3), || World::default().make())
        .unwrap();
    tree.start_all().await;
    handle.ask(Add(1)).await.unwrap();
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    let figure = |name: &str| SEEN.lock().get(name).map(|bits| *bits.lock());
    let expected = [
        ("signalbox_actor_restarts_total{actor=exported}", 1.0),
        ("signalbox_actor_state{actor=exported,state=running}", 1.0),
        ("signalbox_actor_state{actor=exported,state=failed}", 0.0),
        ("signalbox_actor_exits_total{actor=exported,kind=panicked}", 1.0),
        ("signalbox_actor_mailbox_depth{actor=exported}", 0.0),
        ("signalbox_actor_mailbox_capacity{actor=exported}", 3.0),
        ("signalbox_actor_refused_total{actor=exported}", 0.0),
        ("signalbox_actor_handled_total{actor=exported}", 1.0),
    ];
    until("the figures were written", || {
        expected.iter().all(|(name, value)| figure(name) == Some(*value))
    })
    .await;
    for name in [
        "handling_microseconds_total",
        "handling_max_seconds",
        "heartbeat_age_seconds",
    ] {
        assert!(
            figure(&format!("signalbox_actor_{name}{{actor=exported}}")).is_some(),
            "{name}"
        );
    }
    finish(tree).await;
}

/// A recorder that keeps the last value of each series.
struct Seen;
static SEEN: LazyLock<Mutex<BTreeMap<String, Arc<Cell>>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Cell(Mutex<f64>);

impl Cell {
    fn lock(&self) -> parking_lot::MutexGuard<'_, f64> {
        self.0.lock()
    }
}
impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        *self.lock() += by as f64;
    }
    fn absolute(&self, value: u64) {
        *self.lock() = value as f64;
    }
}
impl GaugeFn for Cell {
    fn increment(&self, by: f64) {
        *self.lock() += by;
    }
    fn decrement(&self, by: f64) {
        *self.lock() -= by;
    }
    fn set(&self, value: f64) {
        *self.lock() = value;
    }
}

fn cell(key: &Key) -> Arc<Cell> {
    let labels: Vec<_> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    let name = format!("{}{{{}}}", key.name(), labels.join(","));
    Arc::clone(SEEN.lock().entry(name).or_default())
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(cell(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
