//! Every answer that tells a place in a channel tells one to go on from: to whoever is given it, and to nobody who sees
//! other parts of the channel.

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Desk, PASSWORD};
use crate::faults::relay::cluster::{Cluster, until};

/// What whoever has the token is answered by the hub at `address`.
async fn look(address: &str, token: &str, path: &str) -> Value {
    let asked = crate::harness::client().get(format!("http://{address}/api/v1{path}"));
    let answer = asked.bearer_auth(token).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// Whether somebody who follows `channel` from the place that `told` has is given what came since.
async fn resumes(address: &str, token: &str, channel: &str, told: &Value) -> bool {
    let url = format!("ws://{address}/connection/websocket");
    let (mut wire, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let wish = json!({"channel": channel, "recover": true, "epoch": told["epoch"], "offset": told["offset"]});
    let commands = [
        json!({"id": 1, "connect": {"token": token}}),
        json!({"id": 2, "subscribe": wish}),
    ];
    for command in commands {
        wire.send(Message::text(command.to_string())).await.unwrap();
    }
    loop {
        let message = wire.next().await.unwrap().unwrap();
        let answers = message.to_text().unwrap().lines();
        let mut answers = answers.map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(answer) = answers.find(|answer| answer["id"] == 2) {
            assert!(answer["subscribe"].is_object(), "{channel}: {answer}");
            return answer["subscribe"]["recovered"] == true;
        }
    }
}

impl Desk {
    async fn look(&self, token: &str, path: &str) -> Value {
        look(&self.hub.address, token, path).await
    }

    /// Imports somebody; the job that does it.
    async fn job(&self) -> String {
        let people = Part::bytes(b"name,email\nBob,bob@example.com\n".to_vec()).file_name("people.csv");
        let form = Form::new()
            .part("file", people)
            .text("kind", "users")
            .text("mode", "commit");
        let asked = self.ask(Method::POST, "/imports").bearer_auth(&self.token);
        let answer = asked.multipart(form).send().await.unwrap();
        let submitted: Value = answer.json().await.unwrap();
        let job = submitted["job_id"].as_str().unwrap().to_owned();
        until("the import is done", async || {
            self.look(&self.token, &format!("/jobs/{job}")).await["state"] == "succeeded"
        })
        .await;
        job
    }

    async fn resumes(&self, token: &str, channel: &str, told: &Value) -> bool {
        resumes(&self.hub.address, token, channel, told).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_any_answer_tells_is_good_for_whoever_is_told_it_and_for_no_other_view() {
    let desk = Desk::open().await;
    let viewer = desk.person("vera", &["viewer"]).await;
    let masked = desk.sign_in("vera@example.com").await;
    let job = desk.job().await;
    let (one, its_job, its_channel) = (
        format!("/users/{viewer}"),
        format!("/jobs/{job}"),
        format!("job:{job}"),
    );
    let answers = [
        ("/users", "feed:users"),
        (&one, "feed:users"),
        ("/audit", "feed:audit"),
        ("/imports", "feed:imports"),
        ("/jobs", "feed:jobs"),
        (&its_job, &its_channel),
        ("/live/channels/feed:users", "feed:users"),
        ("/live/channels/feed:users/history", "feed:users"),
    ];
    let who = [&desk.token, &masked];
    for (path, channel) in answers {
        for (n, token) in who.into_iter().enumerate() {
            until("the channel has a place", async || {
                desk.look(token, path).await["epoch"].is_string()
            })
            .await;
            let told = desk.look(token, path).await;
            assert!(desk.resumes(token, channel, &told).await, "{path}: {told}");
            assert!(!desk.resumes(who[1 - n], channel, &told).await, "{path}: {told}");
        }
    }
    // the pages behind the first are read with the place of the first, whoever reads them
    for (path, channel) in [("/users?limit=1", "feed:users"), ("/audit?limit=1", "feed:audit")] {
        let first = desk.look(&desk.token, path).await;
        let next = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
        let next = desk.look(&masked, &next).await;
        assert_eq!(next["epoch"], first["epoch"], "{path}");
        assert!(!desk.resumes(&masked, channel, &next).await, "{path}: {next}");
    }
}

/// Somebody who sees some people only, as `statement` says it of them; their token.
async fn sees_some(cluster: &Cluster, owner: &str, name: &str, statement: &str) -> String {
    let email = format!("{name}@example.com");
    let body = json!({"email": email, "name": name, "password": PASSWORD, "roles": []});
    let made = cluster.post(0, owner, "/users", body).await;
    let id = made["id"].as_str().unwrap();
    let organization = cluster.test.organization;
    cluster
        .test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on, resource_kind, resource_id)
             VALUES ('{organization}', '{id}', 'users:read', {})",
            statement.replace("ME", id)
        ))
        .await;
    cluster.sign_in_as(&email, PASSWORD).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_told_to_whoever_sees_some_people_is_none_of_whoever_sees_others() {
    let cluster = Cluster::start(1, "").await;
    let owner = cluster.sign_in().await;
    let address = cluster.nodes[0].url.trim_start_matches("http://");
    let mut who = vec![owner.clone()];
    for (name, statement) in [
        ("sam", "false, 'own', NULL, NULL"),
        ("tom", "false, 'own', NULL, NULL"),
        ("uma", "true, NULL, 'user', 'ME'"),
    ] {
        who.push(sees_some(&cluster, &owner, name, statement).await);
    }
    cluster.settled().await;
    let mut told = Vec::new();
    for token in &who {
        told.push(look(address, token, "/users").await);
    }
    let totals: Vec<_> = told
        .iter()
        .map(|told| told["total"]["value"].as_u64().unwrap())
        .collect();
    assert_eq!(totals, [4, 1, 1, 1]);
    for (n, told) in told.iter().enumerate() {
        for (m, token) in who.iter().enumerate() {
            assert_eq!(
                resumes(address, token, "feed:users", told).await,
                n == m,
                "{m} at {told}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_stream_of_a_page_tells_who_looks_at_it_who_comes_and_who_goes() {
    let desk = Desk::open().await;
    let person = desk.person("Ann", &["viewer"]).await;
    let page = format!("page:/users/{person}");
    let looks = async |token: &str| {
        let asked = desk.ask(Method::GET, "/stream").query(&[("channel", &page)]);
        let answer = asked.bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes_stream().boxed()
    };
    let mut text = String::new();
    let mut owner = looks(&desk.token).await;
    let mut told = async |event: &str, name: &str| {
        let wanted = format!("event: {event}\n");
        tokio::time::timeout(std::time::Duration::from_secs(20), async {
            loop {
                let found = text
                    .split("\n\n")
                    .any(|block| block.contains(&wanted) && block.contains(name) && block.contains(&page));
                if found {
                    return text.clear();
                }
                text += &String::from_utf8_lossy(&owner.next().await.unwrap().unwrap());
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no {event} of {name}"));
    };
    told("presence", "\"user\"").await;
    let ann = desk.sign_in("Ann@example.com").await;
    let another = looks(&ann).await;
    told("join", "Ann").await;
    // nobody says good-bye on such a stream
    drop(another);
    told("leave", "Ann").await;
}
