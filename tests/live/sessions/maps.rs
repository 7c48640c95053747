//! Maps, as the npm client reads and follows them over each of its transports: the Python client knows none.

use serde_json::{Value, json};

use super::{Client, Form, Place, SECRET, all, start};

/// Entries before anybody comes: more than a page.
const ENTRIES: u64 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_client_reads_follows_and_resumes_a_map_over_every_transport() {
    let mut place = Place::open().await;
    for n in 0..ENTRIES {
        place.put(&format!("k{n:02}"), json!(n)).await;
        place.rank(&format!("k{n:02}"), n * 7 % ENTRIES).await;
    }
    let npm = Form::ALL.into_iter().filter(|form| form.knows_maps());
    let mut clients: Vec<_> = npm.map(|form| start(form, &place, SECRET, 600)).collect();
    all(&mut clients, &place, has_read_the_board).await;
    all(&mut clients, &place, has_read_the_ranks).await;
    all(&mut clients, &place, sees_who_is_there).await;
    for score in 100..103 {
        place.rank("k05", score).await;
    }
    all(&mut clients, &place, hears_who_rises).await;
    place.put("k00", json!("anew")).await;
    place.remove("k01").await;
    all(&mut clients, &place, hears_what_changes).await;
    all(&mut clients, &place, writes_and_takes_away).await;
    place.kill_and_restart();
    for n in 0..30 {
        place.put("k02", json!(n)).await;
        place.rank("k05", n).await;
    }
    place.cable.lay(&place.hub.address);
    all(&mut clients, &place, resumes).await;
    place.api("map_clear", json!({"channel": "board:1"})).await;
    place.put("after", json!(1)).await;
    all(&mut clients, &place, reads_again).await;
}

impl Place {
    async fn put(&self, key: &str, data: Value) {
        let body = json!({"channel": "board:1", "key": key, "data": data});
        self.api("map_publish", body).await;
    }

    /// What stands there is long enough that a patch of it is shorter.
    async fn rank(&self, key: &str, score: u64) {
        let body = json!({"channel": "ranks:1", "key": key, "data": ranked(score), "score": score});
        self.api("map_publish", body).await;
    }

    async fn remove(&self, key: &str) {
        self.api("map_remove", json!({"channel": "board:1", "key": key}))
            .await;
    }
}

fn ranked(score: u64) -> Value {
    json!({"score": score, "text": "Привет, мир 😀 ".repeat(10)})
}

/// The highest score first, over several pages.
async fn has_read_the_ranks(client: &mut Client, _: &Place) {
    client
        .subscribe(
            "ranks:1",
            json!({"map": "map", "pageSize": 10, "delta": "fossil"}),
        )
        .await;
    let sync = client.told(json!({"event": "sync", "channel": "ranks:1"})).await;
    let entries = sync["entries"].as_array().unwrap();
    let read: Vec<_> = entries.iter().map(|entry| entry["data"].clone()).collect();
    let expected: Vec<_> = (0..ENTRIES).rev().map(ranked).collect();
    assert_eq!(read, expected, "{}", client.form.name);
}

async fn hears_who_rises(client: &mut Client, _: &Place) {
    for score in 100..103 {
        let update = json!({"event": "update", "channel": "ranks:1", "key": "k05", "data": ranked(score)});
        client.told(update).await;
    }
    let patches = client.ask("deltas", "ranks:1", json!({})).await;
    assert_eq!(patches["result"], 2, "{}: the first is whole", client.form.name);
}

async fn has_read_the_board(client: &mut Client, _: &Place) {
    client.told(json!({"event": "connected"})).await;
    let standing = client
        .subscribe("board:1", json!({"map": "map", "pageSize": 10}))
        .await;
    assert_eq!(standing["recoverable"], true, "{standing}");
    let sync = client.told(json!({"event": "sync", "channel": "board:1"})).await;
    let entries = sync["entries"].as_array().unwrap();
    let expected: Vec<_> = (0..ENTRIES)
        .map(|n| (json!(format!("k{n:02}")), json!(n)))
        .collect();
    let read: Vec<_> = entries
        .iter()
        .map(|entry| (entry["key"].clone(), entry["data"].clone()))
        .collect();
    assert_eq!(read, expected, "{}", client.form.name);
}

async fn sees_who_is_there(client: &mut Client, _: &Place) {
    client.subscribe("there:board:1", json!({"map": "clients"})).await;
    let sync = client
        .told(json!({"event": "sync", "channel": "there:board:1"}))
        .await;
    let here = sync["entries"].as_array().unwrap();
    let users: Vec<_> = here
        .iter()
        .filter_map(|entry| entry["info"]["user"].as_str())
        .collect();
    assert!(users.contains(&client.form.name), "{users:?}");
}

async fn hears_what_changes(client: &mut Client, _: &Place) {
    client
        .told(json!({"event": "update", "channel": "board:1", "key": "k00", "data": "anew"}))
        .await;
    client
        .told(json!({"event": "update", "channel": "board:1", "key": "k01", "removed": true}))
        .await;
}

async fn writes_and_takes_away(client: &mut Client, _: &Place) {
    let own = client.form.name;
    let published = client
        .ask("map_publish", "board:1", json!({"key": own, "data": {"of": own}}))
        .await;
    assert_eq!(published["result"], json!({}), "{own}");
    let update = json!({"event": "update", "channel": "board:1", "key": own, "data": {"of": own}});
    assert_eq!(client.told(update).await["info"]["user"], own);
    let removed = client.ask("map_remove", "board:1", json!({"key": own})).await;
    assert_eq!(removed["result"], json!({}), "{own}");
    client
        .told(json!({"event": "update", "channel": "board:1", "key": own, "removed": true}))
        .await;
}

/// Everything that was missed is told, in order, and nothing is read again.
async fn resumes(client: &mut Client, _: &Place) {
    for n in 0..30 {
        client
            .told(json!({"event": "update", "channel": "board:1", "key": "k02", "data": n}))
            .await;
    }
    for score in 0..30 {
        let update = json!({"event": "update", "channel": "ranks:1", "key": "k05", "data": ranked(score)});
        client.told(update).await;
    }
    let patches = client.ask("deltas", "ranks:1", json!({})).await;
    // pages are whole, and so is the first of each key in the answer with which it is live again
    assert_eq!(patches["result"], 2 + 9, "{}", client.form.name);
    for channel in ["board:1", "ranks:1"] {
        let read = client.left(&json!({"event": "sync", "channel": channel}));
        assert!(read.is_empty(), "{}: {read:?}", client.form.name);
    }
}

async fn reads_again(client: &mut Client, _: &Place) {
    let after = json!([{"key": "after", "data": 1}]);
    let sync = json!({"event": "sync", "channel": "board:1"});
    let told = client.told(sync).await;
    // whoever was quick has read the map before the entry came
    if told["entries"] != after {
        assert_eq!(told["entries"], json!([]), "{told}");
        let update = json!({"event": "update", "channel": "board:1", "key": "after"});
        client.told(update).await;
    }
}
