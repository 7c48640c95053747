//! Whatever happens in whatever order.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

#[derive(Clone, Debug)]
enum Turn {
    Put(u8, u16),
    Remove(u8),
    Clear,
    /// The follower comes back on another connection.
    Return(u32),
    /// It takes what is pushed.
    Listen,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => (0..15_u8, any::<u16>()).prop_map(|(key, value)| Turn::Put(key, value)),
        6 => (0..15_u8).prop_map(Turn::Remove),
        1 => Just(Turn::Clear),
        3 => (1..9_u32).prop_map(Turn::Return),
        3 => Just(Turn::Listen),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_published_removed_missed_and_resumed_a_follower_has_the_map() {
    let node = node().await;
    let mut runner = TestRunner::deterministic();
    let options = node.settings.live.namespaces().of("board:1").unwrap().clone();
    for round in 0..8 {
        let channel = format!("board:{round}");
        let turns = prop::collection::vec(turn(), 20..80)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut model = Values::new();
        let mut ada = Follower::live(&node, "ada", &channel, 1).await;
        for turn in turns {
            match turn {
                Turn::Put(key, value) => {
                    node.put(&channel, &format!("k{key}"), value.into()).await;
                    model.insert(format!("k{key}"), json!(value));
                }
                Turn::Remove(key) => {
                    node.remove(&channel, &format!("k{key}")).await;
                    model.remove(&format!("k{key}"));
                }
                Turn::Clear => {
                    map::clear(&node.test.store.bus, &channel, &options)
                        .await
                        .unwrap();
                    model.clear();
                    ada = ada.returns(&node).await;
                    ada.read(3).await;
                }
                Turn::Return(limit) => {
                    ada = ada.returns(&node).await;
                    ada.read(limit).await;
                    assert_eq!(ada.values, model);
                }
                Turn::Listen => ada.becomes(&model).await,
            }
        }
        ada.becomes(&model).await;
    }
}
