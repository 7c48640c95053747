//! What hangs on a session: tickets that open it where no header can be set, and how many connections it has, told live.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Desk, OWNER, PASSWORD, program};
use crate::services::hub::{Folder, Hub};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_mins(1);

/// A hub that says as much of itself as an operator would have it say.
async fn talkative() -> Desk {
    let folder = Folder::new();
    let mut command = program();
    command.env("SIGNALBOX__LOG__LEVEL", "debug");
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let mut desk = Desk {
        hub,
        folder,
        token: String::new(),
    };
    desk.token = desk.sign_in(OWNER).await;
    desk
}

impl Desk {
    async fn ticket(&self, purpose: &str) -> String {
        let made = self.act("/auth/tickets", json!({"purpose": purpose})).await;
        made["ticket"].as_str().unwrap().to_owned()
    }

    /// Follows the people with nothing but a ticket.
    async fn stream_by(&self, ticket: &str) -> Response {
        let path = format!("/stream?channel=feed:users&ticket={ticket}");
        self.ask(Method::GET, &path).send().await.unwrap()
    }

    /// Connects with what is in the address and `connect`; what is answered.
    async fn socket(&self, query: &str, connect: Value) -> (Socket, Value) {
        let url = format!("ws://{}/connection/websocket{query}", self.hub.address);
        let (mut socket, _) = connect_async(url).await.unwrap();
        let command = json!({"id": 1, "connect": connect});
        socket.send(Message::text(command.to_string())).await.unwrap();
        let answer = next(&mut socket).await;
        (socket, answer)
    }
}

impl Desk {
    /// How many connections of a transport its metrics count.
    async fn connections(&self, transport: &str) -> u64 {
        let url = format!("http://{}/metrics", self.hub.address);
        let asked = crate::harness::client().get(url).send().await.unwrap();
        let text = asked.text().await.unwrap();
        let named = format!("signalbox_live_connections{{transport=\"{transport}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&named));
        line.unwrap_or_else(|| panic!("no {named}in {text}"))
            .parse()
            .unwrap()
    }
}

/// The next message; of a close, its code.
async fn next(socket: &mut Socket) -> Value {
    loop {
        let told = tokio::time::timeout(PATIENCE, socket.next());
        match told.await.expect("nothing is told") {
            Some(Ok(Message::Text(text))) if text.as_str() != "{}" => {
                return serde_json::from_str(text.lines().next().unwrap()).unwrap();
            }
            Some(Ok(Message::Close(Some(frame)))) => return json!({"closed": u16::from(frame.code)}),
            Some(Ok(_)) => {}
            gone => panic!("{gone:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_or_one_socket_ends_with_its_session_and_is_never_logged() {
    let mut desk = talkative().await;
    let ticket = desk.ticket("stream").await;
    let stream = desk.stream_by(&ticket).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let again = desk.stream_by(&ticket).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED, "a second time");

    let for_socket = desk.ticket("socket").await;
    let (mut socket, answer) = desk.socket(&format!("?ticket={for_socket}"), json!({})).await;
    assert!(answer["connect"]["client"].is_string(), "{answer}");
    assert!(
        answer["connect"].get("expires").is_none(),
        "the session decides how long it lasts"
    );
    let other = desk.ticket("stream").await;
    for wrong in [&for_socket, &other] {
        let (_, answer) = desk.socket(&format!("?ticket={wrong}"), json!({})).await;
        assert_eq!(answer["closed"], 3500, "{answer}");
    }
    let socket_for_stream = desk.ticket("socket").await;
    let refused = desk.stream_by(&socket_for_stream).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    // what a ticket opened hangs on the session that asked for it
    let ended = desk.ask(Method::POST, "/auth/logout").bearer_auth(&desk.token);
    assert_eq!(ended.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(next(&mut socket).await["closed"], 4500);
    let rest = tokio::time::timeout(PATIENCE, stream.text())
        .await
        .expect("the stream does not end");
    assert!(rest.unwrap().contains("event: end\ndata: {\"code\":4500"));
    let said = desk.hub.said();
    assert!(
        said.contains("answered"),
        "the log is not what it should be: {said}"
    );
    for ticket in [&ticket, &for_socket, &other, &socket_for_stream] {
        assert!(!said.contains(ticket.as_str()), "a ticket is in the log");
    }
}

/// The next count of connections on `session` that `wanted` holds of.
async fn counted(
    lines: &mut (impl StreamExt<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    text: &mut String,
    session: &str,
    wanted: u64,
) {
    let reading = async {
        loop {
            while let Some((line, rest)) = text.split_once('\n') {
                let data = line.strip_prefix("data: ").map(str::to_owned);
                *text = rest.to_owned();
                let event: Option<Value> = data.and_then(|data| serde_json::from_str(&data).ok());
                let Some(event) = event.filter(|event| event["type"] == "session.sockets") else {
                    continue;
                };
                if event["sockets"][session].as_u64().unwrap_or_default() == wanted {
                    return;
                }
            }
            let more = lines.next().await.expect("the stream ends").unwrap();
            text.push_str(std::str::from_utf8(&more).unwrap());
        }
    };
    let within = tokio::time::timeout(PATIENCE, reading).await;
    within.unwrap_or_else(|_| panic!("never {wanted} connections on {session}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_more_or_less_shows_to_who_looks_at_the_sessions_without_asking_again() {
    let desk = Desk::open().await;
    let vera = desk.person("vera", &["user"]).await;
    let login = json!({"email": "vera@example.com", "password": PASSWORD});
    let tokens: Value = desk
        .ask(Method::POST, "/auth/login")
        .json(&login)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let (token, session) = (
        tokens["access_token"].as_str().unwrap().to_owned(),
        tokens["session_id"].as_str().unwrap().to_owned(),
    );
    let follow = async |token: &str, channel: &str| {
        let path = format!("/stream?channel={channel}");
        desk.ask(Method::GET, &path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(
        follow(&token, "feed:sessions").await.status(),
        StatusCode::FORBIDDEN
    );
    let of_owner = follow(&token, &format!("sessions:{}", uuid::Uuid::new_v4())).await;
    assert_eq!(of_owner.status(), StatusCode::FORBIDDEN, "somebody else's");
    let mut all = follow(&desk.token, "feed:sessions").await.bytes_stream();
    let mut own = follow(&token, &format!("sessions:{vera}")).await.bytes_stream();
    let (mut of_all, mut of_own) = (String::new(), String::new());
    // her event stream is the first
    counted(&mut all, &mut of_all, &session, 1).await;
    let (socket, _) = desk.socket("", json!({"token": token})).await;
    counted(&mut all, &mut of_all, &session, 2).await;
    counted(&mut own, &mut of_own, &session, 2).await;
    let listed: Value = desk
        .ask(Method::GET, "/me/sessions")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(listed["items"][0]["sockets"], 2);
    drop(socket);
    counted(&mut own, &mut of_own, &session, 1).await;
    counted(&mut all, &mut of_all, &session, 1).await;
    drop(own);
    counted(&mut all, &mut of_all, &session, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_refused_says_to_whoever_may_ask_who_it_was_and_for_want_of_what() {
    let desk = Desk::open().await;
    let id = desk.person("paul", &["user"]).await;
    let token = desk.sign_in("paul@example.com").await;
    let asked = desk
        .ask(Method::GET, "/stream?channel=feed:users")
        .bearer_auth(&token);
    let refused = asked.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["code"], "live.permission_denied");
    let path = format!("/explanations/{}", refused["explain_id"].as_str().unwrap());
    let asked = desk.ask(Method::GET, &path).bearer_auth(&desk.token);
    let told: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&told["user"], &told["explanation"]["permission"]),
        (&json!(id), &json!("users:read")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_must_choose_a_new_password_first_follows_nothing_until_they_have() {
    let desk = Desk::open().await;
    let id = desk.person("paul", &["viewer"]).await;
    let reset = desk.act(&format!("/users/{id}/reset_password"), json!({})).await;
    let word = json!({"email": "paul@example.com", "password": reset["one_time_password"]});
    let tokens = desk
        .ask(Method::POST, "/auth/login")
        .json(&word)
        .send()
        .await
        .unwrap();
    let tokens: Value = tokens.json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    for channel in [
        format!("inbox:{id}"),
        format!("sessions:{id}"),
        "feed:users".to_owned(),
    ] {
        let path = format!("/stream?channel={channel}");
        let refused = desk
            .ask(Method::GET, &path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{channel}");
        let (mut socket, answer) = desk.socket("", json!({"token": token})).await;
        assert!(answer["connect"].is_object(), "{answer}");
        let subscribe = json!({"id": 2, "subscribe": {"channel": channel}});
        socket.send(Message::text(subscribe.to_string())).await.unwrap();
        assert_eq!(next(&mut socket).await["error"]["code"], 103, "{channel}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_somebody_else_uses_again_ends_what_is_open_of_its_session_and_of_no_other() {
    let desk = Desk::open().await;
    desk.person("rita", &["viewer"]).await;
    let sign_in = json!({"email": "rita@example.com", "password": PASSWORD});
    let post = async |path: &str, program: &str, body: &Value| {
        let asked = desk.ask(Method::POST, path).header("user-agent", program);
        let answer = asked.json(body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (_, first) = post("/auth/login", "her browser", &sign_in).await;
    let (_, other) = post("/auth/login", "her telephone", &sign_in).await;
    let token = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
    let (mut socket, _) = desk.socket("", json!({"token": token(&first)})).await;
    let (mut kept, _) = desk.socket("", json!({"token": token(&other)})).await;
    let stream = desk.stream(&token(&first), None).await;

    let held = json!({"refresh_token": first["refresh_token"]});
    let (status, next_of_family) = post("/auth/refresh", "her browser", &held).await;
    assert_eq!(status, StatusCode::OK, "{next_of_family}");
    let (mut renewed, _) = desk.socket("", json!({"token": token(&next_of_family)})).await;
    signalbox_core::testing::eventually("all that is open is counted", async || {
        desk.connections("websocket").await >= 3 && desk.connections("event_stream").await == 1
    })
    .await;

    let (status, refused) = post("/auth/refresh", "a thief", &held).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::UNAUTHORIZED, &json!("auth.refresh_reused"))
    );
    for socket in [&mut socket, &mut renewed] {
        assert_eq!(next(socket).await["closed"], 4500);
    }
    let rest = tokio::time::timeout(PATIENCE, stream.text())
        .await
        .expect("the stream does not end");
    assert!(rest.unwrap().contains("event: end\ndata: {\"code\":4500"));
    // what she opened by another sign-in stays, and is all that is counted
    kept.send(Message::text(
        json!({"id": 2, "subscribe": {"channel": "feed:users"}}).to_string(),
    ))
    .await
    .unwrap();
    assert!(next(&mut kept).await["subscribe"].is_object());
    for (transport, left) in [("websocket", 1), ("event_stream", 0)] {
        let counted = async || desk.connections(transport).await == left;
        signalbox_core::testing::eventually("nothing else is counted", counted).await;
    }
}
