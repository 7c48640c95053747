//! Revocation does not queue: a ban bites on every node although no relay leads and the outbox is full.
//!
//! Ten bans before 10,000 waiting events run always. `SIGNALBOX_TEST_BANS` and `SIGNALBOX_TEST_BACKLOG` make it the long
//! form (50 bans, 100,000 events), whose times stand in `loadtests/RESULTS.md`.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::relay::cluster::{Cluster, until};

const EMAIL: &str = "banned@example.com";
const PASSWORD: &str = "a password to be taken 42";
/// Far beyond what is promised: a busy machine is no fault. The promise is measured, not asserted.
const PATIENCE: Duration = Duration::from_secs(5);

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Follows the people over WebSocket; resolves when it is closed: the code, and when.
async fn socket(url: &str, token: &str) -> impl Future<Output = (u16, Instant)> + use<> {
    let url = format!("{}/connection/websocket", url.replacen("http", "ws", 1));
    let (mut socket, _) = connect_async(url).await.unwrap();
    for command in [
        json!({"id": 1, "connect": {"token": token}}),
        json!({"id": 2, "subscribe": {"channel": "feed:users"}}),
    ] {
        socket.send(Message::text(command.to_string())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert!(!answer.to_text().unwrap().contains("error"), "{answer}");
    }
    async move {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), Instant::now()),
                Some(Ok(_)) => {}
                ended => panic!("ended without a reason: {ended:?}"),
            }
        }
    }
}

/// Follows the people over an event stream; resolves when it has ended: what it said last, and when.
async fn stream(url: &str, token: &str) -> impl Future<Output = (String, Instant)> + use<> {
    let asked = Client::new().get(format!("{url}/api/v1/stream?channel=feed:users"));
    let answer = asked.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut chunks = answer.bytes_stream();
    // the first bytes prove that it flows
    chunks.next().await.unwrap().unwrap();
    async move {
        let mut text = String::new();
        while let Some(Ok(chunk)) = chunks.next().await {
            text += &String::from_utf8_lossy(&chunk);
        }
        (text, Instant::now())
    }
}

/// Asks again and again; resolves when it is refused.
async fn requests(url: String, token: String) -> Instant {
    let client = Client::new();
    loop {
        let asked = client.get(format!("{url}/api/v1/me")).bearer_auth(&token).send();
        if asked.await.unwrap().status() == StatusCode::UNAUTHORIZED {
            return Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody with a view of the people; their id.
async fn somebody(cluster: &Cluster, owner: &str) -> String {
    let url = format!("{}/api/v1/roles", cluster.nodes[0].url);
    let asked = Client::new().get(url).bearer_auth(owner).send().await.unwrap();
    let roles: Value = asked.json().await.unwrap();
    let roles = roles["items"].as_array().unwrap();
    let viewer = roles.iter().find(|role| role["name"] == "viewer").unwrap();
    let body = json!({"email": EMAIL, "name": "Banned", "password": PASSWORD, "roles": [viewer["id"]]});
    let made = cluster.post(0, owner, "/users", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// One ban through node 0; for each of what they had open on both nodes, the time from the asking to its end.
async fn ban(cluster: &Cluster, owner: &str, id: &str) -> Vec<Duration> {
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let mut open = Vec::new();
    for node in &cluster.nodes {
        let (socket, stream) = (socket(&node.url, &token).await, stream(&node.url, &token).await);
        open.push((socket, stream, requests(node.url.clone(), token.clone())));
    }
    let asked = Instant::now();
    let end = open.into_iter().map(async |(socket, stream, requests)| {
        let ((code, socket), (said, stream), requests) = tokio::join!(socket, stream, requests);
        assert_eq!(code, 4501, "a code that means signed out");
        assert!(said.contains("event: end"), "{said}");
        [socket, stream, requests].map(|at| at - asked)
    });
    let path = format!("/users/{id}/ban");
    let banned = cluster.post(0, owner, &path, json!({"reason": "a test"}));
    let all = tokio::time::timeout(PATIENCE, async {
        tokio::join!(futures::future::join_all(end), banned).0
    });
    let all = all
        .await
        .unwrap_or_else(|_| panic!("something outlived a ban by {PATIENCE:?}"));
    cluster
        .post(0, owner, &format!("/users/{id}/unban"), json!({}))
        .await;
    all.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_streams_and_requests_on_every_node_while_no_relay_leads_and_the_outbox_is_full() {
    let bans = number("SIGNALBOX_TEST_BANS", 10);
    let backlog = number("SIGNALBOX_TEST_BACKLOG", 10_000);
    let cluster = Cluster::start(2, "").await;
    let owner = cluster.sign_in().await;
    let id = somebody(&cluster, &owner).await;
    let organization = cluster.test.organization;
    let held = "UPDATE leaders SET holder = 'a node that is gone', epoch = epoch + 1, until = 'infinity'
        WHERE role = 'outbox_relay'";
    cluster.test.sql(held).await;
    until("no relay leads", async || cluster.leader().await.is_none()).await;
    cluster
        .test
        .sql(format!(
            "INSERT INTO outbox (id, organization_id, type, subject_kind, subject_id, channels, event)
             SELECT gen_random_uuid(), '{organization}', 'user.updated', 'user', '{id}', '{{feed:users}}', '{{}}'
             FROM generate_series(1, {backlog})"
        ))
        .await;
    let mut times = Vec::new();
    for _ in 0..bans {
        times.extend(ban(&cluster, &owner, &id).await);
    }
    let waiting = "SELECT count(*) FROM outbox WHERE ordered_at IS NULL";
    assert!(
        cluster.test.count(waiting).await >= backlog as i64,
        "a relay was at work"
    );
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    eprintln!(
        "{bans} bans before {backlog} waiting events, from the asking to the end of a stream or the first refusal, \
         {} of them: p50 {:?}, p99 {:?}, most {:?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}
