//! Nodes are emptied one after the other while changes are written: `signalbox drain`, then SIGTERM.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use serde_json::{Value, json};

use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::balancer::Balancer;
use super::relay::cluster::{Cluster, until};
use super::relay::{Driver, Referee};
use crate::live::driver::Sdk;
use crate::services::hub::{Folder, Hub, signalbox};

const CLIENTS: usize = 3;
const CHANGES: usize = 120;

/// Follows the people through the balancer until it is told to stop; the offsets it was given.
struct Follower(Sdk);

impl Follower {
    async fn start(address: &str, token: &str) -> Self {
        let mut sdk = Sdk::start(address, token);
        sdk.told_of("connected").await;
        sdk.order(json!({"subscribe": "feed:users"})).await;
        sdk.told_of("subscribed").await;
        Self(sdk)
    }

    /// Reads what it was told up to `top`: every offset, and how often it came back and resumed.
    async fn heard(&mut self, top: u64) -> (Vec<u64>, usize) {
        let (mut offsets, mut resumed) = (Vec::new(), 0);
        while offsets.last().is_none_or(|last| *last < top) {
            let told = self.0.told().await;
            match told["event"].as_str().unwrap() {
                "publication" => offsets.push(told["offset"].as_u64().unwrap()),
                "subscribed" => {
                    assert_eq!(told["recovered"], true, "{told}");
                    resumed += 1;
                }
                "connected" => {}
                // a hub that could not take it yet: it asks again
                "error" | "subscription_error" => assert_eq!(told["code"], 100, "{told}"),
                _ => panic!("{told}"),
            }
        }
        (offsets, resumed)
    }
}

/// Waits until all clients are on one node, and not on the one they left; the node's name, as the node at `place` tells it.
async fn gathered(cluster: &Cluster, place: usize, token: &str, left: &str) -> String {
    let url = format!("{}/api/v1/live/connections?q=js", cluster.nodes[place].url);
    let mut node = String::new();
    until(
        "all clients are on one node, and not on the one they left",
        async || {
            let asked = crate::harness::client().get(&url).bearer_auth(token);
            let page: Value = asked.send().await.unwrap().json().await.unwrap();
            let rows = page["items"].as_array().unwrap();
            let nodes: BTreeSet<_> = rows.iter().filter_map(|row| row["node"].as_str()).collect();
            node = nodes.iter().next().copied().unwrap_or_default().to_owned();
            rows.len() == CLIENTS && nodes.len() == 1 && node != left
        },
    )
    .await;
    node
}

/// `signalbox drain --wait` on the node's data folder; what it said.
async fn drain(data: PathBuf) -> String {
    let run = move || {
        signalbox()
            .args(["drain", "--wait", "--data"])
            .arg(data)
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = crate::services::hub::said(&output);
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_node_that_is_drained_or_stopped_go_on_elsewhere_and_none_misses_or_doubles_an_event() {
    let mut cluster = Cluster::start(2, "").await;
    let balancer = Balancer::before(&cluster).await;
    let referee = Referee::start(&cluster).await;
    let token = cluster.sign_in().await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Follower::start(&balancer.address, &token).await);
    }
    let on =
        async |cluster: &Cluster, node: usize| cluster.gauge_of(node, "signalbox_live_connections").await;
    let first = gathered(&cluster, 0, &token, "").await;
    let driver = Driver::new(&cluster, 20).await;
    tokio::join!(driver.write(CHANGES, 7), async {
        driver.allow(CHANGES / 4);
        let drained = drain(cluster.nodes[0].data());
        let (said, ()) = tokio::join!(drained, async { driver.allow(CHANGES / 4) });
        assert!(said.contains("No client is left"), "{said}");
        assert!(on(&cluster, 0).await < 1.0);
        let asked = crate::harness::client().get(format!("{}/api/v1/me", cluster.nodes[0].url));
        let me = asked.bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            me.status(),
            StatusCode::OK,
            "it serves requests until it is stopped"
        );
        let door = format!("{}/connection/websocket", cluster.nodes[0].url);
        let refused = crate::harness::client().get(door).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        let second = gathered(&cluster, 1, &token, &first).await;
        // the first is started anew, and then the second stopped
        cluster.nodes[0].signal(Signal::SIGTERM);
        until("the first has ended", async || cluster.nodes[0].ended().is_some()).await;
        cluster.run(0).await;
        driver.allow(CHANGES / 4);
        cluster.nodes[1].signal(Signal::SIGTERM);
        gathered(&cluster, 0, &token, &second).await;
        until("the second has ended", async || {
            cluster.nodes[1].ended().is_some()
        })
        .await;
        driver.allow(CHANGES / 4);
    });
    let expected = driver.committed(&cluster).await;
    let verdict = referee.verdict(&cluster, &expected).await;
    assert!(verdict.holds(), "{verdict:?}");
    let top = "SELECT top FROM live_channels WHERE channel = 'feed:users'";
    let top = cluster.test.count(top).await as u64;
    for client in &mut clients {
        let (offsets, resumed) = client.heard(top).await;
        let first = offsets[0];
        assert_eq!(offsets, (first..=top).collect::<Vec<_>>(), "missed or doubled");
        assert!(resumed >= 2, "moved {resumed} times");
    }
    let distinct: BTreeSet<_> = expected
        .iter()
        .filter(|one| one.channel == "feed:users")
        .map(|one| (&one.id, one.version))
        .collect();
    assert!(
        distinct.len() > CHANGES / 2,
        "little was written: {}",
        distinct.len()
    );
}

#[test]
fn drain_says_so_when_no_hub_runs_on_the_folder() {
    let folder = Folder::new();
    let output = signalbox()
        .args(["drain", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = crate::services::hub::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no hub runs on") && said.contains("--data"),
        "{said}"
    );
}

/// Connects, and says who it is once it is let in; the status where it is sent away.
async fn come_back(address: String, token: String) -> Result<impl Sized, StatusCode> {
    let mut socket = match connect_async(format!("ws://{address}/connection/websocket")).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(refused)) => {
            assert!(refused.headers().contains_key("retry-after"));
            return Err(refused.status());
        }
        Err(other) => panic!("{other}"),
    };
    let connect = json!({"id": 1, "connect": {"token": token}});
    socket.send(Message::text(connect.to_string())).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert!(!answer.to_text().unwrap().contains("error"), "{answer}");
    Ok(socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_returning_clients_is_let_in_at_the_set_rate_and_costs_one_reading_of_rights_a_user() {
    let folder = Folder::new();
    let start = || {
        let mut program = signalbox();
        program.env("SIGNALBOX__LIVE__CONNECTION_RATE", "20");
        program.env("SIGNALBOX__BOOTSTRAP__EMAIL", "owner@example.com");
        program.env("SIGNALBOX__BOOTSTRAP__PASSWORD", "correct horse battery");
        let mut hub = Hub::launch(program, folder.path());
        hub.wait_until_ready();
        hub
    };
    let hub = start();
    let login = crate::harness::client().post(format!("http://{}/api/v1/auth/login", hub.address));
    let body = json!({"email": "owner@example.com", "password": "correct horse battery"});
    let tokens: Value = login.json(&body).send().await.unwrap().json().await.unwrap();
    let token = tokens["access_token"].as_str().unwrap().to_owned();
    hub.stop();
    let hub = start();
    let begun = std::time::Instant::now();
    let storm = (0..200).map(|_| come_back(hub.address.clone(), token.clone()));
    let came = futures::future::join_all(storm).await;
    let let_in = came.iter().filter(|came| came.is_ok()).count();
    let took = begun.elapsed().as_secs_f64();
    // whoever came when the line was five seconds long was sent away
    assert!(
        let_in >= 100 && took > 4.8 && let_in as f64 <= 20.0 * took + 10.0,
        "{let_in} in {took} s"
    );
    let sent_away =
        |came: &Result<_, StatusCode>| came.as_ref().err() == Some(&StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(came.iter().filter(|came| sent_away(came)).count(), 200 - let_in);
    let metrics = crate::harness::client().get(format!("http://{}/metrics", hub.address));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let read = |from: &str| {
        let name = format!("signalbox_permission_answers_total{{from=\"{from}\"}} ");
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(&name)?.parse::<u32>().ok())
            .unwrap_or_default()
    };
    assert!(read("primary") + read("redis") <= 1, "{metrics}");
    drop(came);
    hub.stop();
}
