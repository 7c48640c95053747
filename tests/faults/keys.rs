//! What a program has open by its key, and what anybody has open from an address, ends on every node and by every transport
//! the moment the key is revoked or the address is let in no more; and nothing of it comes back.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, SinkExt, StreamExt};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::relay::cluster::{Cluster, until};

/// Far beyond what is promised: a busy machine is no fault. The promise is measured, not asserted.
const PATIENCE: Duration = Duration::from_mins(1);
const SETTINGS: &[(&str, &str)] = &[
    ("SIGNALBOX__LIVE__TRANSPORTS__HTTP_STREAM", "true"),
    ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
    // nobody here answers pings
    ("SIGNALBOX__LIVE__PING_SECONDS", "600"),
];

/// Somebody who asks from an address, by way of a proxy that the hub trusts.
#[derive(Clone)]
pub struct Caller {
    pub token: String,
    pub from: Option<&'static str>,
}

impl Caller {
    fn request(&self, method: Method, url: String) -> RequestBuilder {
        let request = crate::harness::client().request(method, url);
        let request = if self.token.is_empty() {
            request
        } else {
            request.bearer_auth(&self.token)
        };
        match self.from {
            Some(from) => request
                .header("x-forwarded-for", from)
                .header("x-forwarded-proto", "https"),
            None => request,
        }
    }

    pub async fn ask(
        &self,
        cluster: &Cluster,
        node: usize,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", cluster.nodes[node].url);
        let answer = self.request(method, url).json(&body).send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The status and code with which a request is answered.
    pub async fn look(&self, cluster: &Cluster, node: usize) -> (u16, String) {
        let (status, body) = self.ask(cluster, node, Method::GET, "/me", json!({})).await;
        (
            status.as_u16(),
            body["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// Follows the people over WebSocket; resolves to the code it is closed with. An error: the code at once.
    async fn socket(&self, url: &str) -> Result<BoxFuture<'static, u16>, u16> {
        let url = format!("{}/connection/websocket", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        if let Some(from) = self.from {
            request
                .headers_mut()
                .insert("x-forwarded-for", from.parse().unwrap());
        }
        let (mut socket, _) = connect_async(request).await.unwrap();
        for command in [
            json!({"id": 1, "connect": {"token": self.token}}),
            json!({"id": 2, "subscribe": {"channel": "feed:users"}}),
        ] {
            socket.send(Message::text(command.to_string())).await.unwrap();
            match socket.next().await.unwrap().unwrap() {
                Message::Close(Some(frame)) => return Err(frame.code.into()),
                answer => assert!(!answer.to_text().unwrap().contains("error"), "{answer}"),
            }
        }
        let closed = async move {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                    Some(Ok(_)) => {}
                    ended => panic!("ended without a reason: {ended:?}"),
                }
            }
        };
        Ok(closed.boxed())
    }

    /// Follows the people over an HTTP stream of the protocol; resolves to all it said once it has ended.
    async fn http_stream(&self, url: &str) -> BoxFuture<'static, String> {
        let commands = [
            json!({"id": 1, "connect": {"token": self.token}}).to_string(),
            json!({"id": 2, "subscribe": {"channel": "feed:users"}}).to_string(),
        ];
        let mut request = crate::harness::client().post(format!("{url}/connection/http_stream"));
        if let Some(from) = self.from {
            request = request.header("x-forwarded-for", from);
        }
        read(request.body(commands.join("\n")), "\"subscribe\"").await
    }

    /// Follows the people over a plain event stream; resolves to all it said once it has ended.
    async fn event_stream(&self, url: &str) -> BoxFuture<'static, String> {
        let url = format!("{url}/api/v1/stream?channel=feed:users");
        read(self.request(Method::GET, url), "\n").await
    }

    /// One of each kind on every node; each resolves to the code it ends with.
    pub async fn open(&self, cluster: &Cluster) -> Vec<BoxFuture<'static, u16>> {
        let mut open = Vec::new();
        for node in &cluster.nodes {
            open.push(self.socket(&node.url).await.unwrap());
            for stream in [
                self.http_stream(&node.url).await,
                self.event_stream(&node.url).await,
            ] {
                open.push(stream.map(|said| code_in(&said)).boxed());
            }
        }
        open
    }
}

/// Reads a stream that flows: until it has said `first`, then to its end.
async fn read(request: RequestBuilder, first: &'static str) -> BoxFuture<'static, String> {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut chunks = answer.bytes_stream();
    let mut text = String::new();
    while !text.contains(first) {
        text += &String::from_utf8_lossy(&chunks.next().await.expect("it ended early").unwrap());
    }
    async move {
        while let Some(Ok(chunk)) = chunks.next().await {
            text += &String::from_utf8_lossy(&chunk);
        }
        text
    }
    .boxed()
}

/// The last code that a stream told.
fn code_in(said: &str) -> u16 {
    let code = said.rsplit("\"code\":").next().unwrap_or_default();
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no code in {said}"))
}

pub async fn ended(open: Vec<BoxFuture<'static, u16>>) -> Vec<u16> {
    let all = tokio::time::timeout(PATIENCE, join_all(open)).await;
    all.unwrap_or_else(|_| panic!("something is open after {PATIENCE:?}"))
}

pub async fn owner(cluster: &Cluster) -> Caller {
    Caller {
        token: cluster.sign_in().await,
        from: None,
    }
}

/// A key of the owner's; its id, and whoever has it.
async fn key(cluster: &Cluster, owner: &Caller) -> (String, Caller) {
    let new = json!({"name": "Test", "scopes": ["users:read"]});
    let (status, made) = owner.ask(cluster, 1, Method::POST, "/api_keys", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let program = Caller {
        token: made["secret"].as_str().unwrap().to_owned(),
        from: None,
    };
    (made["id"].as_str().unwrap().to_owned(), program)
}

/// Each node has measured as many cuts as that at least.
pub async fn measured(cluster: &Cluster, times: usize) {
    for number in 0..cluster.nodes.len() {
        // counted right after what it measures
        until("the node has measured each", async || {
            let count = cluster.gauge_of(number, "signalbox_revocation_cutoff_seconds_count");
            count.await as usize >= times
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_what_is_open_by_it_on_every_node_and_transport_and_is_refused_everywhere() {
    let cluster = Cluster::start_with(3, SETTINGS).await;
    let owner = owner(&cluster).await;
    let (id, program) = key(&cluster, &owner).await;
    let (_, other) = key(&cluster, &owner).await;
    let (status, made) = program
        .ask(&cluster, 2, Method::POST, "/live/token", json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let by_token = Caller {
        token: made["token"].as_str().unwrap().to_owned(),
        from: None,
    };
    let mut open = program.open(&cluster).await;
    for node in &cluster.nodes {
        open.push(by_token.socket(&node.url).await.unwrap());
    }
    let stays = other.socket(&cluster.nodes[1].url).await.unwrap();
    let path = format!("/api_keys/{id}/revoke");
    let revoked = owner.ask(&cluster, 0, Method::POST, &path, json!({"reason": "leaked"}));
    let (codes, (status, answer)) = tokio::join!(ended(open), revoked);
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(codes.iter().all(|code| *code == 4500), "{codes:?}");
    for (number, node) in cluster.nodes.iter().enumerate() {
        assert_eq!(
            program.look(&cluster, number).await,
            (401, "api_key.refused".to_owned())
        );
        assert_eq!(program.socket(&node.url).await.err(), Some(4500));
        assert_eq!(by_token.socket(&node.url).await.err(), Some(4500));
        let again = program.request(
            Method::GET,
            format!("{}/api/v1/stream?channel=feed:users", node.url),
        );
        assert_eq!(again.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    assert!(stays.now_or_never().is_none(), "the other key's socket stays");
    measured(&cluster, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_takes_what_was_opened_by_it_and_a_scope_taken_away_the_channel() {
    let cluster = Cluster::start_with(2, SETTINGS).await;
    let owner = owner(&cluster).await;
    let (id, program) = key(&cluster, &owner).await;
    let open = program.open(&cluster).await;
    let path = format!("/api_keys/{id}/rotate");
    let rotated = owner.ask(&cluster, 0, Method::POST, &path, json!({}));
    let (codes, (status, answer)) = tokio::join!(ended(open), rotated);
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(codes.iter().all(|code| *code == 4500), "{codes:?}");
    assert_eq!(
        program.look(&cluster, 1).await,
        (401, "api_key.replaced".to_owned())
    );
    let program = Caller {
        token: answer["secret"].as_str().unwrap().to_owned(),
        from: None,
    };
    let streams = join_all(cluster.nodes.iter().map(|node| program.event_stream(&node.url))).await;
    let narrowed = json!({"scopes": ["jobs:read"]});
    let (status, answer) = owner
        .ask(&cluster, 1, Method::PATCH, &format!("/api_keys/{id}"), narrowed)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let said = tokio::time::timeout(PATIENCE, join_all(streams)).await.unwrap();
    assert!(said.iter().all(|said| code_in(said) == 3507), "{said:?}");
    assert_eq!(
        program.look(&cluster, 0).await.0,
        200,
        "the key is good for the rest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_let_in_no_more_loses_what_is_open_on_every_node_and_transport() {
    let cluster = Cluster::start_with(3, SETTINGS).await;
    let token = cluster.sign_in().await;
    let [inside, outside] = ["198.51.100.7", "192.0.2.1"].map(|from| Caller {
        token: token.clone(),
        from: Some(from),
    });
    let mut stays = inside.open(&cluster).await;
    let open = outside.open(&cluster).await;
    let rule = json!({"cidr": "198.51.100.0/24", "note": "the office"});
    let (status, refused) = outside
        .ask(&cluster, 0, Method::POST, "/ip_rules", rule.clone())
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::CONFLICT, &json!("ip_rules.would_shut_you_out"))
    );
    let made = inside.ask(&cluster, 0, Method::POST, "/ip_rules", rule);
    let (codes, (status, made)) = tokio::join!(ended(open), made);
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert!(codes.iter().all(|code| *code == 4502), "{codes:?}");
    for (number, node) in cluster.nodes.iter().enumerate() {
        assert_eq!(
            outside.look(&cluster, number).await,
            (403, "auth.address_refused".to_owned())
        );
        assert_eq!(outside.socket(&node.url).await.err(), Some(4502));
        let again = outside.request(
            Method::GET,
            format!("{}/api/v1/stream?channel=feed:users", node.url),
        );
        assert_eq!(again.send().await.unwrap().status(), StatusCode::FORBIDDEN);
        assert_eq!(inside.look(&cluster, number).await.0, 200);
    }
    for open in &mut stays {
        assert!(
            open.now_or_never().is_none(),
            "whoever comes from an allowed network stays"
        );
    }
    measured(&cluster, 1).await;
    let path = format!("/ip_rules/{}", made["id"].as_str().unwrap());
    let (status, _) = inside.ask(&cluster, 2, Method::DELETE, &path, json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for number in 0..cluster.nodes.len() {
        until("everybody is let in again", async || {
            outside.look(&cluster, number).await.0 == 200
        })
        .await;
    }
}
