//! Live delivery by the real program: the npm client and an event stream see what happens through the API, and a hub
//! that is killed costs them nothing.

mod cable;
pub mod driver;
pub mod identity;
mod places;
mod polled;
mod providers;
mod sessions;
mod sign_ins;
mod views;

use std::process::Command;
use std::time::{Duration, Instant};

use driver::Sdk;
use futures::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::services::hub::{Folder, Hub, eventually, signalbox, sql};

const OWNER: &str = "owner@example.com";
const PASSWORD: &str = "correct horse battery";

struct Desk {
    hub: Hub,
    folder: Folder,
    token: String,
}

impl Desk {
    async fn open() -> Self {
        let folder = Folder::new();
        let mut hub = Hub::launch(program(), folder.path());
        hub.wait_until_ready();
        let mut desk = Self {
            hub,
            folder,
            token: String::new(),
        };
        desk.token = desk.sign_in(OWNER).await;
        desk
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        crate::harness::client().request(method, format!("http://{}/api/v1{path}", self.hub.address))
    }

    async fn act(&self, path: &str, body: Value) -> Value {
        let answer = self
            .ask(Method::POST, path)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn sign_in(&self, email: &str) -> String {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self
            .ask(Method::POST, "/auth/login")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "signing {email} in");
        answer.json::<Value>().await.unwrap()["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Somebody new; their id.
    async fn person(&self, name: &str, roles: &[&str]) -> String {
        let known = self
            .ask(Method::GET, "/roles")
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        let known: Value = known.json().await.unwrap();
        let named = |role: &&Value| roles.contains(&role["name"].as_str().unwrap());
        let roles: Vec<_> = known["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(named)
            .map(|role| &role["id"])
            .collect();
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "name": name, "phone": "+1 555 0100", "password": PASSWORD, "roles": roles});
        self.act("/users", body).await["id"].as_str().unwrap().to_owned()
    }

    async fn stream(&self, token: &str, last: Option<&str>) -> Response {
        let mut request = self
            .ask(Method::GET, "/stream?channel=feed:users")
            .bearer_auth(token);
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    /// Waits until everything that has happened is told: whoever subscribes then hears only what comes.
    fn settled(&self) {
        eventually("everything is told", || {
            let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
            sql(self.folder.path(), waiting) == "0"
        });
    }

    /// Kills the hub and starts it again at the same address.
    fn kill_and_restart(&mut self) {
        let address = self.hub.address.clone();
        self.hub.signal(Signal::SIGKILL);
        self.hub.ended();
        self.hub = Hub::launch_at(&address, program(), self.folder.path());
        self.hub.wait_until_ready();
    }
}

fn program() -> Command {
    let mut command = signalbox();
    command
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", OWNER)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD);
    command
}

/// The names of the people that publications are about, in the order in which they come.
async fn names(sdk: &mut Sdk, count: usize) -> Vec<String> {
    let mut names = vec![];
    while names.len() < count {
        let told = sdk.told_of("publication").await;
        assert_eq!(told["data"]["type"], "user.created", "{told}");
        names.push(told["data"]["patch"]["name"].as_str().unwrap().to_owned());
    }
    names
}

/// Reads an event stream until `count` events about people have come; their data, and the last id.
async fn events(answer: Response, count: usize) -> (Vec<Value>, String) {
    let mut body = answer.bytes_stream();
    let (mut text, mut events, mut id) = (String::new(), vec![], String::new());
    while events.len() < count {
        while let Some((line, rest)) = text.split_once('\n') {
            if let Some(new) = line.strip_prefix("id: ") {
                new.clone_into(&mut id);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                events.push(serde_json::from_str(data).unwrap());
            }
            text = rest.to_owned();
        }
        if events.len() < count {
            let more = tokio::time::timeout(Duration::from_mins(1), body.next())
                .await
                .expect("no event came");
            text.push_str(std::str::from_utf8(&more.unwrap().unwrap()).unwrap());
        }
    }
    (events, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_resume_without_gap_after_the_hub_was_killed_and_started_again() {
    let mut desk = Desk::open().await;
    let mut sdk = Sdk::start(&desk.hub.address, &desk.token);
    sdk.told_of("connected").await;
    sdk.order(json!({"subscribe": "feed:users"})).await;
    assert_eq!(sdk.told_of("subscribed").await["recoverable"], true);
    let stream = desk.stream(&desk.token, None).await;
    for name in ["ada", "bob"] {
        desk.person(name, &["user"]).await;
    }
    assert_eq!(names(&mut sdk, 2).await, ["ada", "bob"]);
    let (seen, id) = events(stream, 2).await;
    assert_eq!(
        (&seen[0]["channel"], &seen[1]["patch"]["name"]),
        (&json!("feed:users"), &json!("bob"))
    );
    for round in ["first", "second"] {
        desk.kill_and_restart();
        // before the client is back, most likely, and in any case once
        let (one, two) = (format!("{round}-one"), format!("{round}-two"));
        desk.person(&one, &["user"]).await;
        desk.person(&two, &["user"]).await;
        assert_eq!(names(&mut sdk, 2).await, [one, two]);
    }
    let (missed, _) = events(desk.stream(&desk.token, Some(&id)).await, 4).await;
    let missed: Vec<_> = missed
        .iter()
        .map(|event| event["patch"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(missed, ["first-one", "first-two", "second-one", "second-two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_masked_events_and_only_the_channels_of_their_rights_and_a_ban_ends_it_all() {
    let desk = Desk::open().await;
    let viewer = desk.person("vera", &["viewer"]).await;
    let plain = desk.person("paul", &["user"]).await;
    let token = desk.sign_in("vera@example.com").await;
    desk.settled();
    let mut sdk = Sdk::start(&desk.hub.address, &token);
    sdk.told_of("connected").await;
    sdk.order(json!({"subscribe": "feed:users"})).await;
    sdk.told_of("subscribed").await;
    sdk.order(json!({"subscribe": "feed:nothing"})).await;
    assert_eq!(
        sdk.told().await,
        json!({"event": "unsubscribed", "channel": "feed:nothing", "code": 102})
    );
    let stream = desk.stream(&token, None).await;

    let mut other = Sdk::start(&desk.hub.address, &desk.sign_in("paul@example.com").await);
    other.told_of("connected").await;
    other.order(json!({"subscribe": "feed:users"})).await;
    assert_eq!(
        other.told().await,
        json!({"event": "unsubscribed", "channel": "feed:users", "code": 103})
    );

    desk.person("newcomer", &["user"]).await;
    let told = sdk.told_of("publication").await["data"].clone();
    let (streamed, id) = events(stream, 1).await;
    for event in [&told, &streamed[0]] {
        assert_eq!(event["patch"]["name"], "newcomer", "{event}");
        assert_eq!(
            (&event["patch"]["email"], &event["patch"]["phone"]),
            (&Value::Null, &Value::Null)
        );
        assert!(
            !event.to_string().contains("@example.com") && !event.to_string().contains("555 0100"),
            "{event}"
        );
    }
    assert_eq!(told, streamed[0], "one event, whatever carries it");

    let stream = desk.stream(&token, Some(&id)).await;
    for id in [&viewer, &plain] {
        desk.act(&format!("/users/{id}/ban"), json!({"reason": "a test"}))
            .await;
    }
    assert_eq!(sdk.told_of("disconnected").await["code"], 4501);
    assert_eq!(other.told_of("disconnected").await["code"], 4501);
    let rest = tokio::time::timeout(Duration::from_mins(1), stream.text())
        .await
        .expect("the stream does not end");
    let rest = rest.unwrap();
    assert!(rest.contains("event: end\ndata: {\"code\":4501"), "{rest}");
    let refused = desk
        .ask(Method::GET, "/stream?channel=feed:users")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_connects_the_instant_readiness_is_green_is_served() {
    let mut desk = Desk::open().await;
    for _ in 0..3 {
        desk.hub.signal(Signal::SIGKILL);
        desk.hub.ended();
        let address = desk.hub.address.clone();
        desk.hub = Hub::launch_at(&address, program(), desk.folder.path());
        // the address as it will be: what is said of it is not waited for
        desk.hub.address.clone_from(&address);
        let until = Instant::now() + Duration::from_mins(1);
        while desk.hub.get("/readyz") != 200 {
            assert!(Instant::now() < until, "never ready");
        }
        let url = format!("ws://{address}/connection/websocket");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let connect = json!({"id": 1, "connect": {"token": desk.token}}).to_string();
        socket.send(Message::text(connect)).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
        assert!(answer["connect"]["client"].is_string(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stops_sends_its_clients_elsewhere_and_does_not_wait_for_them() {
    let desk = Desk::open().await;
    let mut sdk = Sdk::start(&desk.hub.address, &desk.token);
    sdk.told_of("connected").await;
    let stream = desk.stream(&desk.token, None).await;
    let began = Instant::now();
    desk.hub.stop();
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    let rest = stream.text().await.unwrap_or_default();
    assert!(!rest.contains("event: end"), "coming back helps: {rest}");
}
