//! What is published, kept and read again.

use signalbox_core::bus::Signal;
use signalbox_core::live::history::Batch;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_in_the_history_as_it_was_sent() {
    let hub = hub().await;
    let sent = r#"{"n": 1.50, "big": 12345678901234567890123}"#;
    let body = format!(
        r#"{{"channel": "chat:1", "data": {sent}, "tags": {{"a": "b"}}, "delta": true, "newer": 1}}"#
    );
    let request = client()
        .post(format!("{}/api/publish", hub.url))
        .header("X-API-Key", KEY)
        .body(body);
    let first: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(first["result"]["offset"], 1);
    let second = hub
        .result("publish", json!({"channel": "chat:1", "b64data": "/wA="}))
        .await;
    assert_eq!(
        (&second["offset"], &second["epoch"]),
        (&json!(2), &first["result"]["epoch"])
    );
    let text = hub
        .ask_by_key("history", &json!({"channel": "chat:1", "limit": -1}))
        .await
        .text()
        .await
        .unwrap();
    assert!(text.contains(sent), "{text}");
    let history: Value = serde_json::from_str(&text).unwrap();
    let publications = &history["result"]["publications"];
    assert_eq!(
        (&publications[0]["offset"], &publications[0]["tags"]),
        (&json!(1), &json!({"a": "b"}))
    );
    assert_eq!(
        (&publications[1]["b64data"], publications[1].get("data")),
        (&json!("/wA="), None)
    );
    assert_eq!(history["result"]["offset"], 2);
    assert_eq!(
        hub.code("publish", json!({"channel": "chat:1"})).await,
        107,
        "nothing to publish"
    );
    assert_eq!(
        hub.code("publish", json!({"channel": "chat:1", "b64data": "%"}))
            .await,
        107
    );
    assert_eq!(
        hub.code("publish", json!({"channel": "state:1", "data": [1]}))
            .await,
        107,
        "not an object"
    );
    let unkept = hub
        .result("publish", json!({"channel": "state:1", "data": {}}))
        .await;
    assert_eq!(unkept, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_repeated_or_outdated_is_published_once() {
    let hub = hub().await;
    let keyed = json!({"channel": "chat:1", "data": 1, "idempotency_key": "k"});
    let first = hub.result("publish", keyed.clone()).await;
    assert_eq!(hub.result("publish", keyed).await, first);
    let version = async |version: u64, epoch: &str| {
        let body = json!({"channel": "chat:1", "data": 1, "version": version, "version_epoch": epoch});
        hub.result("publish", body).await["offset"].clone()
    };
    assert_eq!(
        [
            version(5, "a").await,
            version(5, "a").await,
            version(4, "a").await
        ],
        [2, 2, 2]
    );
    assert_eq!([version(6, "a").await, version(1, "b").await], [3, 4]);
    let skipped = hub
        .result(
            "publish",
            json!({"channel": "chat:1", "data": 1, "skip_history": true}),
        )
        .await;
    assert_eq!(skipped, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_from_a_place_in_both_directions_and_removed_without_its_place() {
    let hub = hub().await;
    for n in 1..=5 {
        hub.result("publish", json!({"channel": "chat:1", "data": n}))
            .await;
    }
    let read = async |more: Value| {
        let mut body = json!({"channel": "chat:1"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let history = hub.result("history", body).await;
        let data: Vec<_> = history["publications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["data"].as_u64().unwrap())
            .collect();
        (
            data,
            history["offset"].as_u64().unwrap(),
            history["epoch"].as_str().unwrap().to_owned(),
        )
    };
    let (nothing, top, epoch) = read(json!({})).await;
    assert_eq!((nothing, top), (vec![], 5));
    assert_eq!(read(json!({"limit": 2})).await.0, [1, 2]);
    assert_eq!(
        read(json!({"limit": -1, "since": {"offset": 3, "epoch": epoch}}))
            .await
            .0,
        [4, 5]
    );
    assert_eq!(read(json!({"limit": 2, "reverse": true})).await.0, [5, 4]);
    assert_eq!(
        read(json!({"limit": -1, "reverse": true, "since": {"offset": 3}}))
            .await
            .0,
        [2, 1]
    );
    let elsewhere = json!({"channel": "chat:1", "limit": 1, "since": {"offset": 1, "epoch": "x"}});
    assert_eq!(hub.code("history", elsewhere).await, 112);
    assert_eq!(
        hub.result("history_remove", json!({"channel": "chat:1"})).await,
        json!({})
    );
    assert_eq!(read(json!({"limit": -1})).await, (vec![], 5, epoch));
    assert_eq!(hub.code("history", json!({"channel": "state:1"})).await, 108);
    assert_eq!(
        hub.code("history_remove", json!({"channel": "state:1"})).await,
        108
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_tells_of_each_channel_how_it_went() {
    let hub = hub().await;
    let channels = ["chat:1", "feed:users", "chat:2", "", "state:1"];
    let body = json!({"channels": channels, "data": {"a": 1}, "idempotency_key": "k"});
    let responses = hub.result("broadcast", body).await["responses"].clone();
    assert_eq!(
        [
            &responses[0]["result"]["offset"],
            &responses[2]["result"]["offset"]
        ],
        [1, 1]
    );
    assert_eq!(
        [&responses[1]["error"]["code"], &responses[3]["error"]["code"]],
        [102, 107]
    );
    assert_eq!(responses[4], json!({"result": {}}));
    assert_eq!(
        hub.code("broadcast", json!({"channels": [], "data": 1})).await,
        107
    );
    assert_eq!(
        hub.code(
            "broadcast",
            json!({"channels": vec!["chat:1"; 10_001], "data": 1})
        )
        .await,
        107
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_reaches_the_fan_of_its_channel() {
    let hub = hub().await;
    let bus = &hub.test.store.bus;
    let mut heard = bus
        .subscribe(&[bus.keys().fan(APPLICATION, "chat:1")])
        .await
        .unwrap();
    hub.result(
        "publish",
        json!({"channel": "chat:1", "data": {"a": 1}, "tags": {"k": "v"}}),
    )
    .await;
    loop {
        if let Some(Signal::Message { payload, .. }) = heard.next().await {
            let batch = Batch::parse(&payload).unwrap();
            assert_eq!((batch.channel.as_str(), batch.first), ("chat:1", 1));
            return;
        }
    }
}
