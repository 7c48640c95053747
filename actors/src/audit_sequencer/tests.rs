use signalbox_core::audit::chain::verify;
use signalbox_core::change::Change;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::event::{Event, Subject};
use signalbox_core::kernel::id::UserId;
use signalbox_core::testing::{TestStore, eventually, store};

use super::*;
use crate::supervision::{Options, Poison};

async fn commit(test: &TestStore) {
    let subject = Subject {
        kind: "user".into(),
        id: UserId::new().0,
        version: 1,
    };
    let event = Event::new("user.updated", "users.update", subject, "feed:users", "t");
    let ctx = Ctx::system(test.organization, "test");
    let mut change = Change::begin(&test.store, &ctx).await.unwrap();
    change.record(event).await.unwrap();
    change.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_is_chained_once_though_the_sequencer_panics_freezes_and_hangs() {
    let test = store().await;
    let tree = Tree::start(Options {
        faults: true,
        ..Options::default()
    })
    .unwrap();
    let sequencer = AuditSequencer::supervise(&tree, &test.store, "a").unwrap();
    tree.start_all().await;
    for (chained, poison) in (1..).zip([Poison::Panic, Poison::Freeze, Poison::Hang]) {
        eventually("it leads", async || sequencer.is_leading()).await;
        tree.poison("audit_sequencer", poison).unwrap();
        commit(&test).await;
        eventually("the entry is chained", async || {
            let verified = verify(&test.store, test.organization, 1..=i64::MAX)
                .await
                .unwrap();
            assert_eq!(verified.broken, None);
            verified.entries == chained
        })
        .await;
    }
    sequencer.retire(Duration::from_secs(5)).await;
    assert!(!sequencer.is_leading());
    tree.stop(Duration::from_secs(5)).await;
}
