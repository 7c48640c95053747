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

fn kind(value: u16) -> &'static str {
    if value.is_multiple_of(3) { "red" } else { "blue" }
}

/// What somebody has who wants one kind alone, if any.
fn of_kind(model: &Values, wanted: Option<&str>) -> Values {
    let mut those = model.clone();
    those.retain(|_, data| wanted.is_none_or(|wanted| data["kind"] == wanted));
    those
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_published_removed_missed_and_resumed_a_follower_has_the_map() {
    let node = node().await;
    let mut runner = TestRunner::deterministic();
    let mut patches = 0;
    for round in 0..12 {
        // of each kind
        let namespace = ["board", "notes", "ranks"][round % 3];
        let channel = format!("{namespace}:{round}");
        let options = node.settings.live.namespaces().of(&channel).unwrap().clone();
        let turns = prop::collection::vec(turn(), 20..80)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let mut model = Values::new();
        let mut ada = Follower::connect(&node, "ada", &channel, 1).await;
        ada.bases = (namespace != "board").then(BTreeMap::new);
        ada.read(5).await;
        // filters are allowed in one of them
        let wanted = (namespace == "board").then_some("red");
        let mut bob = Follower::connect(&node, "bob", &channel, 1).await;
        bob.wants = wanted;
        bob.read(5).await;
        for turn in turns {
            match turn {
                Turn::Put(key, value) => {
                    let mut data = deltas::long(&value.to_string());
                    data["score"] = json!(value % 7);
                    data["kind"] = json!(kind(value));
                    let always = Change::Put(Condition::Always);
                    let key = format!("k{key}");
                    node.change(&channel, always, &key, data.clone()).await;
                    model.insert(key, data);
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
                    bob = bob.returns(&node).await;
                    bob.read(3).await;
                }
                Turn::Return(limit) => {
                    ada = ada.returns(&node).await;
                    ada.read(limit).await;
                    assert_eq!(ada.values, model);
                    bob = bob.returns(&node).await;
                    bob.read(limit).await;
                    assert_eq!(bob.values, of_kind(&model, wanted));
                }
                Turn::Listen => {
                    ada.becomes(&model).await;
                    bob.becomes(&of_kind(&model, wanted)).await;
                }
            }
        }
        ada.becomes(&model).await;
        bob.becomes(&of_kind(&model, wanted)).await;
        patches += ada.patches;
    }
    assert!(patches > 0);
}
