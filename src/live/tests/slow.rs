//! Clients that read slowly, or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use signalbox_core::bus::questions::Question;
use signalbox_core::live::history::publish_state;
use signalbox_core::live::position::first_epoch;
use signalbox_core::testing::{eventually, store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_tungstenite::client_async;

use super::super::client::Timing;
use super::websocket::Wire;
use super::{Door, Node, settings};

impl Wire {
    /// Of a client that reads only when it is asked to, and whose system takes little before that.
    async fn narrow(node: &Node, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let stream = socket.connect(node.address).await.unwrap();
        let request = format!("ws://{}/connection/websocket", node.address);
        let (socket, _) = client_async(request, stream).await.unwrap();
        let mut wire = Self {
            socket,
            lines: vec![],
        };
        wire.ask(json!({"id": 1, "connect": {"token": token}})).await;
        wire.ask(json!({"id": 2, "subscribe": {"channel": "feed:users"}}))
            .await;
        wire
    }
}

/// How far a client has read a channel, and how often it was told of a gap there.
#[derive(Default)]
struct Read {
    seen: u64,
    gaps: u32,
    /// Gaps behind which it was given everything, and those behind which it was told to fetch.
    resumed: u32,
    fetched: u32,
}

/// Reads, and comes back behind every gap, until everything up to `until` has been seen of each channel.
async fn read_on(node: &Node, wire: &mut Wire, until: &[(&str, u64)]) -> HashMap<String, Read> {
    let mut all: HashMap<String, Read> = HashMap::new();
    while until
        .iter()
        .any(|(channel, until)| all.get(*channel).is_none_or(|read| read.seen < *until))
    {
        let message = wire.next().await.expect("it was closed");
        let (push, reply) = (&message["push"], &message["subscribe"]);
        let channel = match message["id"].as_u64() {
            Some(id) => until[id as usize - 10].0,
            None => push["channel"].as_str().unwrap(),
        };
        let read = all.entry(channel.to_owned()).or_default();
        if push["unsubscribe"].is_object() {
            assert_eq!(push["unsubscribe"]["code"], 2500);
            read.gaps += 1;
            let id = 10 + until.iter().position(|(name, _)| *name == channel).unwrap();
            let epoch = first_epoch(node.test.organization, channel);
            let wish = json!({"channel": channel, "recover": true, "epoch": epoch, "offset": read.seen});
            wire.say(&json!({"id": id, "subscribe": wish}).to_string()).await;
            continue;
        }
        if reply["recovered"] == true {
            read.resumed += 1;
        } else if reply.is_object() {
            assert!(reply["publications"].is_null(), "{reply}");
            read.fetched += 1;
            read.seen = reply["offset"].as_u64().unwrap();
        }
        let given = reply["publications"].as_array();
        for publication in given.into_iter().flatten().chain(push.get("pub")) {
            read.seen += 1;
            assert_eq!(publication["offset"], read.seen, "a gap that was not told");
        }
    }
    all
}

/// A node whose clients have nothing to answer: it sends no pings for as long as a test may last.
async fn without_pings() -> Node {
    let timing = Timing {
        ping: Duration::from_mins(10),
        ..Timing::default()
    };
    let settings = settings(&[("TRANSPORTS__HTTP_STREAM", "true")]);
    let (test, door) = (Arc::new(store().await), Arc::new(Door::new(&settings)));
    Node::start_on(test, door, settings, timing, "127.0.0.1:0".parse().unwrap(), 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_falls_behind_is_told_where_the_gap_begins_and_goes_on_from_there() {
    let node = without_pings().await;
    node.person("someone", &["users:read", "roles:read"]);
    let mut quick = Wire::following(&node, "someone").await;
    let mut wire = Wire::narrow(&node, "someone").await;
    let also = json!({"id": 3, "subscribe": {"channel": "feed:roles"}});
    wire.ask(also).await;
    // three of one channel for two of the other: the one with more loses what waits, which is less than fits afterwards
    let (mut users, mut roles) = (0, 0);
    while node.nodes.ask(Question::Node).await.nodes()[0]
        .state
        .subscriptions
        > 2
    {
        // of a length of which the kernel's megabytes hold less than the history does
        node.happen_in("feed:roles", roles + 1..roles + 3, 1_000).await;
        node.happen_in("feed:users", users + 1..users + 4, 1_000).await;
        (users, roles) = (users + 3, roles + 2);
        for n in users - 2..=users {
            assert_eq!(quick.publication().await["n"], n);
        }
    }
    node.happen_in("feed:users", users + 1..users + 2, 0).await;
    let until = [("feed:users", users + 1), ("feed:roles", roles)];
    let read = read_on(&node, &mut wire, &until).await;
    let of = |channel: &str| {
        let read = &read[channel];
        (read.gaps, read.resumed, read.fetched)
    };
    assert_eq!((of("feed:users"), of("feed:roles")), ((1, 1, 0), (0, 0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_missed_more_than_may_wait_for_it_is_told_to_fetch_and_stays() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut wire = Wire::signed_in(&node, "someone").await;
    node.happen_in("feed:users", 1..201, 2_000).await;
    let from =
        |offset| json!({"channel": "feed:users", "recover": true, "epoch": node.epoch(), "offset": offset});
    let reply = wire.ask(json!({"id": 2, "subscribe": from(0)})).await;
    let told = &reply["subscribe"];
    assert!(
        told["recovered"].is_null() && told["publications"].is_null(),
        "{told}"
    );
    assert_eq!(told["offset"], 200);
    // what fits is given, and with it what comes then
    wire.ask(json!({"id": 3, "unsubscribe": {"channel": "feed:users"}}))
        .await;
    let reply = wire.ask(json!({"id": 4, "subscribe": from(150)})).await;
    assert_eq!(reply["subscribe"]["recovered"], true, "{reply}");
    assert_eq!(reply["subscribe"]["publications"].as_array().unwrap().len(), 50);
    node.happen_in("feed:users", 201..202, 0).await;
    assert_eq!(wire.publication().await["n"], 201);
    // and of the past as much as fits
    let wish = json!({"channel": "feed:users", "limit": 200, "since": {"offset": 0, "epoch": node.epoch()}});
    let reply = wire.ask(json!({"id": 5, "history": wish})).await;
    let past = reply["history"]["publications"].as_array().unwrap();
    assert!((50..100).contains(&past.len()), "{}", past.len());
    assert_eq!(
        (&past[0]["offset"], &reply["history"]["offset"]),
        (&json!(1), &json!(201))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_state_a_slow_client_reads_the_newest_and_of_events_all() {
    const PUBLISHED: u32 = 6_000;
    let node = without_pings().await;
    node.person("someone", &["users:read"]);
    let mut wire = Wire::narrow(&node, "someone").await;
    // some megabytes of state, of which the kernel takes a part
    let pad = "x".repeat(2_000);
    let payload = json!({"event": {"type": "counters.changed", "pad": pad}, "row": "none"}).to_string();
    for _ in 0..PUBLISHED {
        let (bus, organization) = (&node.test.store.bus, node.test.organization);
        publish_state(bus, organization, "feed:users", payload.as_bytes())
            .await
            .unwrap();
    }
    node.happen(3).await;
    node.progress().await;
    let (mut events, mut states) = (Vec::new(), 0);
    while events.len() < 3 {
        let data = wire.publication().await;
        match data["n"].as_u64() {
            Some(n) => events.push(n),
            None => states += 1,
        }
    }
    // once more: where the hub was just comparing the channel with what is stored, that state went before the events
    node.progress().await;
    assert_eq!(wire.publication().await["type"], "counters.changed");
    assert_eq!(events, [1, 2, 3]);
    assert!(states < PUBLISHED, "all were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_ended_and_the_others_get_everything() {
    let node = without_pings().await;
    node.person("someone", &["users:read"]);
    let mut quick = Wire::following(&node, "someone").await;
    // by hand, so that nothing reads behind our back
    let socket = TcpSocket::new_v4().unwrap();
    // a small window of its own: how much the kernel would take otherwise grows with the machine
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stuck = socket.connect(node.address).await.unwrap();
    let upgrade = "GET /connection/websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stuck.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        let n = stuck.read(&mut answer).await.unwrap();
        assert!(n > 0);
    }
    for said in [
        r#"{"id":1,"connect":{"token":"someone"}}"#,
        r#"{"id":2,"subscribe":{"channel":"feed:users"}}"#,
    ] {
        let mut frame = vec![0x81, 0x80 | said.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(said.as_bytes());
        stuck.write_all(&frame).await.unwrap();
    }
    let mut seen = String::new();
    while !seen.contains("positioned") {
        let n = stuck.read(&mut answer).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&answer[..n]));
    }
    assert_eq!(node.hub.connections(), 2);
    let mut sent = 0;
    // the kernel takes some megabytes before anything has to wait
    while node.hub.connections() == 2 && sent < 60_000 {
        node.happen(200).await;
        for _ in 0..200 {
            sent += 1;
            assert_eq!(quick.publication().await["n"], sent);
        }
    }
    // it is given some seconds to read the last words
    eventually("the stuck client is ended", async || node.hub.connections() == 1).await;
    eventually("its socket is closed though it never reads", async || {
        // what was written is read to its end, and then there is an end
        let mut rest = vec![0; 1 << 20];
        matches!(
            tokio::time::timeout(Duration::from_secs(15), stuck.read(&mut rest)).await,
            Ok(Ok(0) | Err(_))
        )
    })
    .await;
}

async fn queued(node: &Node) -> u64 {
    node.nodes.ask(Question::Node).await.nodes()[0].state.queue_bytes
}

/// Publishes until some of it waits for somebody who does not read, and `quick` has all of it: how much waits.
async fn fill(node: &Node, quick: &mut Wire, top: &mut u64) -> u64 {
    loop {
        node.happen_in("feed:users", *top + 1..*top + 11, 2_000).await;
        for _ in 0..10 {
            *top += 1;
            assert_eq!(quick.publication().await["n"], *top);
        }
        // the kernel takes some megabytes before anything has to wait; what has waited for a while stands before a full kernel, and
        // not before a writer that had no time
        let (mut waits, mut seen) = (queued(node).await, 0);
        while waits >= 60_000 && seen < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = queued(node).await;
            seen = if now == waits { seen + 1 } else { 0 };
            waits = now;
        }
        if waits >= 60_000 {
            return waits;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waits_is_never_read_by_whoever_has_other_rights_by_then() {
    let node = without_pings().await;
    node.person("someone", &["users:read", "users:read_pii"]);
    node.person("another", &["users:read"]);
    let mut quick = Wire::following(&node, "another").await;
    let mut wire = Wire::narrow(&node, "someone").await;
    let before = fill(&node, &mut quick, &mut 0).await;
    // the newest: the oldest may not be kept any more
    let wish = json!({"channel": "feed:users", "limit": 20, "reverse": true});
    wire.say(&json!({"id": 9, "history": wish}).to_string()).await;
    eventually("the answer waits", async || queued(&node).await > before + 20_000).await;
    node.door.grant("someone", &["users:read"]);
    eventually("the connection is ended", async || node.hub.connections() == 1).await;
    // there is no close behind what was half written
    while let Some(Ok(message)) = wire.socket.next().await {
        assert!(!message.to_string().contains("\"history\""), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_ends_at_once_in_the_middle_of_what_was_half_written() {
    let node = without_pings().await;
    node.person("another", &["users:read"]);
    let mut quick = Wire::following(&node, "another").await;
    let mut top = 0;
    let connect = json!({"id": 1, "connect": {"token": "someone"}}).to_string();
    let subscribe = json!({"id": 2, "subscribe": {"channel": "feed:users"}}).to_string();
    let commands = format!("{connect}\n{subscribe}");
    let length = commands.len();
    for request in [
        "GET /api/v1/stream?channel=feed:users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer someone\r\n\r\n"
            .to_owned(),
        format!(
            "POST /connection/http_stream HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{commands}"
        ),
    ] {
        node.person("someone", &["users:read"]);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut stream = socket.connect(node.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        fill(&node, &mut quick, &mut top).await;
        node.door.ban("someone");
        // it reads again at once, as a client would that was only slow
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut rest)).await;
        let _ = end.expect("it is never ended");
        let rest = String::from_utf8_lossy(&rest);
        let last = &rest[rest.len() - 200..];
        assert!(
            !last.ends_with("\r\n0\r\n\r\n") && !last.contains("access ended"),
            "what was half written was written to its end: {last}"
        );
    }
}
