//! The order of a stop, as those see it who are there: a balancer, listeners, a job, and the servers.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::hub::{Folder, Hub, servers_are_gone, signalbox, sql};

const EMAIL: &str = "owner@example.com";
const PASSWORD: &str = "correct horse battery";
/// More than are told to leave at once.
const LISTENERS: usize = 601;
const PEOPLE: usize = 60_000;

/// What a stop says, in the order of the promise.
const STEPS: [&str; 6] = [
    "stopping: not ready from now on",
    "stopping: everybody who listens was told to go elsewhere",
    "stopping: every request is answered",
    "stopping: the relay has sent what was on its way",
    "stopping: the actors have stopped",
    "stopping: the servers have stopped",
];

fn start(data: &std::path::Path) -> Hub {
    let mut command = signalbox();
    command
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", EMAIL)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD)
        // nobody here answers pings
        .env("SIGNALBOX__LIVE__PING_SECONDS", "600");
    let mut hub = Hub::launch(command, data);
    hub.wait_until_ready();
    hub
}

async fn sign_in(base: &str) -> String {
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let asked = crate::harness::client()
        .post(format!("{base}/api/v1/auth/login"))
        .json(&body);
    let tokens: Value = asked.send().await.unwrap().json().await.unwrap();
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// An import that is at work; its job.
async fn job_at_work(base: &str, token: &str) -> String {
    let lines = (0..PEOPLE).map(|n| format!("p{n}@x.example,Person {n}\n"));
    let file = format!("E-mail,Full name\n{}", lines.collect::<String>());
    let form = Form::new()
        .text("kind", "users")
        .text("mode", "commit")
        .part("file", Part::text(file).file_name("people.csv"));
    let asked = crate::harness::client()
        .post(format!("{base}/api/v1/imports"))
        .bearer_auth(token);
    let import: Value = asked.multipart(form).send().await.unwrap().json().await.unwrap();
    let job = import["job_id"].as_str().unwrap().to_owned();
    until_job(base, token, &job, |state| state == "running").await;
    job
}

async fn until_job(base: &str, token: &str, job: &str, is: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let url = format!("{base}/api/v1/jobs/{job}");
        let asked = crate::harness::client()
            .get(url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let found: Value = asked.json().await.unwrap();
        if is(found["state"].as_str().unwrap()) {
            return;
        }
        assert!(Instant::now() < deadline, "{found}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Connects; resolves when it is closed: the code, and when.
async fn listener(address: &str, token: &str) -> impl Future<Output = (u16, Instant)> + use<> {
    let (mut socket, _) = connect_async(format!("ws://{address}/connection/websocket"))
        .await
        .unwrap();
    let connect = json!({"id": 1, "connect": {"token": token}});
    socket.send(Message::text(connect.to_string())).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert!(!answer.to_text().unwrap().contains("error"), "{answer}");
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

/// Asks whether the hub is ready, over one connection, until it is turned away: with 503, or, where the hub was quicker than the
/// question, because nobody is let in any more. Resolves to when it last asked and was answered well, `green` if
/// never.
async fn balancer(base: String, mut green: Instant) -> Instant {
    let client = crate::harness::client_with()
        .pool_max_idle_per_host(1)
        .build()
        .unwrap();
    loop {
        let asked = Instant::now();
        match client.get(format!("{base}/readyz")).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                green = asked;
                drop(answer.bytes().await);
            }
            Ok(answer) => {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
                return green;
            }
            Err(_) => return green,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_turns_readiness_red_then_sends_listeners_away_gives_jobs_back_and_ends_the_servers_last() {
    let data = Folder::new();
    let mut hub = start(data.path());
    let base = format!("http://{}", hub.address);
    let token = sign_in(&base).await;
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        listeners.push(listener(&hub.address, &token).await);
    }
    let job = job_at_work(&base, &token).await;
    let watching = tokio::spawn(balancer(base.clone(), Instant::now()));
    hub.signal(Signal::SIGTERM);
    let ends = tokio::time::timeout(Duration::from_secs(20), join_all(listeners)).await;
    let ends = ends.expect("a listener was forgotten");
    assert!(
        ends.iter().all(|(code, _)| *code == 3001),
        "a code that means: go elsewhere"
    );
    let door = crate::harness::client().get(format!("{base}/connection/websocket"));
    let at_the_door = door.send().await;
    assert!(
        at_the_door.is_err()
            || at_the_door.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE),
        "somebody new was taken"
    );
    let last = ends.iter().map(|(_, at)| *at).max().unwrap();
    let green = watching.await.unwrap();
    assert!(green < last, "it was still ready when all were gone");

    assert!(hub.ended().success());
    assert!(servers_are_gone(data.path()), "a server outlived its hub");
    let said = hub.said().to_owned();
    let places: Vec<_> = STEPS.iter().map(|step| said.find(step)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} in:\n{said}"
    );
    let given_back = said.find("stopping: jobs are given back");
    assert!(
        given_back > places[0] && given_back < places[2],
        "while listeners leave:\n{said}"
    );

    let hub = start(data.path());
    let given_back =
        format!("SELECT count(*) FROM job_events WHERE job_id = '{job}' AND kind LIKE '%released'");
    assert_eq!(
        sql(data.path(), &given_back),
        "1",
        "the job was torn from its node"
    );
    let base = format!("http://{}", hub.address);
    until_job(&base, &sign_in(&base).await, &job, |state| state == "succeeded").await;
    hub.stop();
}
