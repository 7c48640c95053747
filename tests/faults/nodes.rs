//! Three nodes: what is done through one reaches what is open on the others.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::followers;
use super::relay::cluster::{Cluster, PATIENT, until};

const EMAIL: &str = "member@example.com";
const PASSWORD: &str = "a password of a member 42";
const PATIENCE: Duration = Duration::from_secs(30);

/// A member's connection that follows the people.
pub struct Member {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: String,
    /// Frames may hold several messages.
    waiting: VecDeque<Value>,
}

impl Member {
    pub async fn connect(url: &str, token: &str) -> Self {
        let url = format!("{}/connection/websocket", url.replacen("http", "ws", 1));
        let (socket, _) = connect_async(url).await.unwrap();
        let mut member = Self {
            socket,
            id: String::new(),
            waiting: VecDeque::new(),
        };
        member.say(json!({"id": 1, "connect": {"token": token}})).await;
        let connected = member.next().await.unwrap();
        connected["connect"]["client"]
            .as_str()
            .unwrap()
            .clone_into(&mut member.id);
        member
            .say(json!({"id": 2, "subscribe": {"channel": "feed:users"}}))
            .await;
        let subscribed = member.next().await.unwrap();
        assert!(subscribed["subscribe"].is_object(), "{subscribed}");
        member
    }

    async fn say(&mut self, command: Value) {
        self.socket
            .send(Message::text(command.to_string()))
            .await
            .unwrap();
    }

    /// The next message; or the code it was closed with, and why.
    async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            while let Some(told) = self.waiting.pop_front() {
                if told != json!({}) {
                    return Ok(told);
                }
                self.say(told).await;
            }
            let told = tokio::time::timeout(PATIENCE, self.socket.next());
            match told.await.expect("nothing is told").unwrap().unwrap() {
                Message::Close(Some(frame)) => return Err((frame.code.into(), frame.reason.to_string())),
                Message::Text(text) => {
                    let lines = text
                        .lines()
                        .map(|line| serde_json::from_str::<Value>(line).unwrap());
                    self.waiting.extend(lines);
                }
                _ => {}
            }
        }
    }

    /// The next event of that type that fits.
    async fn told_of(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut told = self.next().await.unwrap();
            let event = told["push"]["pub"]["data"].take();
            if event["type"] == kind && fits(&event) {
                return event;
            }
        }
    }

    /// The code it is closed with, whatever is told before.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }

    /// The code with which the people are taken from it.
    async fn unsubscribed(&mut self) -> Value {
        loop {
            let told = self.next().await.unwrap();
            let push = &told["push"];
            if push["channel"] == "feed:users" && push["unsubscribe"].is_object() {
                return push["unsubscribe"]["code"].clone();
            }
        }
    }
}

/// Follows the people over an event stream; resolves to all it said once it has ended.
async fn stream(url: &str, token: &str) -> impl Future<Output = String> + use<> {
    let stream = followers::stream(url, token).await;
    async move {
        tokio::time::timeout(PATIENCE, stream)
            .await
            .expect("the stream does not end")
    }
}

async fn ask(cluster: &Cluster, node: usize, method: Method, token: &str, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1{path}", cluster.nodes[node].url);
    loop {
        let request = crate::harness::client().request(method.clone(), &url);
        let answer = request.bearer_auth(token).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        // a node too busy to answer the others within a second is asked again
        if status != StatusCode::SERVICE_UNAVAILABLE {
            assert!(status.is_success(), "{path}: {status} {text}");
            return serde_json::from_str(&text).unwrap_or_default();
        }
    }
}

/// A member who may see people; their id.
async fn member(cluster: &Cluster, owner: &str) -> String {
    let roles = ask(cluster, 0, Method::GET, owner, "/roles", json!({})).await;
    let roles = roles["items"].as_array().unwrap();
    let viewer = roles.iter().find(|role| role["name"] == "viewer").unwrap();
    let body = json!({"email": EMAIL, "name": "Member", "password": PASSWORD, "roles": [viewer["id"]]});
    let made = cluster.post(0, owner, "/users", body).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_a_role_or_a_session_loses_what_it_opened_on_every_node() {
    let cluster = Cluster::start(3, PATIENT).await;
    let owner = cluster.sign_in().await;
    let id = member(&cluster, &owner).await;
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for node in &cluster.nodes {
        sockets.push(Member::connect(&node.url, &token).await);
        streams.push(stream(&node.url, &token).await);
    }
    let path = format!("/users/{id}/roles");
    ask(&cluster, 1, Method::PUT, &owner, &path, json!({"roles": []})).await;
    for socket in &mut sockets {
        assert_eq!(socket.unsubscribed().await, 2103);
    }
    for said in futures::future::join_all(streams).await {
        assert!(said.contains("event: end"), "{said}");
    }
    let sessions = format!("/users/{id}/sessions");
    let sessions = ask(&cluster, 2, Method::GET, &owner, &sessions, json!({})).await;
    let session = sessions["items"][0]["id"].as_str().unwrap();
    ask(
        &cluster,
        2,
        Method::DELETE,
        &owner,
        &format!("/sessions/{session}"),
        json!({}),
    )
    .await;
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 4500);
    }
    for node in &cluster.nodes {
        let asked = crate::harness::client().get(format!("{}/api/v1/me", node.url));
        let refused = asked.bearer_auth(&token).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_connections_of_all_nodes_and_ends_one_on_whichever_it_is() {
    let mut cluster = Cluster::start(3, PATIENT).await;
    let owner = cluster.sign_in().await;
    let id = member(&cluster, &owner).await;
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let mut members = Vec::new();
    for node in &cluster.nodes {
        members.push(Member::connect(&node.url, &token).await);
    }
    let list = format!("/live/connections?user={id}");
    let seen = async |cluster: &Cluster| ask(cluster, 0, Method::GET, &owner, &list, json!({})).await;
    let mut page = Value::Null;
    for node in 0..cluster.nodes.len() {
        until("the node knows of all others", async || {
            page = ask(&cluster, node, Method::GET, &owner, &list, json!({})).await;
            page["total"] == 3
        })
        .await;
    }
    let nodes: BTreeSet<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["node"].to_string())
        .collect();
    assert_eq!(nodes.len(), 3, "{page}");
    assert_eq!(page["items"][0]["user_name"], "Member");
    let one = ask(
        &cluster,
        1,
        Method::GET,
        &owner,
        &format!("/live/connections/{}", members[2].id),
        json!({}),
    )
    .await;
    assert_eq!(one["subscriptions"], json!(["feed:users"]));
    let end = format!("/live/connections/{}/disconnect", members[2].id);
    let why = json!({"reason": "Please sign in again."});
    ask(&cluster, 1, Method::POST, &owner, &end, why).await;
    assert_eq!(
        members[2].closed().await,
        (3503, "Please sign in again.".to_owned())
    );
    let end = format!("/live/connections/{}/disconnect", members[0].id);
    let why = json!({"reason": "Come back.", "reconnect": true});
    ask(&cluster, 1, Method::POST, &owner, &end, why).await;
    assert_eq!(members[0].closed().await.0, 3011);
    let mut looker = Member::connect(&cluster.nodes[2].url, &owner).await;
    looker
        .say(json!({"id": 3, "subscribe": {"channel": "feed:live"}}))
        .await;
    let told = looker.told_of("live.nodes", |event| {
        let items = event["items"].as_array().unwrap();
        items.len() == 3
            && items
                .iter()
                .map(|node| node["connections"].as_u64().unwrap())
                .sum::<u64>()
                == 2
    });
    let told = told.await;
    assert_eq!(
        (&told["missing"], &told["offset"]),
        (&json!([]), &Value::Null),
        "{told}"
    );
    drop(looker);
    until("only one is left", async || seen(&cluster).await["total"] == 1).await;
    let channels = async || {
        let path = "/live/channels?q=USERS";
        ask(&cluster, 2, Method::GET, &owner, path, json!({})).await
    };
    until("its channel has one follower", async || {
        channels().await["items"][0]["subscribers"] == 1
    })
    .await;

    // a node that died is missing as long as its lease stands, and then gone
    cluster.nodes[1].kill();
    let killed = Instant::now();
    let nodes = async || ask(&cluster, 0, Method::GET, &owner, "/live/nodes", json!({})).await;
    let count = |nodes: &Value, of: &str| nodes[of].as_array().unwrap().len();
    let at_once = nodes().await;
    // unless the answer came so late that the lease may have run out
    let late = killed.elapsed() > Duration::from_secs(2);
    assert!(count(&at_once, "missing") > 0 || late, "{at_once}");
    until("nobody waits for it", async || {
        let nodes = nodes().await;
        (count(&nodes, "items"), count(&nodes, "missing")) == (2, 0)
    })
    .await;
}
