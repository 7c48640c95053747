use signalbox_core::change::Change;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::event::{Event, Subject};
use signalbox_core::kernel::id::UserId;
use signalbox_core::live::history;
use signalbox_core::testing::{TestStore, eventually, store};

use super::*;

async fn commit(test: &TestStore, version: i64) {
    let subject = Subject {
        kind: "user".into(),
        id: UserId::new().0,
        version,
    };
    let event = Event::new("user.updated", "users.update", subject, "feed:users", "t");
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    change.record(event).await.unwrap();
    change.commit().await.unwrap();
}

async fn top(test: &TestStore) -> u64 {
    let read = history::read(&test.store.bus, test.organization, "feed:users", 0, 1).await;
    read.unwrap().map_or(0, |history| history.position.offset)
}

fn tree() -> Tree {
    let faults = crate::supervision::Options {
        faults: true,
        ..Default::default()
    };
    Tree::start(faults).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_leads_and_when_it_retires_the_other_goes_on_at_once() {
    let test = store().await;
    let (first, second) = (tree(), tree());
    let a = OutboxRelay::supervise(&first, &test.store, "a").unwrap();
    first.start_all().await;
    eventually("a leads", async || a.is_leading()).await;
    let b = OutboxRelay::supervise(&second, &test.store, "b").unwrap();
    second.start_all().await;
    commit(&test, 1).await;
    eventually("a publishes", async || top(&test).await == 1).await;
    assert!(!b.is_leading());
    commit(&test, 2).await;
    a.retire(Duration::from_secs(5)).await;
    assert!(!a.is_leading());
    assert_eq!(
        top(&test).await,
        2,
        "what was on its way is sent before the node stops"
    );
    commit(&test, 3).await;
    eventually("b publishes", async || top(&test).await == 3).await;
    first.stop(Duration::from_secs(5)).await;
    second.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_panics_or_freezes_goes_on_where_it_was() {
    let test = store().await;
    let tree = tree();
    let _relay = OutboxRelay::supervise(&tree, &test.store, "a").unwrap();
    tree.start_all().await;
    for (version, poison) in (1..).zip([
        crate::supervision::Poison::Panic,
        crate::supervision::Poison::Freeze,
        crate::supervision::Poison::Hang,
    ]) {
        commit(&test, version * 2 - 1).await;
        tree.poison("outbox_relay", poison).unwrap();
        commit(&test, version * 2).await;
        eventually("all is published", async || {
            top(&test).await == version as u64 * 2
        })
        .await;
    }
    tree.stop(Duration::from_secs(5)).await;
}
