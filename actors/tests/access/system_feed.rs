use std::time::{Duration, Instant};

use signalbox_actors::session_keeper::Options;
use signalbox_actors::supervision::Poison;
use signalbox_actors::system_feed::{CHANNEL, SystemFeed};
use signalbox_core::bus::Signal;
use signalbox_core::live::history::Batch;

use crate::stage::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_tree_is_told_with_the_whole_tree_and_at_most_once_a_second() {
    let test = test().await;
    let node = Node::on(&test, Options::default()).await;
    let bus = &test.store.bus;
    let mut listening = bus
        .subscribe(&[bus.keys().fan(test.organization, CHANNEL)])
        .await
        .unwrap();
    SystemFeed::supervise(&node.tree, &node.store, "node").unwrap();
    let began = Instant::now();
    node.tree.start_all().await;
    let mut told = Vec::new();
    let poisoned = async |told: &Vec<serde_json::Value>| {
        told.last()
            .is_some_and(|event| event["items"][0]["restarts"] == 3)
    };
    let mut poisonings = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !poisoned(&told).await {
        assert!(Instant::now() < deadline, "{told:?}");
        if poisonings < 3 && node.tree.snapshot()[0].restarts == poisonings {
            node.tree.poison("permission_cache", Poison::Panic).unwrap();
            poisonings += 1;
        }
        let Ok(Some(Signal::Message { payload, .. })) =
            tokio::time::timeout(Duration::from_millis(20), listening.next()).await
        else {
            continue;
        };
        let batch = Batch::parse(&payload).unwrap();
        assert_eq!(
            (batch.channel.as_str(), batch.first),
            (CHANNEL, 0),
            "state has no position"
        );
        let published: serde_json::Value = serde_json::from_slice(&batch.payloads[0]).unwrap();
        told.push(published["event"].clone());
    }
    let lasted = began.elapsed().as_secs() as usize;
    for event in &told {
        assert_eq!(
            (&event["type"], &event["node"]),
            (&"system.actors".into(), &"node".into())
        );
        assert_eq!(event["items"].as_array().unwrap().len(), 3);
    }
    // two may be heard at once that were told a second apart
    assert!(told.len() <= lasted + 1, "{lasted} s: {told:?}");
    node.end().await;
}
