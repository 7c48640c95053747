//! Maps read in pages, followed, missed and resumed.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_map_is_read_in_pages_and_then_followed_and_others_hear_what_a_subscriber_publishes() {
    let node = node().await;
    node.fill("board:1", 12).await;
    let mut ada = Follower::live(&node, "ada", "board:1", 1).await;
    assert_eq!(ada.pages, [2, 2, 0]);
    assert_eq!((ada.values.len(), ada.place.as_ref().unwrap().0), (12, 12));
    assert!(ada.recoverable);
    let mut bob = Follower::live(&node, "bob", "board:1", 1).await;
    let publish = json!({"id": 90, "publish": {"channel": "board:1", "type": 1, "key": "k000", "data": 99}});
    assert_eq!(bob.wire.ask(publish).await["publish"], json!({}));
    node.remove("board:1", "k011").await;
    let mut expected = ada.values.clone();
    expected.insert("k000".into(), json!(99));
    expected.remove("k011");
    ada.becomes(&expected).await;
    bob.becomes(&expected).await;
    // removing is another right
    let removal =
        json!({"id": 91, "publish": {"channel": "board:1", "type": 1, "key": "k000", "removed": true}});
    assert_eq!(bob.wire.ask(removal).await["error"]["code"], 103);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_pages_are_read_comes_with_the_last_of_them_or_behind_them() {
    let node = node().await;
    node.fill("board:1", 10).await;
    let mut ada = Follower::connect(&node, "ada", "board:1", 1).await;
    let first = ada.ask(json!({"phase": 2, "limit": 4})).await["subscribe"].clone();
    assert_eq!(
        (&first["phase"], &first["cursor"], &first["type"]),
        (&json!(2), &json!("k003"), &json!(1))
    );
    for n in 0..3 {
        node.put("board:1", "k001", 100 + n).await;
    }
    node.remove("board:1", "k002").await;
    for n in 0..3 {
        node.put("board:1", "k009", 200 + n).await;
    }
    ada.take(&first["state"]);
    let (offset, epoch) = (&first["offset"], &first["epoch"]);
    let next = json!({"phase": 2, "limit": 4, "cursor": "k003", "offset": offset, "epoch": epoch});
    let second = ada.ask(next).await["subscribe"].clone();
    assert_eq!(&second["offset"], offset, "where the first page stood");
    ada.take(&second["state"]);
    let cursor = &second["cursor"];
    let next = json!({"phase": 2, "limit": 4, "cursor": cursor, "offset": offset, "epoch": epoch});
    let third = ada.ask(next).await["subscribe"].clone();
    assert_eq!(
        (&third["phase"], &third["cursor"], &third["offset"]),
        (&json!(2), &json!(null), offset)
    );
    ada.take(&third["state"]);
    let stream = json!({"phase": 1, "limit": 4, "offset": offset, "epoch": epoch});
    let fourth = ada.ask(stream).await["subscribe"].clone();
    assert_eq!((&fourth["phase"], &fourth["offset"]), (&json!(1), &json!(14)));
    ada.take(&fourth["publications"]);
    let stream = json!({"phase": 1, "limit": 4, "offset": 14, "epoch": epoch});
    let live = ada.ask(stream).await["subscribe"].clone();
    assert_eq!(
        (&live["phase"], &live["recoverable"], &live["offset"]),
        (&json!(null), &json!(true), &json!(17))
    );
    ada.take(&live["publications"]);
    let mut expected: Values = (0..10).map(|n| (format!("k{n:03}"), json!(n))).collect();
    expected.insert("k001".into(), json!(102));
    expected.insert("k009".into(), json!(202));
    expected.remove("k002");
    assert_eq!(ada.values, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_is_given_what_changed_or_reads_again() {
    let node = node().await;
    node.fill("board:1", 3).await;
    let mut ada = Follower::live(&node, "ada", "board:1", 1).await;
    for n in 0..20 {
        node.put("board:1", "k001", 100 + n).await;
    }
    ada = ada.returns(&node).await;
    ada.pages.clear();
    ada.read(8).await;
    assert_eq!(ada.pages, [1, 1, 0], "pages of what changed");
    assert_eq!(ada.values, values(&[("k000", 0), ("k001", 119), ("k002", 2)]));
    // 112: more than is kept
    for n in 0..301 {
        node.put("board:1", "k002", n).await;
    }
    ada = ada.returns(&node).await;
    let (offset, epoch) = ada.place.clone().unwrap();
    let resume = json!({"phase": 1, "recover": true, "offset": offset, "epoch": epoch});
    assert_eq!(ada.ask(resume).await["error"]["code"], 112);
    ada.read(100).await;
    assert_eq!(ada.values["k002"], 300);
    // 112: of another epoch, also for whoever is in the middle of it
    let wrong = json!({"phase": 1, "recover": true, "offset": 1, "epoch": "other"});
    ada = ada.returns(&node).await;
    assert_eq!(ada.ask(wrong).await["error"]["code"], 112);
    let first = ada.ask(json!({"phase": 2, "limit": 1})).await["subscribe"].clone();
    let options = node.settings.live.namespaces().of("board:1").unwrap().clone();
    map::clear(&node.test.store.bus, "board:1", &options)
        .await
        .unwrap();
    node.fill("board:1", 3).await;
    let next = json!({"phase": 2, "limit": 1, "cursor": first["cursor"], "epoch": first["epoch"], "offset": first["offset"]});
    assert_eq!(ada.ask(next).await["error"]["code"], 112);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_is_cleared_is_read_again_by_whoever_follows_it() {
    let node = node().await;
    node.fill("board:1", 3).await;
    let mut ada = Follower::live(&node, "ada", "board:1", 1).await;
    let options = node.settings.live.namespaces().of("board:1").unwrap().clone();
    map::clear(&node.test.store.bus, "board:1", &options)
        .await
        .unwrap();
    let push = ada.wire.push().await;
    assert_eq!(push["unsubscribe"]["code"], 2500, "{push}");
    ada.read(5).await;
    assert_eq!(ada.values, Values::new());
}
