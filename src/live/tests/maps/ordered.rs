//! Maps whose entries have scores.

use super::*;

/// All entries of the pages, as keys with scores, in the order of the pages.
async fn pages(follower: &mut Follower, asc: bool) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    let mut next = json!({"phase": 2, "limit": 2, "asc": asc});
    loop {
        let reply = follower.ask(next).await["subscribe"].clone();
        for entry in reply["state"].as_array().into_iter().flatten() {
            let score = entry["score"].as_i64().unwrap_or_default();
            found.push((entry["key"].as_str().unwrap().to_owned(), score));
        }
        if reply["phase"].is_null() {
            return found;
        }
        next = json!({"phase": 2, "limit": 2, "asc": asc, "cursor": reply["cursor"],
            "offset": reply["offset"], "epoch": reply["epoch"]});
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_map_is_read_by_score_from_either_end_and_tells_scores() {
    let node = node().await;
    for (key, score) in [("a", 3), ("b", -5), ("c", 0), ("d", 3), ("e", i64::MAX)] {
        let always = Change::Put(Condition::Always);
        node.change("ranks:1", always, key, json!({"score": score})).await;
    }
    let mut expected: Vec<_> = [("e", i64::MAX), ("d", 3), ("a", 3), ("c", 0), ("b", -5)]
        .map(|(key, score)| (key.to_owned(), score))
        .into();
    let mut ada = Follower::connect(&node, "ada", "ranks:1", 1).await;
    assert_eq!(pages(&mut ada, false).await, expected);
    let mut bob = Follower::connect(&node, "bob", "ranks:1", 1).await;
    expected.reverse();
    assert_eq!(pages(&mut bob, true).await, expected);
    let always = Change::Put(Condition::Always);
    node.change("ranks:1", always, "c", json!({"score": 9})).await;
    assert_eq!(ada.wire.push().await["pub"]["score"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_moves_while_pages_are_read_is_on_one_of_them_or_comes_behind_them() {
    let node = node().await;
    let put = async |key: &str, score: i64| {
        let always = Change::Put(Condition::Always);
        node.change("ranks:1", always, key, json!({"score": score})).await;
    };
    for (key, score) in [("a", 50), ("b", 40), ("c", 30), ("d", 20), ("e", 10)] {
        put(key, score).await;
    }
    let mut ada = Follower::connect(&node, "ada", "ranks:1", 1).await;
    let first = ada.ask(json!({"phase": 2, "limit": 2})).await["subscribe"].clone();
    ada.take(&first["state"]);
    assert_eq!(ada.keys(), ["a", "b"]);
    // one that was read moves behind, one that was not moves before
    put("a", 5).await;
    put("e", 60).await;
    let mut next = json!({"phase": 2, "limit": 2, "cursor": first["cursor"], "offset": first["offset"], "epoch": first["epoch"]});
    let second = ada.ask(next.clone()).await["subscribe"].clone();
    ada.take(&second["state"]);
    assert_eq!(ada.keys(), ["a", "b", "c", "d"]);
    next["cursor"] = second["cursor"].clone();
    let last = ada.ask(next).await["subscribe"].clone();
    assert_eq!(
        (&last["state"], &last["phase"]),
        (&Value::Null, &Value::Null),
        "a is on the first"
    );
    ada.take(&last["publications"]);
    let scores = [("a", 5), ("b", 40), ("c", 30), ("d", 20), ("e", 60)];
    let expected: Values = scores
        .map(|(key, score)| (key.into(), json!({"score": score})))
        .into();
    assert_eq!(ada.values, expected);
}
