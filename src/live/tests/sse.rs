use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use signalbox_core::bus::questions::Question;
use signalbox_core::testing::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::Node;

mod company;
mod rights;

/// What EventSource makes of a stream.
#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    data: Value,
    id: String,
}

struct Source {
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
    id: String,
}

async fn get(node: &Node, query: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    // in one build with the hub, reqwest speaks TLS too and wants to be told by what
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().unwrap();
    let mut request = client.get(format!("http://{}/api/v1/stream?{query}", node.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

impl Source {
    async fn open(node: &Node, token: &str, query: &str, last: Option<&str>) -> Self {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(last.map(|id| ("last-event-id", id)));
        let mut response = get(node, query, &headers).await;
        // a starved machine may hold the bus up for so long that nobody is let in for a moment
        for _ in 0..100 {
            if response.status() != 503 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            response = get(node, query, &headers).await;
        }
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        let id = last.unwrap_or_default().to_owned();
        Self {
            body: response.bytes_stream().boxed(),
            text: String::new(),
            id,
        }
    }

    /// The next event with data; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = self.read(&block) {
                    return Some(event);
                }
            }
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next())
                .await
                .expect("nothing came");
            self.text.push_str(std::str::from_utf8(&more?.ok()?).unwrap());
        }
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let mut event = Event::default();
        let mut data = String::new();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", line)) => data.push_str(line),
                _ => {}
            }
        }
        self.id.clone_into(&mut event.id);
        event.data = serde_json::from_str(&data).ok()?;
        Some(event)
    }

    async fn numbers(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = vec![];
        while numbers.len() < count {
            let event = self.next().await.expect("the stream ended");
            numbers.push(event.data["n"].as_u64().unwrap_or_else(|| panic!("{event:?}")));
        }
        numbers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_resumes_by_its_last_event_id_without_gap_also_after_a_restart() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "jobs:read"]);
    let query = "channel=feed:users&channel=feed:jobs";
    let mut source = Source::open(&node, "someone", query, None).await;
    node.happen(3).await;
    assert_eq!(source.numbers(3).await, [1, 2, 3]);
    let place = format!("feed:users@{}:3", node.epoch());
    assert!(source.id.split(',').any(|part| part == place), "{}", source.id);
    assert!(source.id.contains("feed:jobs@"), "{}", source.id);
    node.happen(2).await;
    let mut source = Source::open(&node, "someone", query, Some(&source.id)).await;
    assert_eq!(source.numbers(2).await, [4, 5]);
    let node = node.restart(3).await;
    while source.next().await.is_some() {}
    let mut source = Source::open(&node, "someone", query, Some(&source.id)).await;
    node.happen(1).await;
    assert_eq!(source.numbers(4).await, [6, 7, 8, 9]);
}

/// A stream to a client whose system takes little, read only when it is asked for.
async fn narrow(node: &Node, token: &str) -> Source {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(node.address).await.unwrap();
    // of HTTP 1.0, so that nothing but the events stands in the answer
    let request = format!(
        "GET /api/v1/stream?channel=feed:users HTTP/1.0\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
        node.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let body = futures::stream::unfold(stream, async |mut stream| {
        let mut bytes = vec![0; 4096];
        let read = stream.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        bytes.truncate(read);
        Some((Ok(bytes.into()), stream))
    });
    Source {
        body: body.boxed(),
        text: String::new(),
        id: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_falls_behind_is_told_to_fetch_and_goes_on() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut quick = Source::open(&node, "someone", "channel=feed:users", None).await;
    let mut source = narrow(&node, "someone").await;
    eventually("it is followed", async || {
        node.nodes.ask(Question::Node).await.nodes()[0]
            .state
            .subscriptions
            == 2
    })
    .await;
    // what was registered is let flow a moment later
    node.progress().await;
    assert_eq!(source.next().await.unwrap().data["type"], "counters.changed");
    node.happen(1).await;
    assert_eq!(source.numbers(1).await, [1]);
    assert_eq!(quick.next().await.unwrap().data["type"], "counters.changed");
    assert_eq!(quick.numbers(1).await, [1]);
    // the kernel takes some megabytes before anything has to wait, and then what waits grows until it is dropped
    let (mut published, mut most, mut waiting) = (1, 0, 0);
    while most < 150_000 || waiting * 2 >= most {
        most = most.max(waiting);
        node.happen(100).await;
        // no faster than the hub delivers
        quick.numbers(100).await;
        published += 100;
        waiting = node.nodes.ask(Question::Node).await.nodes()[0].state.queue_bytes;
    }
    let (mut last, mut resets) = (1, 0);
    while last < published {
        let event = source.next().await.expect("the stream ended");
        if event.name == "reset" {
            resets += 1;
            assert_eq!(event.data, json!({"channels": ["feed:users"]}));
            // the id says from where it goes on
            let (_, offset) = event.id.rsplit_once(':').unwrap();
            last = offset.parse().unwrap();
        } else {
            last += 1;
            assert_eq!(event.data["n"], last, "a gap that was not told");
        }
    }
    assert_eq!(resets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_masked_live_and_resumed() {
    let node = Node::start().await;
    node.person("masked", &["users:read"]);
    node.happen(1).await;
    let mut source = Source::open(
        &node,
        "masked",
        "channel=feed:users",
        Some(&format!("feed:users@{}:0", node.epoch())),
    )
    .await;
    node.happen(1).await;
    for n in 1..=2 {
        let event = source.next().await.unwrap();
        assert_eq!(
            (&event.data["n"], &event.data["patch"]["email"]),
            (&json!(n), &Value::Null)
        );
        assert_eq!(event.data["patch"]["masked"], json!(["email", "phone"]));
        assert!(!event.data.to_string().contains("example.com"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_cannot_be_resumed_are_named_for_a_reset() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "jobs:read"]);
    node.happen(2).await;
    let query = "channel=feed:users&channel=feed:jobs";
    let mut source = Source::open(&node, "someone", query, Some("feed:users@old:1")).await;
    // the one stands in another stream, of the other the id says nothing
    let mut told = Vec::new();
    for _ in 0..2 {
        let reset = source.next().await.unwrap();
        assert_eq!(reset.name, "reset");
        told.push(reset.data["channels"][0].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["feed:jobs", "feed:users"]);
    node.happen(1).await;
    assert_eq!(source.numbers(1).await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_a_banned_person_ends_with_a_word_and_is_refused_from_then_on() {
    let node = Node::start().await;
    node.person("bad", &["users:read"]);
    let mut source = Source::open(&node, "bad", "channel=feed:users", None).await;
    node.door.ban("bad");
    node.happen(1).await;
    let end = source.next().await.unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data),
        ("end", &json!({"code": 4501, "reason": "access ended"}))
    );
    assert_eq!(source.next().await, None);
    assert_eq!(
        get(&node, "channel=feed:users", &[("authorization", "Bearer bad")])
            .await
            .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_right_ends_the_stream_and_a_narrower_view_resets_it() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "users:read_pii"]);
    let mut source = Source::open(&node, "someone", "channel=feed:users", None).await;
    node.door.grant("someone", &["users:read"]);
    assert_eq!(source.next().await.unwrap().name, "reset");
    node.happen(1).await;
    assert_eq!(source.next().await.unwrap().data["patch"]["email"], Value::Null);
    node.door.grant("someone", &[]);
    let end = source.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["code"]), ("end", &json!(3507)));
    assert_eq!(source.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_while_their_rights_changed_is_told_to_fetch_and_then_resumes() {
    let node = Node::start().await;
    let (all, fewer) = (&["users:read", "users:read_pii"][..], &["users:read"][..]);
    node.person("someone", all);
    let query = "channel=feed:users";
    let mut source = Source::open(&node, "someone", query, None).await;
    node.happen(1).await;
    let mut n = 1;
    assert_eq!(source.numbers(1).await, [n]);
    for rights in [fewer, all] {
        let last = source.id.clone();
        drop(source);
        node.door.grant("someone", rights);
        node.happen(1).await;
        source = Source::open(&node, "someone", query, Some(&last)).await;
        let reset = source.next().await.unwrap();
        assert_eq!(
            (reset.name.as_str(), reset.data),
            ("reset", json!({"channels": ["feed:users"]}))
        );
        // what was missed does not come, what follows does
        node.happen(1).await;
        n += 2;
        assert_eq!(source.numbers(1).await, [n]);
        node.happen(1).await;
        source = Source::open(&node, "someone", query, Some(&source.id)).await;
        n += 1;
        assert_eq!(
            source.numbers(1).await,
            [n],
            "it goes on from what it was told since"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_judged_again_is_cut_without_a_word_so_that_it_comes_back() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut source = Source::open(&node, "someone", "channel=feed:users", None).await;
    node.door.unsure.store(true, Ordering::SeqCst);
    node.door.grant("someone", &["users:read", "jobs:read"]);
    assert_eq!(source.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_ends_the_stream_with_a_word() {
    let node = Node::start().await;
    node.person("brief", &["users:read"]);
    let mut source = Source::open(&node, "brief", "channel=feed:users", None).await;
    let end = source.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["code"]), ("end", &json!(3005)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_request_gets_its_problem() {
    let node = Node::start().await;
    node.person("few", &["users:read"]);
    let cases = [
        ("channel=feed:users", None, 401, "auth.required"),
        ("channel=feed:users", Some("expired"), 401, "auth.token_expired"),
        ("channel=feed:users", Some("forged"), 401, "auth.invalid_token"),
        ("channel=feed:audit", Some("few"), 403, "live.permission_denied"),
        (
            "channel=feed:users&channel=feed:nothing",
            Some("few"),
            404,
            "live.unknown_channel",
        ),
        ("", Some("few"), 422, "request.invalid"),
        (
            "channel=feed:users&colour=red",
            Some("few"),
            422,
            "request.invalid",
        ),
    ];
    for (query, token, status, code) in cases {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str()))
            .collect();
        let response = get(&node, query, &headers).await;
        assert_eq!(response.status(), status, "{query}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.json::<Value>().await.unwrap()["code"], code);
    }
    let cookie = [
        ("cookie", "__Host-signalbox_access=few"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(get(&node, "channel=feed:users", &cookie).await.status(), 403);
    let cookie = [
        ("cookie", "__Host-signalbox_access=few"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(get(&node, "channel=feed:users", &cookie).await.status(), 200);
}
