//! Revocation does not queue: a ban bites on every node although no relay leads and the outbox is full.
//!
//! Ten bans before 10,000 waiting events run always. `SIGNALBOX_TEST_BANS` and `SIGNALBOX_TEST_BACKLOG` make it the long
//! form (50 bans, 100,000 events), whose times stand in `loadtests/RESULTS.md`.

use std::time::{Duration, SystemTime};

use futures::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::followers;
use super::relay::cluster::{Cluster, PATIENT, until};

const EMAIL: &str = "banned@example.com";
const PASSWORD: &str = "a password to be taken 42";
/// Far beyond what is promised: a busy machine is no fault. The promise is measured, not asserted.
const PATIENCE: Duration = Duration::from_secs(30);

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Follows the people over WebSocket; resolves when it is closed: the code, and when.
async fn socket(url: &str, token: &str) -> impl Future<Output = (u16, SystemTime)> + use<> {
    let mut socket = followers::socket(url, token).await;
    async move {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), SystemTime::now()),
                Some(Ok(_)) => {}
                ended => panic!("ended without a reason: {ended:?}"),
            }
        }
    }
}

/// Follows the people over an event stream; resolves when it has ended: what it said last, and when.
async fn stream(url: &str, token: &str) -> impl Future<Output = (String, SystemTime)> + use<> {
    let stream = followers::stream(url, token).await;
    async move { (stream.await, SystemTime::now()) }
}

/// Asks again and again; resolves when it is refused.
async fn requests(url: String, token: String) -> SystemTime {
    let client = crate::harness::client();
    loop {
        let asked = client.get(format!("{url}/api/v1/me")).bearer_auth(&token).send();
        if asked.await.unwrap().status() == StatusCode::UNAUTHORIZED {
            return SystemTime::now();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody with a view of the people; their id.
async fn somebody(cluster: &Cluster, owner: &str) -> String {
    let url = format!("{}/api/v1/roles", cluster.nodes[0].url);
    let asked = crate::harness::client()
        .get(url)
        .bearer_auth(owner)
        .send()
        .await
        .unwrap();
    let roles: Value = asked.json().await.unwrap();
    let roles = roles["items"].as_array().unwrap();
    let viewer = roles.iter().find(|role| role["name"] == "viewer").unwrap();
    let body = json!({"email": EMAIL, "name": "Banned", "password": PASSWORD, "roles": [viewer["id"]]});
    let made = cluster.post(0, owner, "/users", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// One ban through node 0; for what they had open on each node (socket, stream, requests), the time from the commit to
/// its end.
async fn ban(cluster: &Cluster, owner: &str, id: &str) -> Vec<[Duration; 3]> {
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let mut open = Vec::new();
    for node in &cluster.nodes {
        let (socket, stream) = (socket(&node.url, &token).await, stream(&node.url, &token).await);
        open.push((socket, stream, requests(node.url.clone(), token.clone())));
    }
    let end = open.into_iter().map(async |(socket, stream, requests)| {
        let ((code, socket), (said, stream), requests) = tokio::join!(socket, stream, requests);
        assert_eq!(code, 4501, "a code that means signed out");
        assert!(said.contains("event: end"), "{said}");
        [socket, stream, requests]
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
    let committed =
        "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM revocations
        WHERE kind = 'user' ORDER BY seq DESC LIMIT 1";
    let committed = Duration::from_micros(cluster.test.count(committed).await as u64);
    let committed = SystemTime::UNIX_EPOCH + committed;
    let since = |at: SystemTime| at.duration_since(committed).unwrap_or_default();
    all.into_iter().map(|ends| ends.map(since)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_streams_and_requests_on_every_node_while_no_relay_leads_and_the_outbox_is_full() {
    let bans = number("SIGNALBOX_TEST_BANS", 10);
    let backlog = number("SIGNALBOX_TEST_BACKLOG", 10_000);
    let cluster = Cluster::start_for(80, 3).await;
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
    for number in 0..cluster.nodes.len() {
        // counted right after what it measures
        until("the node has measured each", async || {
            let measured = cluster.gauge_of(number, "signalbox_revocation_cutoff_seconds_count");
            measured.await as usize >= bans
        })
        .await;
    }
    let waiting = "SELECT count(*) FROM outbox WHERE ordered_at IS NULL";
    assert!(
        cluster.test.count(waiting).await >= backlog as i64,
        "a relay was at work"
    );
    for (kind, what) in ["WebSocket closed", "event stream ended", "request refused"]
        .iter()
        .enumerate()
    {
        let mut times: Vec<Duration> = times.iter().map(|ends| ends[kind]).collect();
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        eprintln!(
            "{what}, after the commit of {bans} bans on 3 nodes, {backlog} events waiting: p50 {:?}, p99 {:?}, most {:?}",
            at(50),
            at(99),
            at(100)
        );
    }
}

/// Somebody who sees the people of their teams; their id.
async fn of_a_team(cluster: &Cluster, owner: &str, name: &str) -> String {
    let body =
        json!({"email": format!("{name}@example.com"), "name": name, "password": PASSWORD, "roles": []});
    let made = cluster.post(0, owner, "/users", body).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let organization = cluster.test.organization;
    cluster
        .test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on)
             VALUES ('{organization}', '{id}', 'users:read', false, 'own_or_team')"
        ))
        .await;
    id
}

/// What comes until `holds` of it.
async fn read_until(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    holds: impl Fn(&str) -> bool,
) -> String {
    let mut all = String::new();
    let reading = async {
        while !holds(&all) {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            if text.as_str() == "{}" {
                socket.send(Message::text("{}")).await.unwrap();
            }
            all += text.as_str();
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    assert!(read.is_ok(), "only {all}");
    all
}

/// As an SDK does: what is refused for now is asked for again.
async fn follow_again(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) {
    loop {
        let follow = json!({"id": 3, "subscribe": {"channel": "feed:users"}});
        socket.send(Message::text(follow.to_string())).await.unwrap();
        let answer = read_until(socket, |all| all.contains("\"id\":3")).await;
        if !answer.contains("\"error\"") {
            return;
        }
        assert!(answer.contains("\"temporary\":true"), "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_team_is_told_so_on_every_node_and_shown_nothing_of_its_people_behind_that() {
    let cluster = Cluster::start(2, PATIENT).await;
    let owner = cluster.sign_in().await;
    let viewer = of_a_team(&cluster, &owner, "viewer").await;
    let colleague = of_a_team(&cluster, &owner, "colleague").await;
    let made = cluster.post(0, &owner, "/teams", json!({"name": "One"})).await;
    let team = made["id"].as_str().unwrap();
    let http = crate::harness::client();
    let ask = async |method: Method, path: String, body: Value| {
        let url = format!("{}/api/v1{path}", cluster.nodes[0].url);
        let asked = http.request(method, url).bearer_auth(&owner).json(&body).send();
        let status = asked.await.unwrap().status();
        assert!(status.is_success(), "{path}: {status}");
    };
    let member = |id: &str| format!("/teams/{team}/members/{id}");
    let rename = async |name: &str| {
        ask(
            Method::PATCH,
            format!("/users/{colleague}"),
            json!({"name": name}),
        )
        .await;
    };
    for id in [&viewer, &colleague] {
        ask(Method::PUT, member(id), json!({})).await;
    }
    let token = cluster.sign_in_as("viewer@example.com", PASSWORD).await;
    let mut open = Vec::new();
    for node in &cluster.nodes {
        let stream = http.get(format!("{}/api/v1/stream?channel=feed:users", node.url));
        let stream = stream.bearer_auth(&token).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        open.push((followers::socket(&node.url, &token).await, stream.bytes_stream()));
    }
    rename("Seen-1").await;
    for (socket, _) in &mut open {
        read_until(socket, |all| all.contains("Seen-1")).await;
    }
    let asked = SystemTime::now();
    ask(Method::DELETE, member(&viewer), json!({})).await;
    // the relay has nothing of this in its hand: the row the viewer lost goes on changing
    rename("Hidden-2").await;
    for (socket, stream) in &mut open {
        let all = read_until(socket, |all| all.contains("\"code\":2502")).await;
        let told = asked.elapsed().unwrap();
        assert!(told < PATIENCE, "{told:?}");
        let (_, behind) = all.split_once("\"code\":2502").unwrap();
        assert!(!behind.contains("Hidden-2"), "{all}");
        eprintln!("told {told:?} after leaving a team was asked for");
        // and nothing comes once it follows again: what comes is about itself
        follow_again(socket).await;
        let mut text = String::new();
        let reading = async {
            while !text.contains("event: reset") {
                text += &String::from_utf8_lossy(&stream.next().await.unwrap().unwrap());
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "only {text}");
    }
    rename("Hidden-3").await;
    ask(
        Method::PATCH,
        format!("/users/{viewer}"),
        json!({"name": "Oneself"}),
    )
    .await;
    for (socket, stream) in &mut open {
        let all = read_until(socket, |all| all.contains("Oneself")).await;
        assert!(!all.contains("Hidden") && !all.contains(&*colleague), "{all}");
        let mut text = String::new();
        let reading = async {
            while !text.contains("Oneself") {
                text += &String::from_utf8_lossy(&stream.next().await.unwrap().unwrap());
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "only {text}");
        assert!(!text.contains("Hidden") && !text.contains(&*colleague), "{text}");
    }
}
