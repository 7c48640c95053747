//! Keys that are polled for the npm client over each of its transports, from a server of the application.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::polled::{Backend, signature};
use super::{Cable, Client, Folder, Form, Hub, Place, SECRET, all, program, start};

const CHANNEL: &str = "poll:1";
/// Where values have versions, and come before they are asked for.
const QUOTES: &str = "quote:1";
const KEYS: [&str; 2] = ["a", "b"];

#[actix_web::test]
async fn the_npm_client_is_given_what_is_polled_over_every_transport() {
    let (backend, url) = Backend::start();
    backend.set("a", json!({"n": 1}));
    backend.set("b", json!("first"));
    let folder = Folder::new();
    let mut command = program();
    for (name, value) in [
        ("SHARED_POLL__HMAC_SECRET_KEY", SECRET),
        ("NAMESPACES__POLL__SUBSCRIPTION_TYPE", "shared_poll"),
        ("NAMESPACES__POLL__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
        ("NAMESPACES__POLL__SHARED_POLL__ENDPOINT", &url),
        ("NAMESPACES__POLL__SHARED_POLL__REFRESH_INTERVAL", "1s"),
        ("NAMESPACES__QUOTE__SUBSCRIPTION_TYPE", "shared_poll"),
        ("NAMESPACES__QUOTE__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
        ("NAMESPACES__QUOTE__ALLOWED_DELTA_TYPES", "fossil"),
        ("NAMESPACES__QUOTE__SHARED_POLL__ENDPOINT", &url),
        ("NAMESPACES__QUOTE__SHARED_POLL__MODE", "versioned"),
        ("NAMESPACES__QUOTE__SHARED_POLL__PUBLISH_ENABLED", "true"),
    ] {
        command.env(format!("SIGNALBOX__LIVE__{name}"), value);
    }
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let cable = Cable::to(&hub.address).await;
    let place = Place { hub, cable, folder };
    let npm = Form::ALL.into_iter().filter(|form| form.knows_maps());
    let mut clients: Vec<_> = npm.map(|form| start(form, &place, SECRET, 600)).collect();
    all(&mut clients, &place, tracks_both).await;
    backend.set("b", json!("second"));
    all(&mut clients, &place, hears_of_the_second).await;
    all(&mut clients, &place, tracks_quotes).await;
    for version in 2..5 {
        let quote = json!({"channel": QUOTES, "key": "a", "data": quoted(version), "version": version});
        place.api("shared_poll_publish", quote).await;
    }
    all(&mut clients, &place, hears_quotes).await;
    place.cable.cut();
    backend.set("a", json!({"n": 2}));
    place.cable.lay(&place.hub.address);
    all(&mut clients, &place, is_told_what_it_missed).await;
    let once = |question: &Value| question["items"].as_array().unwrap().len() <= KEYS.len();
    assert!(backend.asked().iter().all(once), "for all clients together");
}

async fn tracks_both(client: &mut Client, _: &Place) {
    client.told(json!({"event": "connected"})).await;
    client.subscribe(CHANNEL, json!({"map": "poll"})).await;
    track(client, CHANNEL).await;
    for (key, data) in [("a", json!({"n": 1})), ("b", json!("first"))] {
        client
            .told(json!({"event": "update", "channel": CHANNEL, "key": key, "data": data}))
            .await;
    }
}

async fn track(client: &mut Client, channel: &str) {
    let items: Vec<_> = KEYS.iter().map(|key| json!({"key": key, "version": 0})).collect();
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let signature = signature(SECRET, client.form.name, channel, &KEYS, end);
    client
        .order(json!({"track": channel, "items": items, "signature": signature}))
        .await;
}

async fn tracks_quotes(client: &mut Client, _: &Place) {
    client
        .subscribe(QUOTES, json!({"map": "poll", "delta": "fossil"}))
        .await;
    track(client, QUOTES).await;
    client
        .told(json!({"event": "update", "channel": QUOTES, "key": "a", "data": {"n": 1}}))
        .await;
}

fn quoted(version: u64) -> Value {
    json!({"version": version, "text": "Привет, мир 😀 ".repeat(10)})
}

async fn hears_quotes(client: &mut Client, _: &Place) {
    for version in 2..5 {
        let update = json!({"event": "update", "channel": QUOTES, "key": "a", "data": quoted(version)});
        client.told(update).await;
    }
    let patches = client.ask("deltas", QUOTES, json!({})).await;
    // whoever was answered what others were pushed is pushed the next in full
    let patches = patches["result"].as_u64().unwrap();
    assert!((2..4).contains(&patches), "{}: {patches}", client.form.name);
}

async fn hears_of_the_second(client: &mut Client, _: &Place) {
    client
        .told(json!({"event": "update", "channel": CHANNEL, "key": "b", "data": "second"}))
        .await;
    let of_a = client.left(&json!({"event": "update", "channel": CHANNEL, "key": "a"}));
    assert!(of_a.is_empty(), "{}: {of_a:?}", client.form.name);
}

/// It says again by itself what it tracks, and what it has of it.
async fn is_told_what_it_missed(client: &mut Client, _: &Place) {
    client
        .told(json!({"event": "update", "channel": CHANNEL, "key": "a", "data": {"n": 2}}))
        .await;
    let of_b = client.left(&json!({"event": "update", "channel": CHANNEL, "key": "b"}));
    assert!(of_b.is_empty(), "{}: {of_b:?}", client.form.name);
}
