//! Transports beside WebSocket, and resuming by their own means.

use futures::future::join_all;
use parking_lot::Mutex;
use reqwest::Client as Http;
use signalbox_core::bus::orders::Whom;
use signalbox_core::live::application::APPLICATION;
use signalbox_core::testing::eventually;

use super::*;

/// Reads an endless answer piece by piece.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next line that is not empty.
    async fn line(&mut self) -> String {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.trim().to_owned(), rest.to_owned());
                self.text = rest;
                if !line.is_empty() {
                    return line;
                }
                continue;
            }
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), self.response.chunk());
            let chunk = chunk
                .await
                .expect("nothing came")
                .unwrap()
                .expect("the stream ended");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn json(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(line.strip_prefix("data: ").unwrap_or(&line)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_takes_its_commands_through_any_node() {
    let one = node().await;
    let two = Node::beside(one.test.clone(), SETTINGS).await;
    let commands = format!(
        "{}\n{}",
        json!({"id": 1, "connect": {"token": of("ada")}}),
        json!({"id": 2, "subscribe": {"channel": "chat:1"}})
    );
    let lines = Http::new()
        .post(format!("http://{}/connection/http_stream", one.address))
        .body(commands.clone());
    let events = Http::new()
        .get(format!("http://{}/connection/sse", one.address))
        .query(&[("cf_connect", commands)]);
    let mut last = None;
    for request in [lines, events] {
        let mut stream = Stream::open(request).await;
        let connect = stream.json().await["connect"].clone();
        assert_eq!((&connect["ping"], &connect["pong"]), (&json!(25), &json!(true)));
        assert!(stream.json().await["subscribe"].is_object());
        let (node, session) = (&connect["node"], &connect["session"]);
        assert_ne!(session.as_str().unwrap().split_once('.').unwrap().1, "");
        for (at, n) in [(&one, 3), (&two, 4)] {
            let command = json!({"id": n, "publish": {"channel": "chat:1", "data": n}}).to_string();
            let body = json!({"node": node, "session": session, "data": command});
            eventually("the nodes know each other", async || {
                let post = Http::new()
                    .post(format!("http://{}/emulation", at.address))
                    .json(&body);
                post.send().await.unwrap().status() == 204
            })
            .await;
            let mut answers = [stream.json().await, stream.json().await];
            answers.sort_by_key(|answer| answer["id"].as_u64());
            assert_eq!(answers[0]["push"]["pub"]["data"], n, "{answers:?}");
            assert_eq!(answers[1], json!({"id": n, "publish": {}}));
        }
        let ada = Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        };
        one.tell(Order::Disconnect {
            whom: ada,
            code: 3503,
            reason: String::new(),
        })
        .await;
        let end = stream.json().await;
        assert_eq!(end["push"]["disconnect"]["code"], 3503, "{end}");
        last = Some((node.clone(), session.as_str().unwrap().to_owned()));
    }
    let (alive, ended) = last.expect("a stream was opened");
    let nobody = json!({"node": "gone", "session": ended, "data": "{}"});
    let post = |body: String| {
        Http::new()
            .post(format!("http://{}/emulation", two.address))
            .body(body)
            .send()
    };
    let refused = post(nobody.to_string()).await.unwrap();
    assert_eq!(
        refused.json::<Value>().await.unwrap()["code"],
        "live.unknown_node"
    );
    // what was never given out goes no further; for what has ended there is nobody
    let (client, secret) = ended.split_once('.').unwrap();
    for guess in [
        "x",
        client,
        &format!("{client}."),
        &format!("{}.{secret}", client.to_uppercase()),
    ] {
        let guessed = json!({"node": alive, "session": guess, "data": "{}"}).to_string();
        let refused = post(guessed).await.unwrap();
        assert_eq!(refused.status(), 404, "{guess}");
        assert_eq!(
            refused.json::<Value>().await.unwrap()["code"],
            "live.unknown_session"
        );
    }
    let late = json!({"node": alive, "session": ended, "data": "{}"}).to_string();
    assert_eq!(post(late.clone()).await.unwrap().status(), 204);
    let http = Http::new();
    let held = Mutex::new(None);
    eventually("a flood is held back", async || {
        let posts = (0..100).map(|_| {
            let post = http.post(format!("http://{}/emulation", two.address));
            post.body(late.clone()).send()
        });
        let answers = join_all(posts).await.into_iter().map(Result::unwrap);
        *held.lock() = answers.into_iter().find(|answer| answer.status() != 204);
        held.lock().is_some()
    })
    .await;
    let held = held.into_inner().unwrap();
    assert_eq!(
        (held.status().as_u16(), &held.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert_eq!(post("[]".to_owned()).await.unwrap().status(), 400);
    assert_eq!(post("x".repeat(70_000)).await.unwrap().status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_resumes_by_the_id_it_brings_back() {
    let node = node().await;
    let connect = json!({"token": of("ada"), "subs": {"chat:1": {}}}).to_string();
    let request = || {
        Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
    };
    let mut stream = Stream::open(request()).await;
    let first = stream.line().await;
    assert!(first.starts_with("id: "), "{first}");
    let hello = stream.json().await;
    assert!(
        hello["connect"]["subs"]["chat:1"].is_object() && hello["connect"]["session"].is_string(),
        "{hello}"
    );
    node.publish("chat:1", json!("one"), &[]).await;
    let id = stream.line().await;
    let push = stream.json().await;
    assert_eq!(
        (&push["channel"], &push["pub"]["data"]),
        (&json!("chat:1"), &json!("one"))
    );
    drop(stream);
    node.publish("chat:1", json!("two"), &[]).await;
    let mut stream = Stream::open(request().header("last-event-id", id.strip_prefix("id: ").unwrap())).await;
    let moved = stream.line().await;
    let hello = stream.json().await;
    let sub = &hello["connect"]["subs"]["chat:1"];
    assert_eq!(
        (&sub["recovered"], &sub["publications"][0]["data"]),
        (&json!(true), &json!("two")),
        "{hello}"
    );
    assert!(moved.contains(":2"), "{moved}");
    let refused = json!({"token": of("ada"), "subs": {"shut:1": {}}}).to_string();
    let request = Http::new()
        .get(format!("http://{}/connection/uni_sse", node.address))
        .query(&[("cf_connect", &refused)]);
    let mut stream = Stream::open(request).await;
    assert_eq!(stream.json().await["disconnect"]["code"], 3507);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_resumes_where_that_is_allowed_and_not_forced() {
    let node = node().await;
    node.publish("offered:1", json!("before"), &[]).await;
    let connect = json!({"token": of("ada"), "subs": {"offered:1": {}}}).to_string();
    let request = || {
        Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
    };
    let mut stream = Stream::open(request()).await;
    let id = stream.line().await;
    let hello = stream.json().await;
    assert!(hello["connect"].is_object(), "{hello}");
    drop(stream);
    node.publish("offered:1", json!("meanwhile"), &[]).await;
    let mut stream = Stream::open(request().header("last-event-id", id.strip_prefix("id: ").unwrap())).await;
    stream.line().await;
    let hello = stream.json().await;
    let sub = &hello["connect"]["subs"]["offered:1"];
    assert_eq!(sub["recovered"], true, "{hello}");
    let missed = sub["publications"].as_array().unwrap();
    assert_eq!((missed.len(), &missed[0]["data"]), (1, &json!("meanwhile")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_event_source_is_not_resumed_with_other_rights_than_it_had() {
    let node = node().await;
    node.person("someone", &["users:read", "users:read_pii"]);
    node.happen(1).await;
    let connect = json!({"token": "someone", "subs": {"feed:users": {}}}).to_string();
    let open = async |last: &str| {
        let request = Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
            .header("last-event-id", last);
        let mut stream = Stream::open(request).await;
        let id = stream.line().await;
        let hello = stream.json().await;
        let recovered = hello["connect"]["subs"]["feed:users"]["recovered"] == true;
        (id.strip_prefix("id: ").unwrap().to_owned(), recovered)
    };
    let (id, _) = open("").await;
    assert_eq!(open(&id).await, (id.clone(), true));
    node.door.grant("someone", &["users:read"]);
    let (other, recovered) = open(&id).await;
    assert!(!recovered && other != id, "{id} {other}");
    assert_eq!(open(&other).await, (other.clone(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_comes_back_to_what_it_asks_for_and_to_nothing_else_that_its_id_names() {
    let node = node().await;
    let connect = json!({"token": of("ada"), "subs": {"chat:a,b": {}}}).to_string();
    let request = || {
        Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)])
    };
    let mut stream = Stream::open(request()).await;
    stream.line().await;
    assert!(stream.json().await["connect"].is_object());
    // the server gives a channel that the client may not ask for itself
    node.tell(Order::Subscribe {
        whom: Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        },
        channel: "shut:1".into(),
        terms: json!({}),
    })
    .await;
    let mut line = stream.line().await;
    while !line.contains("subscribe") {
        line = stream.line().await;
    }
    node.publish("chat:a,b", json!("one"), &[]).await;
    let mut id = stream.line().await;
    while !id.starts_with("id: ") {
        id = stream.line().await;
    }
    drop(stream);
    node.publish("chat:a,b", json!("two"), &[]).await;
    let known = format!("{},shut:1@x:5", id.strip_prefix("id: ").unwrap());
    let mut stream = Stream::open(request().header("last-event-id", known)).await;
    stream.line().await;
    let hello = stream.json().await;
    let subs = hello["connect"]["subs"].as_object().unwrap();
    assert_eq!(
        subs.keys().collect::<Vec<_>>(),
        ["chat:a,b", "me:#ada"],
        "{hello}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_opening_of_a_stream_is_told_as_the_protocol_has_it() {
    let node = node().await;
    let get = async |path: &str, query: &[(&str, &str)]| {
        let url = format!("http://{}/connection/{path}", node.address);
        Http::new().get(url).query(query).send().await.unwrap().status()
    };
    assert_eq!(get("sse", &[]).await, 400);
    assert_eq!(get("uni_sse", &[("cf_connect", "nonsense")]).await, 400);
    for (channel, code) in [("nowhere:1", 3004), ("shut:1", 3507)] {
        let connect = json!({"token": of("ada"), "subs": {channel: {}}}).to_string();
        let request = Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)]);
        let mut stream = Stream::open(request).await;
        assert_eq!(stream.json().await["disconnect"]["code"], code, "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_with_a_connect_as_in_a_subscribe() {
    let node = node().await;
    let filter = json!({"key": "team", "cmp": "eq", "val": "red"});
    let filtered_patches = json!({"delta": "fossil", "tf": filter});
    let unknown = json!({"delta": "another"});
    for (wish, code) in [(&filtered_patches, 3004), (&unknown, 3501)] {
        let connect = json!({"token": of("ada"), "subs": {"chat:1": wish}}).to_string();
        let request = Http::new()
            .get(format!("http://{}/connection/uni_sse", node.address))
            .query(&[("cf_connect", &connect)]);
        let mut stream = Stream::open(request).await;
        assert_eq!(stream.json().await["disconnect"]["code"], code, "{wish}");
    }
    // of channels that come with the token
    let given = token(json!({"sub": "ada", "channels": ["chat:1"]}));
    let mut wire = Wire::open(&node).await;
    let reply = wire
        .ask(json!({"id": 1, "connect": {"token": given, "subs": {"chat:1": filtered_patches}}}))
        .await;
    assert_eq!(reply["error"]["code"], 107, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_that_is_refused_for_good_is_not_told_to_come_back() {
    let node = node().await;
    let nobody = token(json!({"sub": ""}));
    let answer = Http::new()
        .get(format!("http://{}/api/v1/stream", node.address))
        .query(&[("channel", "chat:1")])
        .bearer_auth(nobody)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["code"],
        "live.permission_denied"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_gives_nothing_of_the_past_to_whoever_may_not_resume() {
    let node = node().await;
    for n in [1, 2] {
        node.publish("kept:1", json!(n), &[]).await;
    }
    let request = Http::new()
        .get(format!("http://{}/api/v1/stream", node.address))
        .query(&[("channel", "kept:1"), ("last_event_id", "kept:1@:0")])
        .bearer_auth(of("ada"));
    let mut stream = Stream::open(request).await;
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.starts_with("event: ")) {
        lines.push(stream.line().await);
    }
    assert_eq!(lines.pop().unwrap(), "event: reset");
    assert!(!lines.iter().any(|line| line.starts_with("data: ")), "{lines:?}");
    assert!(stream.json().await["channels"].is_array());
    node.publish("kept:1", json!("the third"), &[]).await;
    let mut line = stream.line().await;
    while !line.starts_with("data: ") {
        line = stream.line().await;
    }
    assert!(line.contains("the third"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_takes_a_channel_from_an_event_stream_by_ending_it() {
    let node = node().await;
    for order in ["unsubscribe", "refresh"] {
        let request = Http::new()
            .get(format!("http://{}/api/v1/stream", node.address))
            .query(&[("channel", "chat:1")])
            .bearer_auth(of("ada"));
        let mut stream = Stream::open(request).await;
        stream.line().await;
        let whom = Whom {
            user: Some("ada".to_owned()),
            ..Whom::of(APPLICATION)
        };
        node.tell(if order == "refresh" {
            Order::Refresh {
                whom,
                expired: true,
                expire_at: None,
                info: None,
            }
        } else {
            Order::Unsubscribe {
                whom,
                channel: "chat:1".into(),
                code: 2000,
                reason: "tidied up".into(),
            }
        })
        .await;
        let mut line = stream.line().await;
        // who is there is told first
        while !line.starts_with("event: ") || line == "event: presence" || line == "event: join" {
            line = stream.line().await;
        }
        assert_eq!(line, "event: end", "{order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_send_headers_of_its_own_where_it_may_connect_at_all() {
    let node = Node::serving(&[SETTINGS, &[("ALLOWED_ORIGINS", "https://app.example.com")]].concat()).await;
    let ask = async |origin: &str| {
        let request = Http::new()
            .request(
                reqwest::Method::OPTIONS,
                format!("http://{}/connection/http_stream", node.address),
            )
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-of-the-app");
        request.send().await.unwrap()
    };
    let told = ask("https://app.example.com").await;
    assert_eq!(told.headers()["access-control-allow-headers"], "x-of-the-app");
    assert_eq!(
        told.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
    assert_eq!(ask("https://evil.example.com").await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_connect_may_read_an_event_stream_with_a_token_of_its_own() {
    let node = Node::serving(&[SETTINGS, &[("ALLOWED_ORIGINS", "https://app.example.com")]].concat()).await;
    let url = format!("http://{}/api/v1/stream?channel=chat:1", node.address);
    let ask = async |origin: &str| {
        let request = Http::new()
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        request.send().await.unwrap()
    };
    let told = ask("https://app.example.com").await;
    assert_eq!(
        (
            told.status().as_u16(),
            &told.headers()["access-control-allow-headers"]
        ),
        (204, &"authorization".parse().unwrap())
    );
    assert_eq!(ask("https://evil.example.com").await.status(), 403);
    let opened = Http::new()
        .get(&url)
        .header("origin", "https://app.example.com")
        .bearer_auth(of("ada"));
    let opened = opened.send().await.unwrap();
    assert_eq!(opened.status(), 200);
    assert_eq!(
        opened.headers()["access-control-allow-origin"],
        "https://app.example.com"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transports_that_nobody_switched_on_are_not_there() {
    let node = Node::start().await;
    for path in [
        "connection/http_stream",
        "connection/sse",
        "connection/uni_sse",
        "emulation",
    ] {
        let post = Http::new()
            .post(format!("http://{}/{path}", node.address))
            .body("{}");
        assert_eq!(post.send().await.unwrap().status(), 404, "{path}");
    }
    let init = Http::new()
        .get(format!("http://{}/connection/init", node.address))
        .send()
        .await
        .unwrap();
    assert_eq!(init.json::<Value>().await.unwrap(), json!({}));
}
