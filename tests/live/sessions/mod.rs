//! A whole session of each SDK over each transport it offers, unmodified, with the real program: all of them at once, in
//! channels of their own and in one hall.

mod client;
mod maps;
mod polls;
mod server_api;

use std::process::Command;
use std::time::Duration;

use client::{Client, Form, SECRET, token_by};
use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cable::Cable;
use crate::services::hub::{Folder, Hub, signalbox};

const KEY: &str = "a key of the application's server";

/// Publications in the log before the hub is killed.
const BEFORE: u64 = 5;

/// The most a reply carries of what was missed, and some more.
const MISSED: u64 = 350;

const SETTINGS: &[(&str, &str)] = &[
    ("TOKEN__HMAC_SECRET", SECRET),
    ("API__KEYS", KEY),
    ("EXPIRED_CLOSE_SECONDS", "10"),
    ("TRANSPORTS__HTTP_STREAM", "true"),
    ("TRANSPORTS__SSE", "true"),
    ("NAMESPACES__ROOM__HISTORY_SIZE", "1000"),
    ("NAMESPACES__ROOM__HISTORY_TTL", "300s"),
    ("NAMESPACES__ROOM__FORCE_RECOVERY", "true"),
    ("NAMESPACES__ROOM__PRESENCE", "true"),
    ("NAMESPACES__ROOM__JOIN_LEAVE", "true"),
    ("NAMESPACES__ROOM__FORCE_PUSH_JOIN_LEAVE", "true"),
    ("NAMESPACES__ROOM__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__ROOM__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__ROOM__ALLOW_PRESENCE_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__ROOM__ALLOW_HISTORY_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__DESK__HISTORY_SIZE", "1000"),
    ("NAMESPACES__DESK__HISTORY_TTL", "300s"),
    ("NAMESPACES__DESK__FORCE_RECOVERY", "true"),
    ("NAMESPACES__SHUT__HISTORY_SIZE", "0"),
    ("NAMESPACES__TEXT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__TEXT__HISTORY_SIZE", "100"),
    ("NAMESPACES__TEXT__HISTORY_TTL", "300s"),
    ("NAMESPACES__TEXT__FORCE_RECOVERY", "true"),
    ("NAMESPACES__TEXT__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__TEXT__DELTA_PUBLISH", "true"),
    ("NAMESPACES__TAGGED__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__TAGGED__ALLOW_TAGS_FILTER", "true"),
    ("NAMESPACES__BOARD__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__BOARD__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__BOARD__MAP_CLIENTS_PRESENCE_CHANNEL_PREFIX", "there:"),
    ("NAMESPACES__BOARD__MAP__MODE", "persistent"),
    ("NAMESPACES__BOARD__MAP__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__BOARD__MAP__ALLOW_REMOVE_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__RANKS__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__RANKS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__RANKS__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__RANKS__DELTA_PUBLISH", "true"),
    ("NAMESPACES__RANKS__MAP__MODE", "persistent"),
    ("NAMESPACES__RANKS__MAP__ORDERED", "true"),
    ("NAMESPACES__THERE__SUBSCRIPTION_TYPE", "map_clients"),
    ("NAMESPACES__THERE__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__THERE__MAP__MODE", "ephemeral"),
];

/// The hub, the way to it, and the application's server.
struct Place {
    hub: Hub,
    cable: Cable,
    folder: Folder,
}

impl Place {
    async fn open() -> Self {
        let folder = Folder::new();
        let mut hub = Hub::launch(program(), folder.path());
        hub.wait_until_ready();
        let cable = Cable::to(&hub.address).await;
        Self { hub, cable, folder }
    }

    /// What the application's server asks of the hub.
    async fn api(&self, method: &str, body: Value) -> Value {
        let url = format!("http://{}/api/{method}", self.hub.address);
        let request = crate::harness::client().post(url).header("x-api-key", KEY);
        let answer = request.json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["error"].is_null(), "{method} {body}: {answer}");
        answer["result"].clone()
    }

    async fn publish(&self, channel: &str, data: Value) {
        self.api("publish", json!({"channel": channel, "data": data}))
            .await;
    }

    /// Kills the hub and starts it again, elsewhere. Until the cable is laid nobody finds it.
    fn kill_and_restart(&mut self) {
        self.cable.cut();
        self.hub.signal(Signal::SIGKILL);
        self.hub.ended();
        self.hub = Hub::launch(program(), self.folder.path());
        self.hub.wait_until_ready();
    }
}

fn program() -> Command {
    let mut command = signalbox();
    command.envs(
        SETTINGS
            .iter()
            .map(|(name, value)| (format!("SIGNALBOX__LIVE__{name}"), *value)),
    );
    command
}

/// Does the same with every client, all at once.
async fn all(clients: &mut [Client], place: &Place, act: impl AsyncFn(&mut Client, &Place)) {
    join_all(clients.iter_mut().map(|client| act(client, place))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sdk_holds_a_whole_session_over_every_transport_it_offers() {
    let mut place = Place::open().await;
    let mut strangers = Form::ALL.map(|form| start(form, &place, "another secret", 60));
    all(&mut strangers, &place, stays_out).await;
    drop(strangers);

    let mut clients = Form::ALL.map(|form| start(form, &place, SECRET, -60));
    all(&mut clients, &place, signs_in).await;
    all(&mut clients, &place, comes_into_the_hall).await;
    all(&mut clients, &place, greets_everybody).await;
    all(&mut clients, &place, is_let_into_its_own_room).await;
    all(&mut clients, &place, follows_what_the_server_says).await;
    all(&mut clients, &place, decodes_patches).await;
    all(&mut clients, &place, is_given_what_it_filters_for).await;

    for n in 1..=BEFORE {
        place.publish("room:log", json!(n)).await;
    }
    all(&mut clients, &place, has_read_the_log).await;
    place.kill_and_restart();
    publish_what_is_missed(&place).await;
    place.cable.lay(&place.hub.address);
    all(&mut clients, &place, recovers).await;

    for at in 0..clients.len() {
        let (leaving, staying) = clients[at..].split_first_mut().unwrap();
        leaves_the_hall(leaving, staying, &place).await;
    }
    all(&mut clients, &place, is_sent_away).await;
}

fn start(form: Form, place: &Place, secret: &str, lasts: i64) -> Client {
    let token = token_by(secret, json!({"sub": form.name}), lasts);
    Client::start(form, &place.cable.address, &token)
}

async fn stays_out(client: &mut Client, _: &Place) {
    let told = client.told(json!({"event": "disconnected"})).await;
    assert_eq!(told["code"], 3500, "{}: {told}", client.form.name);
}

/// The first token has run out, and the second soon does: where the machine is too slow, on the way.
async fn signs_in(client: &mut Client, _: &Place) {
    client.told(json!({"event": "error", "code": 109})).await;
    client.told(json!({"event": "connected"})).await;
    let desk = client.own("desk");
    let standing = json!({"event": "subscribed", "server": true, "channel": desk, "recoverable": true});
    client.told(standing).await;
    client.forget(&json!({"event": "error", "code": 109}));
}

async fn comes_into_the_hall(client: &mut Client, _: &Place) {
    let standing = client.subscribe("room:hall", json!({})).await;
    assert_eq!(
        (&standing["recoverable"], &standing["positioned"]),
        (&json!(true), &json!(true)),
        "{standing}"
    );
    client.subscribe("room:log", json!({})).await;
    for form in Form::ALL {
        // who came before it came unseen
        let came = json!({"event": "join", "channel": "room:hall", "info": {"user": form.name}});
        if form == client.form {
            let told = client.told(came).await;
            assert_eq!(told["info"]["conn_info"], json!({"called": form.name}), "{told}");
        }
    }
}

async fn greets_everybody(client: &mut Client, place: &Place) {
    let (name, everybody) = (client.form.name, Form::ALL.len());
    let there = client.ask("presence", "room:hall", json!({})).await["result"].clone();
    let mut users: Vec<_> = there
        .as_object()
        .unwrap()
        .values()
        .map(|info| info["user"].clone())
        .collect();
    users.sort_by_key(ToString::to_string);
    let mut names = Form::ALL.map(|form| json!(form.name));
    names.sort_by_key(ToString::to_string);
    assert_eq!(users, names, "{name}");
    let stats = client.ask("presence_stats", "room:hall", json!({})).await;
    assert_eq!(
        stats["result"],
        json!({"clients": everybody, "users": everybody}),
        "{name}"
    );

    let greeting = json!({"data": {"from": name, "text": "здравствуйте\n👋"}});
    let answer = client.ask("publish", "room:hall", greeting).await;
    assert_eq!(answer["result"], json!({}), "{name}: {answer}");
    let mut heard = vec![];
    for offset in 1..=everybody {
        let said = client
            .told(json!({"event": "publication", "channel": "room:hall"}))
            .await;
        assert_eq!(said["offset"], offset, "{name}: {said}");
        assert_eq!(said["info"]["user"], said["data"]["from"], "{name}: {said}");
        assert_eq!(said["data"]["text"], "здравствуйте\n👋", "{name}: {said}");
        heard.push(said["data"].clone());
    }
    let whole = client.ask("history", "room:hall", json!({"limit": 100})).await["result"].clone();
    assert_eq!(whole["offset"], everybody, "{name}: {whole}");
    assert_eq!(payloads(&whole), heard, "{name}: {whole}");
    let since = json!({"offset": 2, "epoch": whole["epoch"]});
    let part = client
        .ask("history", "room:hall", json!({"limit": 2, "since": since}))
        .await["result"]
        .clone();
    assert_eq!(payloads(&part), heard[2..4], "{name}: {part}");
    let last = client
        .ask("history", "room:hall", json!({"limit": 1, "reverse": true}))
        .await["result"]
        .clone();
    assert_eq!(payloads(&last), heard[everybody - 1..], "{name}: {last}");

    let refused = client
        .ask("publish", &client.own("desk"), json!({"data": 1}))
        .await;
    assert_eq!(refused["error"], 103, "{name}: {refused}");
    let absent = client.ask("presence", &client.own("text"), json!({})).await;
    assert_eq!(absent["error"], 108, "{name}: {absent}");
    let seen = place.api("presence", json!({"channel": "room:hall"})).await;
    assert_eq!(
        seen["presence"].as_object().unwrap().len(),
        everybody,
        "{name}: {seen}"
    );
}

fn payloads(history: &Value) -> Vec<Value> {
    let publications = history["publications"].as_array().unwrap();
    publications
        .iter()
        .map(|publication| publication["data"].clone())
        .collect()
}

/// A channel that nobody gets into without a token, which runs out and is renewed.
async fn is_let_into_its_own_room(client: &mut Client, place: &Place) {
    for (channel, code) in [("$room:closed", 103), ("nowhere:1", 102)] {
        client.order(json!({"subscribe": channel})).await;
        client
            .told(json!({"event": "unsubscribed", "channel": channel, "code": code}))
            .await;
    }
    let room = client.own("$room");
    client.subscribe(&room, json!({"token": true})).await;
    client.asked_for_tokens(&room, 2).await;
    if client.form.forgets_the_channel() {
        client
            .told(json!({"event": "subscription_error", "channel": room, "code": 107}))
            .await;
        // the subscription ends with its first token, and the client comes back with the second
        let back = client.told(json!({"event": "subscribed", "channel": room})).await;
        assert_eq!(back["recovered"], true, "{back}");
    }
    // and the connection's own
    client.asked_for_tokens("", 2).await;
    place.publish(&room, json!("inside")).await;
    assert_eq!(client.publications(&room, 1).await, ["inside"]);
    client.order(json!({"unsubscribe": room})).await;
    client
        .told(json!({"event": "unsubscribed", "channel": room, "code": 0}))
        .await;
    place.publish(&room, json!("outside")).await;
    // what is answered comes behind what was said before it
    client.ask("presence_stats", "room:hall", json!({})).await;
    let left = client.left(&json!({"event": "publication", "channel": room}));
    assert!(left.is_empty(), "{left:?}");
}

/// Subscriptions that come with the token, and that the server makes and ends.
async fn follows_what_the_server_says(client: &mut Client, place: &Place) {
    let (desk, room, user) = (client.own("desk"), client.own("room"), client.form.name);
    place.publish(&desk, json!({"for": "the desk"})).await;
    let said = client
        .told(json!({"event": "publication", "server": true, "channel": desk}))
        .await;
    assert_eq!(said["data"], json!({"for": "the desk"}), "{said}");

    let aside = client.own("desk:aside");
    place
        .api("unsubscribe", json!({"user": user, "channel": aside}))
        .await;
    client
        .told(json!({"event": "unsubscribed", "server": true, "channel": aside}))
        .await;
    if client.form.skips_subscribe_pushes() {
        return;
    }
    let made = json!({"user": user, "channel": room, "data": {"hello": "there"}});
    place.api("subscribe", made).await;
    let standing = client
        .told(json!({"event": "subscribed", "server": true, "channel": room}))
        .await;
    assert_eq!(standing["data"], json!({"hello": "there"}), "{user}: {standing}");
    place.publish(&room, json!(1)).await;
    assert_eq!(client.publications(&room, 1).await, [1]);
    place
        .api("unsubscribe", json!({"user": user, "channel": room}))
        .await;
    client
        .told(json!({"event": "unsubscribed", "server": true, "channel": room}))
        .await;
}

/// Patches of text in which hardly a character is one byte.
async fn decodes_patches(client: &mut Client, place: &Place) {
    let text = client.own("text");
    client.subscribe(&text, json!({"delta": "fossil"})).await;
    let versions: Vec<_> = (0..8).map(page).collect();
    for version in &versions {
        place.publish(&text, version.clone()).await;
    }
    assert_eq!(
        client.publications(&text, versions.len()).await,
        versions,
        "{}",
        client.form.name
    );
    let deltas = client.ask("deltas", &text, json!({})).await;
    assert_eq!(
        deltas["result"],
        versions.len() - 1,
        "{}: {deltas}",
        client.form.name
    );
}

/// A page as somebody edits it: the `n`th version.
fn page(n: usize) -> Value {
    let lines: Vec<_> = (0..12)
        .map(|line| {
            let edited = if line % 4 == n % 4 {
                "правка"
            } else {
                "строка"
            };
            format!(
                "{edited} {line}: съешь же ещё этих мягких французских булок 🥐🥖 — выпей чаю {}",
                n * line % 7
            )
        })
        .collect();
    json!({"title": format!("Страница, версия {n} ✍️"), "lines": lines})
}

async fn is_given_what_it_filters_for(client: &mut Client, place: &Place) {
    let (channel, name) = (client.own("tagged"), client.form.name);
    let filter = json!({"op": "and", "nodes": [
        {"key": "kind", "cmp": "in", "vals": ["goal", "card"]},
        {"op": "not", "nodes": [{"key": "minute", "cmp": "gt", "val": "45"}]},
    ]});
    client.subscribe(&channel, json!({"filter": filter})).await;
    for (n, (kind, minute)) in [("goal", "3"), ("corner", "4"), ("goal", "89"), ("card", "45")]
        .into_iter()
        .enumerate()
    {
        let tags = json!({"kind": kind, "minute": minute});
        place
            .api("publish", json!({"channel": channel, "data": n, "tags": tags}))
            .await;
    }
    assert_eq!(client.publications(&channel, 2).await, [0, 3], "{name}");
    let left = client.left(&json!({"event": "publication", "channel": channel}));
    assert!(left.is_empty(), "{name}: {left:?}");

    // a subscription of its own ends too where the server says so
    place
        .api("unsubscribe", json!({"user": name, "channel": channel}))
        .await;
    client
        .told(json!({"event": "unsubscribed", "channel": channel, "code": 2000}))
        .await;
}

async fn has_read_the_log(client: &mut Client, _: &Place) {
    let read = client.publications("room:log", BEFORE as usize).await;
    assert_eq!(read, (1..=BEFORE).collect::<Vec<_>>(), "{}", client.form.name);
}

async fn publish_what_is_missed(place: &Place) {
    let missed =
        (BEFORE + 1..=BEFORE + MISSED).map(|n| json!({"publish": {"channel": "room:log", "data": n}}));
    place
        .api("batch", json!({"commands": missed.collect::<Vec<_>>()}))
        .await;
    for (namespace, data) in [("desk", json!("meanwhile")), ("text", page(8))] {
        let channels = Form::ALL.map(|form| format!("{namespace}:{}", form.name));
        place
            .api("broadcast", json!({"channels": channels, "data": data}))
            .await;
    }
}

async fn recovers(client: &mut Client, place: &Place) {
    let (name, desk, text) = (client.form.name, client.own("desk"), client.own("text"));
    let connected = client.told(json!({"event": "connected"})).await;
    client.id = connected["client"].as_str().unwrap().to_owned();
    for channel in ["room:log", "room:hall", &desk, &text] {
        let back = client
            .told(json!({"event": "subscribed", "channel": channel}))
            .await;
        assert_eq!(
            (&back["wasRecovering"], &back["recovered"]),
            (&json!(true), &json!(true)),
            "{name}: {back}"
        );
    }
    let read = client.publications("room:log", MISSED as usize).await;
    assert_eq!(read, (BEFORE + 1..=BEFORE + MISSED).collect::<Vec<_>>(), "{name}");
    assert_eq!(client.publications(&desk, 1).await, ["meanwhile"], "{name}");
    place.publish(&text, page(9)).await;
    assert_eq!(client.publications(&text, 2).await, [page(8), page(9)], "{name}");
    // nothing came twice
    client.ask("presence_stats", "room:hall", json!({})).await;
    let left = client.left(&json!({"event": "publication"}));
    assert!(left.is_empty(), "{name}: {left:?}");
}

async fn leaves_the_hall(leaving: &mut Client, staying: &mut [Client], place: &Place) {
    leaving.order(json!({"unsubscribe": "room:hall"})).await;
    leaving
        .told(json!({"event": "unsubscribed", "channel": "room:hall", "code": 0}))
        .await;
    // a machine that is too slow may have cost the client a connection since
    while let Some(again) = leaving.take(&json!({"event": "connected"})) {
        again["client"].as_str().unwrap().clone_into(&mut leaving.id);
    }
    let left = json!({"event": "leave", "channel": "room:hall", "info": {"client": leaving.id}});
    all(staying, place, async |client, _| {
        client.told(left.clone()).await;
    })
    .await;
}

async fn is_sent_away(client: &mut Client, place: &Place) {
    let user = client.form.name;
    // a machine that is too slow may have cost the client a connection since
    client.forget(&json!({"event": "connected"}));
    client.forget(&json!({"event": "subscribed"}));
    let soon = json!({"code": 4001, "reason": "come back"});
    place
        .api("disconnect", json!({"user": user, "disconnect": soon}))
        .await;
    client.told(json!({"event": "connected"})).await;
    client
        .told(json!({"event": "subscribed", "channel": "room:log", "recovered": true}))
        .await;
    // an order reaches who is there when it comes, and on a slow machine the client may be on its way back once more
    let mut gone = None;
    for _ in 0..20 {
        place.api("disconnect", json!({"user": user})).await;
        let told = json!({"event": "disconnected"});
        gone = client.told_within(Duration::from_secs(2), &told).await;
        if gone.is_some() {
            break;
        }
    }
    let gone = gone.expect("the client stays");
    assert_eq!(
        (&gone["code"], &gone["reason"]),
        (&json!(3503), &json!("force disconnect")),
        "{user}"
    );
    let surprises = client.left(&json!({"event": "error"}));
    assert!(surprises.is_empty(), "{user}: {surprises:?}");
}
