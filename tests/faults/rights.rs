//! A right that is taken bites as a ban does: on every node, on what is open, whichever way it was held.

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::followers;
use super::relay::cluster::{Cluster, PATIENT, until};

const EMAIL: &str = "watcher@example.com";
const PASSWORD: &str = "a password to be watched 42";
/// Far beyond what is promised: a busy machine is no fault. The promise is measured, not asserted.
const PATIENCE: Duration = Duration::from_secs(30);
/// `permission lost`, told of one channel.
const PERMISSION_LOST: u64 = 2103;

/// What node 0 answers `owner`, who may do this.
async fn send(cluster: &Cluster, owner: &str, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v1{path}", cluster.nodes[0].url);
    let request = crate::harness::client()
        .request(method, url)
        .bearer_auth(owner)
        .json(&body);
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Follows the people over WebSocket; resolves when that is taken away.
async fn socket(url: &str, token: &str) -> impl Future<Output = SystemTime> + use<> {
    let mut socket = followers::socket(url, token).await;
    async move {
        loop {
            let message = socket.next().await.unwrap().unwrap();
            for line in message.to_text().unwrap_or_default().lines() {
                let said: Value = serde_json::from_str(line).unwrap_or_default();
                if said["push"]["unsubscribe"]["code"] == PERMISSION_LOST {
                    return SystemTime::now();
                }
            }
        }
    }
}

/// Follows the people over an event stream; resolves when it has ended.
async fn stream(url: &str, token: &str) -> impl Future<Output = SystemTime> + use<> {
    let stream = followers::stream(url, token).await;
    async move {
        let text = stream.await;
        assert!(text.contains("event: end"), "{text}");
        SystemTime::now()
    }
}

async fn list(url: &str, token: &str) -> StatusCode {
    let asked = crate::harness::client()
        .get(format!("{url}/api/v1/users"))
        .bearer_auth(token)
        .send();
    asked.await.unwrap().status()
}

/// Asks again and again; resolves when it is refused.
async fn requests(url: String, token: String) -> SystemTime {
    while list(&url, &token).await != StatusCode::FORBIDDEN {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    SystemTime::now()
}

/// Has the watcher's view opened on every node, takes it by `take`, and says how long it lasted after the commit, in order:
/// sockets, streams, requests.
async fn taken(cluster: &Cluster, token: &str, take: impl Future<Output = Value>) -> Vec<[Duration; 3]> {
    let mut open = Vec::new();
    for node in &cluster.nodes {
        until("the view is given", async || {
            list(&node.url, token).await == StatusCode::OK
        })
        .await;
        let (socket, stream) = (socket(&node.url, token).await, stream(&node.url, token).await);
        open.push((socket, stream, requests(node.url.clone(), token.to_owned())));
    }
    let ends = open.into_iter().map(async |(socket, stream, requests)| {
        let (socket, stream, requests) = tokio::join!(socket, stream, requests);
        [socket, stream, requests]
    });
    let all = tokio::time::timeout(PATIENCE, async {
        tokio::join!(futures::future::join_all(ends), take).0
    });
    let all = all
        .await
        .unwrap_or_else(|_| panic!("something outlived a right by {PATIENCE:?}"));
    let committed =
        "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM revocations
        ORDER BY seq DESC LIMIT 1";
    let committed = Duration::from_micros(cluster.test.count(committed).await as u64);
    let committed = SystemTime::UNIX_EPOCH + committed;
    let since = |at: SystemTime| at.duration_since(committed).unwrap_or_default();
    all.into_iter().map(|ends| ends.map(since)).collect()
}

/// A role named `name`; its id.
async fn role(cluster: &Cluster, owner: &str, name: &str, inherits: &[&str], grants: &[&str]) -> String {
    let statements: Vec<Value> = grants.iter().map(|permission| grant(permission)).collect();
    let body = json!({"name": name, "inherits": inherits, "statements": statements});
    let made = send(cluster, owner, Method::POST, "/roles", body).await;
    made["id"].as_str().unwrap().to_owned()
}

fn grant(permission: &str) -> Value {
    json!({"permission": permission, "effect": "grant"})
}

fn deny(permission: &str) -> Value {
    json!({"permission": permission, "effect": "deny"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_by_whatever_way_ends_what_hung_on_it_on_every_node() {
    let cluster = Cluster::start_for(40, 2).await;
    let owner = cluster.sign_in().await;
    let base = role(&cluster, &owner, "base", &[], &["users:read"]).await;
    let heir = role(&cluster, &owner, "heir", &[&base], &[]).await;
    let plain = role(&cluster, &owner, "plain", &[], &[]).await;
    let body = json!({"email": EMAIL, "name": "Watcher", "password": PASSWORD, "roles": [heir, plain]});
    let id = cluster.post(0, &owner, "/users", body).await;
    let id = id["id"].as_str().unwrap();
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let (of_base, of_heir, of_plain) = (
        format!("/roles/{base}"),
        format!("/roles/{heir}"),
        format!("/roles/{plain}"),
    );
    let direct = format!("/users/{id}/permissions");
    let read = || json!({"statements": [grant("users:read")]});
    let nothing = json!({"statements": []});
    let on_row =
        json!({"permission": "users:read", "effect": "grant", "resource": {"kind": "user", "id": id}});
    // what takes the view, and what gives it back
    let cases: [(&str, Method, &str, Value, Value); 6] = [
        (
            "a permission of a parent removed",
            Method::PATCH,
            &of_base,
            nothing.clone(),
            read(),
        ),
        (
            "a parent removed",
            Method::PATCH,
            &of_heir,
            json!({"inherits": []}),
            json!({"inherits": [base]}),
        ),
        (
            "a denial added to a role",
            Method::PATCH,
            &of_plain,
            json!({"statements": [deny("users:read")]}),
            nothing.clone(),
        ),
        (
            "a denial added to the person",
            Method::PUT,
            &direct,
            json!({"statements": [deny("users:read")]}),
            read(),
        ),
        (
            "a direct grant removed",
            Method::PUT,
            &direct,
            json!({}),
            json!({"single": [on_row]}),
        ),
        (
            "the grant of a single row removed",
            Method::PUT,
            &direct,
            json!({}),
            nothing.clone(),
        ),
    ];
    for (what, method, path, take, give) in cases {
        if what == "a direct grant removed" {
            // now it hangs on the direct grant alone, and then on the single row
            send(&cluster, &owner, Method::PATCH, &of_base, nothing.clone()).await;
        }
        let taking = send(&cluster, &owner, method.clone(), path, take);
        let times = taken(&cluster, &token, taking).await;
        let most = |kind: usize| times.iter().map(|ends| ends[kind]).max().unwrap();
        eprintln!(
            "{what}: the last of 2 nodes' sockets {:?}, event streams {:?}, requests {:?} after the commit",
            most(0),
            most(1),
            most(2)
        );
        send(&cluster, &owner, method, path, give).await;
    }
    for number in 0..cluster.nodes.len() {
        let measured = cluster
            .gauge_of(number, "signalbox_revocation_cutoff_seconds_count")
            .await;
        assert!(measured >= 6.0, "node {number} did not measure each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_stopped_between_read_and_write_while_a_role_is_revoked_serves_no_old_set() {
    let cluster = Cluster::start(2, PATIENT).await;
    let owner = cluster.sign_in().await;
    let role = role(&cluster, &owner, "watcher", &[], &["users:read"]).await;
    let body = json!({"email": EMAIL, "name": "Watcher", "password": PASSWORD, "roles": [role]});
    cluster.post(0, &owner, "/users", body).await;
    let node = &cluster.nodes[0];
    // before they sign in, which has their rights read already
    node.arm("rights_read");
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let early = tokio::spawn({
        let (url, token) = (node.url.clone(), token.clone());
        async move { list(&url, &token).await }
    });
    until("the loader has read and not written", async || {
        node.is_at("rights_read")
    })
    .await;
    send(
        &cluster,
        &owner,
        Method::PATCH,
        &format!("/roles/{role}"),
        json!({"statements": []}),
    )
    .await;
    let refused = async || {
        for node in &cluster.nodes {
            until("the role is revoked", async || {
                list(&node.url, &token).await == StatusCode::FORBIDDEN
            })
            .await;
        }
    };
    refused().await;
    node.disarm("rights_read");
    early.await.unwrap();
    // what it had read is written nowhere, or is too old wherever it is
    for _ in 0..50 {
        for node in &cluster.nodes {
            assert_eq!(list(&node.url, &token).await, StatusCode::FORBIDDEN);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_through_a_team_ends_with_it_on_every_node() {
    let cluster = Cluster::start_for(40, 2).await;
    let owner = cluster.sign_in().await;
    let reads = role(&cluster, &owner, "reads", &[], &["users:read"]).await;
    let body = json!({"name": "blind", "statements": [deny("users:read")]});
    let blind = send(&cluster, &owner, Method::POST, "/roles", body).await;
    let team = send(&cluster, &owner, Method::POST, "/teams", json!({"name": "Watch"})).await;
    let body = json!({"email": EMAIL, "name": "Watcher", "password": PASSWORD, "roles": []});
    let person = cluster.post(0, &owner, "/users", body).await;
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let of_team = format!("/teams/{}", id(&team));
    let carried = format!("{of_team}/roles/{reads}");
    let denied = format!("{of_team}/roles/{}", id(&blind));
    let member = format!("{of_team}/members/{}", id(&person));
    for path in [&carried, &member] {
        send(&cluster, &owner, Method::PUT, path, json!({})).await;
    }
    // what takes the view, and what gives it back
    let cases: [(&str, Method, &str, Option<Method>); 4] = [
        (
            "a role taken from the team",
            Method::DELETE,
            &carried,
            Some(Method::PUT),
        ),
        (
            "a denial given to the team",
            Method::PUT,
            &denied,
            Some(Method::DELETE),
        ),
        ("a member taken out", Method::DELETE, &member, Some(Method::PUT)),
        ("the team deleted", Method::DELETE, &of_team, None),
    ];
    for (what, take, path, give) in cases {
        let taking = send(&cluster, &owner, take, path, json!({}));
        let times = taken(&cluster, &token, taking).await;
        let most = |kind: usize| times.iter().map(|ends| ends[kind]).max().unwrap();
        eprintln!(
            "{what}: the last of 2 nodes' sockets {:?}, event streams {:?}, requests {:?} after the commit",
            most(0),
            most(1),
            most(2)
        );
        if let Some(give) = give {
            send(&cluster, &owner, give, path, json!({})).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_for_which_a_read_does_not_end_ends_at_once_when_its_right_is_taken() {
    let cluster = Cluster::start(1, PATIENT).await;
    let owner = cluster.sign_in().await;
    let role = role(&cluster, &owner, "sees", &[], &["users:read", "users:read_pii"]).await;
    let body = json!({"email": EMAIL, "name": "Watcher", "password": PASSWORD, "roles": [role]});
    cluster.post(0, &owner, "/users", body).await;
    let token = cluster.sign_in_as(EMAIL, PASSWORD).await;
    let node = &cluster.nodes[0];
    let ends = stream(&node.url, &token).await;
    let path = format!("/roles/{role}");
    let have = |rights: Vec<Value>| {
        let body = json!({"statements": rights});
        send(&cluster, &owner, Method::PATCH, &path, body)
    };
    node.arm("live.begin");
    // it sees less, so it begins anew, which is read for
    have(vec![grant("users:read")]).await;
    until("the channel is read", async || node.is_at("live.begin")).await;
    let asked_at = SystemTime::now();
    let ended = tokio::time::timeout(PATIENCE, async { tokio::join!(ends, have(Vec::new())).0 }).await;
    let ended = ended.unwrap_or_else(|_| panic!("a stream outlived its right by {PATIENCE:?}"));
    eprintln!(
        "ended {:?} after the right began to be taken",
        ended.duration_since(asked_at).unwrap_or_default()
    );
    assert!(node.is_at("live.begin"), "nothing was read to its end");
    node.disarm("live.begin");
}
