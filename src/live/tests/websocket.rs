use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::super::client::Timing;
use super::super::protocol::Disconnect;
use super::Node;
use signalbox_core::testing::eventually;

/// A client that knows nothing but JSON lines.
pub(super) struct Wire {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) lines: Vec<Value>,
}

impl Wire {
    pub(super) async fn try_open(
        node: &Node,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Option<String>), Error> {
        let mut request = format!("ws://{}/connection/websocket", node.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(node.address).await.unwrap();
        let (socket, response) = client_async(request, stream).await?;
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
        Ok((
            Self {
                socket,
                lines: vec![],
            },
            protocol,
        ))
    }

    pub(super) async fn open(node: &Node) -> Self {
        Self::try_open(node, &[]).await.unwrap().0
    }

    /// Signed in with a token.
    pub(super) async fn signed_in(node: &Node, token: &str) -> Self {
        let mut wire = Self::open(node).await;
        let reply = wire.ask(json!({"id": 1, "connect": {"token": token}})).await;
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        wire
    }

    pub(super) async fn following(node: &Node, token: &str) -> Self {
        let mut wire = Self::signed_in(node, token).await;
        let reply = wire
            .ask(json!({"id": 2, "subscribe": {"channel": "feed:users"}}))
            .await;
        assert_eq!(reply["subscribe"]["recoverable"], true, "{reply}");
        wire
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn ask(&mut self, command: Value) -> Value {
        self.say(&command.to_string()).await;
        // what was pushed before it is still to be heard
        let mut before = Vec::new();
        loop {
            let next = self.next().await.unwrap();
            if next["id"] == command["id"] {
                self.lines.splice(0..0, before);
                return next;
            }
            before.push(next);
        }
    }

    /// The next message, or the close code.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            if !self.lines.is_empty() {
                return Ok(self.lines.remove(0));
            }
            let message = tokio::time::timeout(Duration::from_secs(20), self.socket.next());
            match message.await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => {
                    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
                    self.lines.extend(lines);
                }
                Some(Ok(Message::Close(Some(close)))) => return Err(close.code.into()),
                Some(Ok(_)) => {}
                other => panic!("the connection broke: {other:?}"),
            }
        }
    }

    /// The close code, whatever comes before it.
    pub(super) async fn close(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// The data of the next publication.
    pub(super) async fn publication(&mut self) -> Value {
        loop {
            let push = self.next().await.unwrap();
            if push == json!({}) {
                self.say("{}").await;
                continue;
            }
            assert_eq!(push["push"]["channel"], "feed:users", "{push}");
            return push["push"]["pub"]["data"].clone();
        }
    }
}

fn error(id: u32, code: u32) -> Value {
    json!({"id": id, "code": code})
}

fn short(reply: &Value) -> Value {
    json!({"id": reply["id"], "code": reply["error"]["code"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_a_follower_in_order_and_masked_for_who_may_not_read_them_all() {
    let node = Node::start().await;
    node.person("full", &["users:read", "users:read_pii"]);
    node.person("masked", &["users:read"]);
    let (mut full, mut masked) = (
        Wire::following(&node, "full").await,
        Wire::following(&node, "masked").await,
    );
    node.happen(3).await;
    for n in 1..=3 {
        let seen = full.publication().await;
        assert_eq!(
            (&seen["n"], &seen["offset"], &seen["channel"]),
            (&json!(n), &json!(n), &json!("feed:users"))
        );
        assert_eq!(seen["patch"]["email"], "ada@example.com");
        let seen = masked.publication().await;
        assert_eq!(seen["n"], n);
        assert_eq!(seen["patch"]["masked"], json!(["email", "phone"]));
        assert!(!seen.to_string().contains("example.com") && !seen.to_string().contains("555-0100"));
    }
    node.progress().await;
    let push = full.next().await.unwrap();
    assert_eq!(push["push"]["pub"]["data"]["type"], "counters.changed");
    assert_eq!(push["push"]["pub"].get("offset"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_with_the_subscribe_reply_masked_too() {
    let node = Node::start().await;
    node.person("masked", &["users:read"]);
    node.happen(4).await;
    let mut wire = Wire::signed_in(&node, "masked").await;
    let wish =
        json!({"channel": "feed:users", "recover": true, "epoch": node.epoch(), "offset": 2, "flag": 1});
    let reply = wire.ask(json!({"id": 2, "subscribe": wish})).await;
    let result = &reply["subscribe"];
    assert_eq!(
        (&result["recovered"], &result["was_recovering"], &result["offset"]),
        (&json!(true), &json!(true), &json!(2))
    );
    let offsets: Vec<_> = result["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["offset"].clone())
        .collect();
    assert_eq!(offsets, [3, 4]);
    assert!(!reply.to_string().contains("example.com"));
    node.happen(1).await;
    assert_eq!(wire.publication().await["n"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_that_cannot_be_granted_has_its_error() {
    let node = Node::start().await;
    node.person("few", &["users:read"]);
    let mut wire = Wire::signed_in(&node, "few").await;
    let cases = [
        (json!({"subscribe": {"channel": "feed:nothing"}}), 102),
        (json!({"subscribe": {"channel": "nonsense"}}), 102),
        (json!({"subscribe": {"channel": "feed:audit"}}), 103),
        (json!({"presence": {"channel": "feed:users"}}), 108),
        (json!({"rpc": {"method": "x"}}), 108),
        (json!({"publish": {"channel": "feed:users", "data": {}}}), 103),
    ];
    for (n, (mut command, code)) in cases.into_iter().enumerate() {
        command["id"] = json!(n + 10);
        assert_eq!(short(&wire.ask(command).await), error(n as u32 + 10, code));
    }
    assert_eq!(
        wire.ask(json!({"id": 99, "unsubscribe": {"channel": "x"}})).await,
        json!({"id": 99, "unsubscribe": {}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_credential_and_frame_has_its_code() {
    let node = Node::start().await;
    node.person("good", &["users:read"]);
    let mut wire = Wire::open(&node).await;
    assert_eq!(
        short(&wire.ask(json!({"id": 1, "connect": {"token": "expired"}})).await),
        error(1, 109)
    );
    let long = format!("{{\"id\":1,\"rpc\":{{\"data\":\"{}\"}}}}", "x".repeat(70_000));
    for (said, code) in [
        (r#"{"id":1,"connect":{"token":"forged"}}"#, 3500),
        (r#"{"id":1,"connect":{}}"#, 3501),
        (r#"{"id":1,"subscribe":{"channel":"feed:users"}}"#, 3501),
        ("{not json", 3501),
        ("", 3501),
        ("[]", 3501),
        (&*long, 1009),
    ] {
        let mut wire = Wire::open(&node).await;
        wire.say(said).await;
        assert_eq!(wire.close().await, code, "{}", &said[..said.len().min(60)]);
    }
    let mut wire = Wire::signed_in(&node, "good").await;
    wire.socket
        .send(Message::Binary(Bytes::from_static(&[0, 1, 2])))
        .await
        .unwrap();
    assert_eq!(wire.close().await, 3501);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_banned_person_ends_with_4501_and_shows_nothing_more() {
    let node = Node::start().await;
    node.person("bad", &["users:read"]);
    let mut wire = Wire::following(&node, "bad").await;
    node.door.ban("bad");
    node.happen(1).await;
    assert_eq!(wire.next().await, Err(4501));
    let mut again = Wire::open(&node).await;
    again.say(r#"{"id":1,"connect":{"token":"bad"}}"#).await;
    assert_eq!(again.close().await, 3500);
    eventually("the connection is taken off", async || {
        Wire::try_open(&node, &[]).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_change_bite_while_the_socket_stays() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "users:read_pii", "audit:read"]);
    let mut wire = Wire::following(&node, "someone").await;
    wire.ask(json!({"id": 3, "subscribe": {"channel": "feed:audit"}}))
        .await;
    node.door.grant("someone", &["users:read"]);
    let mut told = [wire.next().await.unwrap(), wire.next().await.unwrap()];
    told.sort_by_key(|push| push["push"]["channel"].to_string());
    assert_eq!(told[0]["push"]["unsubscribe"]["code"], 2103);
    assert_eq!(
        (
            &told[1]["push"]["channel"],
            &told[1]["push"]["unsubscribe"]["code"]
        ),
        (&json!("feed:users"), &json!(2502))
    );
    node.happen(1).await;
    let wish = json!({"channel": "feed:users", "recover": true, "epoch": "", "offset": 0});
    let reply = wire.ask(json!({"id": 4, "subscribe": wish})).await;
    assert!(
        reply.to_string().contains("masked") && !reply.to_string().contains("example.com"),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_with_rights_that_have_changed_and_are_not_judged_yet() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "users:read_pii", "jobs:read"]);
    node.happen(2).await;
    let mut wire = Wire::following(&node, "someone").await;
    let judging = node.door.judging.lock().await;
    node.door.grant("someone", &["users:read", "imports:read"]);
    let wish = |id: u32, channel: &str| json!({"id": id, "subscribe": {"channel": channel, "recover": true}});
    // whatever is wanted waits for the judgement
    for (id, channel) in [(4, "feed:jobs"), (5, "feed:imports")] {
        wire.say(&wish(id, channel).to_string()).await;
    }
    let history = json!({"id": 3, "history": {"channel": "feed:users", "limit": -1}});
    wire.say(&history.to_string()).await;
    drop(judging);
    assert_eq!(wire.next().await.unwrap()["push"]["unsubscribe"]["code"], 2502);
    let mut told = [
        wire.next().await.unwrap(),
        wire.next().await.unwrap(),
        wire.next().await.unwrap(),
    ];
    told.sort_by_key(|told| told["id"].as_u64());
    let read = &told[0]["history"]["publications"];
    assert_eq!(read.as_array().unwrap().len(), 2, "{told:?}");
    assert!(!read.to_string().contains("example.com"), "{told:?}");
    assert_eq!(told[1]["error"]["code"], 103, "with the rights of now: {told:?}");
    assert!(told[2]["subscribe"].is_object(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_channels_cannot_be_judged_again_is_sent_back_and_not_told_that_they_are_shut() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    let mut wire = Wire::following(&node, "someone").await;
    node.door.unsure.store(true, Ordering::SeqCst);
    node.door.grant("someone", &["users:read", "jobs:read"]);
    assert_eq!(wire.next().await, Err(Disconnect::ForceReconnect.code()));
}

/// Follows `feed:users` from a place: whether it was resumed, and the place it was told.
async fn resume(node: &Node, token: &str, (epoch, offset): (&str, u64)) -> (bool, (String, u64)) {
    let mut wire = Wire::signed_in(node, token).await;
    let wish = json!({"channel": "feed:users", "recover": true, "epoch": epoch, "offset": offset});
    let reply = wire.ask(json!({"id": 2, "subscribe": wish})).await;
    let result = &reply["subscribe"];
    assert!(
        result["publications"].is_null() || result["recovered"] == true,
        "{reply}"
    );
    let place = (result["epoch"].as_str().unwrap(), &result["offset"]);
    (
        result["recovered"] == true,
        (place.0.to_owned(), place.1.as_u64().unwrap_or_default()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_while_their_rights_changed_is_not_resumed_and_reads_again() {
    let node = Node::start().await;
    let (all, fewer) = (&["users:read", "users:read_pii"][..], &["users:read"][..]);
    node.person("someone", all);
    node.happen(2).await;
    let (_, mut place) = resume(&node, "someone", ("", 0)).await;
    for rights in [fewer, all] {
        node.door.grant("someone", rights);
        node.happen(1).await;
        let (resumed, fresh) = resume(&node, "someone", (&place.0, place.1)).await;
        assert!(!resumed, "{place:?} with {rights:?}");
        node.happen(1).await;
        let (resumed, _) = resume(&node, "someone", (&fresh.0, fresh.1)).await;
        assert!(resumed, "{fresh:?} with {rights:?}");
        // rights that make no difference to what is seen
        node.door.grant("someone", &[rights, &["jobs:read"]].concat());
        (_, place) = resume(&node, "someone", (&fresh.0, fresh.1)).await;
        assert_eq!(place.0, fresh.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_told_by_a_history_is_of_the_same_kind_and_no_history_goes_on_from_that_of_other_rights() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "users:read_pii"]);
    node.happen(3).await;
    let mut wire = Wire::following(&node, "someone").await;
    let told = wire
        .ask(json!({"id": 3, "history": {"channel": "feed:users"}}))
        .await;
    let place = (told["history"]["epoch"].as_str().unwrap().to_owned(), 1);
    assert!(resume(&node, "someone", (&place.0, place.1)).await.0, "{told}");
    let since = json!({"channel": "feed:users", "limit": -1, "since": {"epoch": place.0, "offset": 1}});
    let since = json!({"id": 4, "history": since});
    let read = wire.ask(since.clone()).await;
    assert_eq!(
        read["history"]["publications"].as_array().unwrap().len(),
        2,
        "{read}"
    );
    node.door.grant("someone", &["users:read"]);
    assert_eq!(wire.next().await.unwrap()["push"]["unsubscribe"]["code"], 2502);
    assert_eq!(short(&wire.ask(since).await), error(4, 112));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_is_refused_at_the_door_and_the_subprotocol_is_answered() {
    let node = Node::start().await;
    let here = format!("http://{}", node.address);
    assert!(Wire::try_open(&node, &[("origin", &here)]).await.is_ok());
    let status = |result: Result<(Wire, Option<String>), Error>| match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        _ => 0,
    };
    assert_eq!(
        status(Wire::try_open(&node, &[("origin", "http://evil.example")]).await),
        403
    );
    for protocol in ["centrifuge-json", "centrifuge-protobuf"] {
        let offer = [("sec-websocket-protocol", protocol)];
        let (_, chosen) = Wire::try_open(&node, &offer).await.unwrap();
        assert_eq!(chosen.as_deref(), Some(protocol));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cookie_signs_a_browser_in() {
    let node = Node::start().await;
    node.person("cookie-token", &["users:read"]);
    let here = format!("http://{}", node.address);
    let cookie = "a=b; __Host-signalbox_access=cookie-token";
    let (mut wire, _) = Wire::try_open(&node, &[("origin", &here), ("cookie", cookie)])
        .await
        .unwrap();
    let reply = wire.ask(json!({"id": 1, "connect": {}})).await;
    assert!(
        reply["connect"].get("expires").is_none() && reply["connect"]["ping"] == 25,
        "{reply}"
    );
    // the console shows which node serves it
    assert!(reply["connect"]["data"]["node"].is_string(), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_are_sent_and_a_client_that_does_not_answer_is_let_go() {
    let signed_in = async |ping, pong| {
        let timing = Timing {
            ping: Duration::from_millis(ping),
            pong: Duration::from_millis(pong),
            ..Timing::default()
        };
        let node = Node::start_with(timing).await;
        node.person("someone", &["users:read"]);
        let wire = Wire::signed_in(&node, "someone").await;
        (node, wire)
    };
    // nearly two seconds for an answer: whoever answers at once has them on any machine
    let (_node, mut wire) = signed_in(2_000, 1_900).await;
    for _ in 0..3 {
        assert_eq!(wire.next().await, Ok(json!({})));
        wire.say("{}").await;
    }
    assert_eq!(
        wire.next().await,
        Ok(json!({})),
        "it was let go though it answered"
    );
    let (_node, mut wire) = signed_in(200, 150).await;
    assert_eq!(wire.next().await, Ok(json!({})));
    assert_eq!(wire.next().await, Err(3012));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_is_answered_with_its_own_code() {
    let node = Node::start().await;
    node.person("someone", &["users:read"]);
    for code in [1000, 4001] {
        let mut wire = Wire::following(&node, "someone").await;
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        wire.socket.send(Message::Close(Some(frame))).await.unwrap();
        let told = loop {
            match wire.socket.next().await {
                Some(Ok(Message::Close(told))) => break told,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told.map(|told| u16::from(told.code)), Some(code));
    }
    eventually("nobody is there", async || node.hub.connections() == 0).await;
}
