//! Live channels: every feed over every transport, asked for by everybody.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, Stream, StreamExt};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use signalbox_core::live::channel::FEEDS;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::rest::{Nobodies, predefined};
use super::values::Ids;
use super::wire::escaped;
use super::world::{World, none};

/// Every way to open a live connection.
pub const TRANSPORTS: &[&str] = &[
    "/connection/websocket",
    "/connection/http_stream",
    "/connection/sse",
    "/connection/uni_sse",
    "/connection/uni_http_stream",
    "/connection/uni_websocket",
    "/api/v1/stream",
];

/// Ways that open nothing: commands for a stream that is open, and a word for load balancers.
const BESIDE: &[&str] = &["/emulation", "/connection/init"];

const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a wish to follow a channel: the code of its refusal, 0 where it is followed.
pub async fn follow(world: &World, transport: &str, token: &str, channel: &str) -> u64 {
    let outcome = async {
        match transport {
            "/connection/websocket" | "/connection/uni_websocket" => {
                by_socket(world, transport, token, channel).await
            }
            "/api/v1/stream" => {
                // it begins only for whoever may follow
                let answer = request(world, transport, token, channel).send().await.unwrap();
                let status = u64::from(answer.status().as_u16());
                if status == 200 { 0 } else { status }
            }
            _ => by_stream(request(world, transport, token, channel), channel).await,
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, outcome).await;
    outcome.unwrap_or_else(|_| panic!("{transport} {channel}: neither let in nor refused"))
}

/// The commands of a client that talks.
fn commands(token: &str, channel: &str) -> [String; 2] {
    let connect = if token.is_empty() {
        json!({})
    } else {
        json!({"token": token})
    };
    [
        json!({"id": 1, "connect": connect}).to_string(),
        json!({"id": 2, "subscribe": {"channel": channel}}).to_string(),
    ]
}

/// All that a client says that only listens.
fn opening(token: &str, channel: &str) -> String {
    let mut opening = json!({"subs": {channel: {}}});
    if !token.is_empty() {
        opening["token"] = json!(token);
    }
    opening.to_string()
}

/// What opens a stream that is an endless answer.
pub fn request(world: &World, transport: &str, token: &str, channel: &str) -> RequestBuilder {
    let url = format!("{}{transport}", world.url);
    let lines = commands(token, channel).join("\n");
    match transport {
        "/connection/http_stream" => world.http.post(url).body(lines),
        "/connection/sse" => world.http.get(format!("{url}?cf_connect={}", escaped(&lines))),
        "/connection/uni_sse" => {
            let said = escaped(&opening(token, channel));
            world.http.get(format!("{url}?cf_connect={said}"))
        }
        "/connection/uni_http_stream" => world.http.post(url).body(opening(token, channel)),
        "/api/v1/stream" => {
            let request = world.http.get(format!("{url}?channel={}", escaped(channel)));
            if token.is_empty() {
                request
            } else {
                request.bearer_auth(token)
            }
        }
        other => panic!("how is {other} opened? Say it in tests/api/matrix/live.rs"),
    }
}

/// What a message of the protocol says of the wish, if it says anything.
fn told(message: &Value, channel: &str) -> Option<u64> {
    let follows = message["subscribe"].is_object()
        || message["connect"]["subs"][channel].is_object()
        || message["push"]["connect"]["subs"][channel].is_object();
    if follows {
        return Some(0);
    }
    let codes = [
        &message["error"],
        &message["push"]["disconnect"],
        &message["disconnect"],
    ];
    codes.iter().find_map(|said| said["code"].as_u64())
}

async fn by_stream(request: RequestBuilder, channel: &str) -> u64 {
    let answer = request.send().await.unwrap();
    if answer.status() != 200 {
        return answer.status().as_u16().into();
    }
    let mut chunks = answer.bytes_stream();
    let mut text = String::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        text += &String::from_utf8_lossy(&chunk);
        let messages = text.lines().map(|line| line.trim_start_matches("data: "));
        let mut messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(code) = messages.find_map(|message| told(&message, channel)) {
            return code;
        }
    }
    panic!("ended without a word: {text}");
}

async fn by_socket(world: &World, transport: &str, token: &str, channel: &str) -> u64 {
    let mut url = format!("{}{transport}", world.url.replacen("http", "ws", 1));
    let listens_only = transport.contains("uni_");
    if listens_only {
        url = format!("{url}?cf_connect={}", escaped(&opening(token, channel)));
    }
    let (mut socket, _) = connect_async(url).await.unwrap();
    if !listens_only {
        for command in commands(token, channel) {
            // whoever is refused by the first may be gone by the second
            let _ = socket.send(Message::text(command)).await;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Close(frame) => return frame.map_or(1005, |frame| u16::from(frame.code).into()),
            Message::Text(text) => {
                let mut messages = text
                    .lines()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok());
                if let Some(code) = messages.find_map(|message| told(&message, channel)) {
                    return code;
                }
            }
            _ => {}
        }
    }
    panic!("ended without a word");
}

/// Refused for want of a right: an error in the protocol, the end of whoever only listens, or a problem.
fn is_refusal(code: u64) -> bool {
    [103, 3507, 403].contains(&code)
}

/// There is no such channel: an error, the end of whoever only listens, or a problem.
fn is_unknown(code: u64) -> bool {
    [102, 3004, 404].contains(&code)
}

#[test]
fn every_way_to_open_a_live_connection_is_asked() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/live");
    let mut known = 0;
    for file in ["routes.rs", "streams.rs"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        for path in text.split('"').skip(1).step_by(2) {
            if path.starts_with("/connection/") || path == "/emulation" {
                let listed = TRANSPORTS.contains(&path) || BESIDE.contains(&path);
                assert!(
                    listed,
                    "{path} opens a live connection: add it to TRANSPORTS in tests/api/matrix/live.rs"
                );
                known += 1;
            }
        }
    }
    assert!(
        known >= 8,
        "the routes stand elsewhere now: only {known} were found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_channel_is_followed_over_every_transport_by_whoever_may_and_by_nobody_else() {
    let world = World::start().await;
    let nobodies = Nobodies::of(&world).await;
    let people = predefined(&world).await;
    let (job, inbox) = (
        world.row(&world.ours, "job", &Ids::new()).await,
        world.ours.owner.id,
    );
    let mut channels: Vec<(String, &str)> = FEEDS
        .iter()
        .map(|(feed, permission)| ((*feed).to_owned(), *permission))
        .collect();
    channels.push((format!("job:{job}"), "jobs:read"));
    channels.push((format!("inbox:{inbox}"), "nobody's but its owner's"));
    channels.push(("page:/users".to_owned(), "users:read"));
    let (key_without, key_with) = keys(&world, &channels).await;
    let mut faults = Vec::new();
    for (transport, (who, token)) in both(TRANSPORTS, &nobodies.0) {
        let code = follow(&world, transport, token, "feed:users").await;
        if code == 0 || is_refusal(code) {
            faults.push(format!("{transport} {who}: {code}, not that they must sign in"));
        }
    }
    for (transport, (channel, permission)) in both(TRANSPORTS, &channels) {
        // all transports ask one gate: each role by one of them, and by the others who may most, some and nothing
        let some =
            |role: &String| ["owner", "viewer", "user"].contains(&&**role) || transport == TRANSPORTS[0];
        for (role, person) in people.iter().filter(|(role, _)| some(role)) {
            let code = follow(&world, transport, &person.token(), channel).await;
            // where nothing is asked for, everybody may who is somebody
            let may = permission.is_empty() || person.holds.contains(*permission);
            if (code == 0) != may || (code != 0 && !is_refusal(code)) {
                faults.push(format!(
                    "{transport} {channel} as {role}: {code}, holding {permission}: {may}"
                ));
            }
        }
        let code = follow(&world, transport, &key_with, channel).await;
        if (code == 0) == (channel.starts_with("inbox:") || permission.is_empty()) {
            faults.push(format!(
                "{transport} {channel} with a key that has {permission}: {code}"
            ));
        }
        let code = follow(&world, transport, &key_without, channel).await;
        if !is_refusal(code) {
            faults.push(format!(
                "{transport} {channel} with a key without {permission}: {code}"
            ));
        }
    }
    // one's own inbox, and another organization's job and inbox
    for transport in TRANSPORTS {
        let (owner, stranger) = (world.ours.owner.token(), world.theirs.owner.token());
        let code = follow(&world, transport, &owner, &format!("inbox:{inbox}")).await;
        if code != 0 {
            faults.push(format!("{transport} one's own inbox: {code}"));
        }
        let code = follow(&world, transport, &stranger, &format!("job:{job}")).await;
        if !is_unknown(code) {
            faults.push(format!("{transport} another organization's job: {code}"));
        }
        let code = follow(&world, transport, &stranger, &format!("inbox:{inbox}")).await;
        if !is_refusal(code) {
            faults.push(format!("{transport} another organization's inbox: {code}"));
        }
    }
    none("Who follows what is not as the permissions say:", faults);
}

/// A key whose scopes open no channel, and one whose scopes open all.
async fn keys(world: &World, channels: &[(String, &str)]) -> (String, String) {
    let opens = |permission: &String| channels.iter().any(|(_, needs)| needs == permission);
    let all = &world.ours.owner.holds;
    let (with, without): (std::collections::BTreeSet<_>, _) = all.iter().cloned().partition(opens);
    (
        world.key(&world.ours.owner, &without).await.1,
        world.key(&world.ours.owner, &with).await.1,
    )
}

fn both<'a, A: Copy, B>(one: &'a [A], other: &'a [B]) -> impl Iterator<Item = (A, &'a B)> {
    one.iter()
        .flat_map(move |one| other.iter().map(move |other| (*one, other)))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_beside_a_stream_reach_only_a_stream_whose_secret_they_know_and_with_its_rights() {
    let world = World::start().await;
    let bare = world.ours.bare.token();
    let connect = json!({"id": 1, "connect": {"token": bare}}).to_string();
    let answer = world
        .http
        .post(format!("{}/connection/http_stream", world.url))
        .body(connect);
    let mut chunks = answer.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains('\n') {
        text += &String::from_utf8_lossy(&chunks.next().await.unwrap().unwrap());
    }
    let hello: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let (node, session) = (
        &hello["connect"]["node"],
        hello["connect"]["session"].as_str().unwrap(),
    );
    let send = async |session: &str, id: u32| {
        let command = json!({"id": id, "subscribe": {"channel": "feed:users"}}).to_string();
        let body = json!({"node": node, "session": session, "data": command});
        let answer = world
            .http
            .post(format!("{}/emulation", world.url))
            .json(&body)
            .send();
        answer.await.unwrap().status().as_u16()
    };
    let client = hello["connect"]["client"].as_str().unwrap();
    for guess in [
        "",
        client,
        &format!("{client}."),
        &format!("{client}.{}", "x".repeat(32)),
    ] {
        assert!([400, 404].contains(&send(guess, 7).await), "{guess}");
    }
    assert_eq!(send(session, 8).await, 204);
    text.clear();
    while !text.contains("\"id\":8") {
        text += &String::from_utf8_lossy(&chunks.next().await.unwrap().unwrap());
    }
    assert!(
        text.contains("\"code\":103"),
        "a stream has its own person's rights: {text}"
    );
    assert!(!text.contains("\"id\":7"), "a guess was carried out: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_one_organization_is_heard_by_nobody_of_another() {
    let world = World::start().await;
    let (mut streams, stranger) = (Vec::new(), world.theirs.owner.token());
    for (feed, _) in FEEDS {
        let asked = request(&world, "/api/v1/stream", &stranger, feed);
        let mut chunks = asked.send().await.unwrap().bytes_stream();
        chunks.next().await.unwrap().unwrap();
        streams.push((*feed, chunks));
    }
    for operation in &world.spec.operations {
        // whatever can be made is made on both sides
        world.kept(&world.ours, operation, true).await;
    }
    let (ours, done) = (
        super::foreign::Ours::of(&world).await,
        json!({"name": "Theirmark at last"}),
    );
    world.settled().await;
    world.act(&world.theirs.owner, Method::POST, "/teams", done).await;
    // the last that happens is theirs: once it is told, all before it was, on every feed
    let teams = streams
        .iter_mut()
        .find(|(feed, _)| *feed == "feed:teams")
        .unwrap();
    let mut heard = read(&mut teams.1, |text| text.contains("Theirmark at last")).await;
    let signed_out = format!("{}/api/v1/auth/logout", world.url);
    let signed_out = world.http.post(signed_out).bearer_auth(&stranger);
    assert_eq!(signed_out.send().await.unwrap().status(), 204);
    let mut faults = Vec::new();
    for (feed, mut chunks) in streams {
        let mut text = read(&mut chunks, |text| text.contains("event: end")).await;
        if feed == "feed:teams" {
            text = std::mem::take(&mut heard) + &text;
        }
        let answer = super::wire::Answer {
            status: 200,
            headers: reqwest::header::HeaderMap::default(),
            text: text.clone(),
        };
        faults.extend(
            ours.told("", &answer)
                .map(|word| format!("{feed} told a stranger of {word}: {text}")),
        );
    }
    none("Heard by another organization:", faults);
}

/// What comes until it is `enough`.
async fn read(
    chunks: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
    enough: impl Fn(&str) -> bool,
) -> String {
    let mut text = String::new();
    let reading = async {
        while !enough(&text) {
            let chunk = chunks.next().await.expect("the stream ended too early").unwrap();
            text += &String::from_utf8_lossy(&chunk);
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "only {text}");
    text
}
