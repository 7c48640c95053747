//! The PyPI client of Centrifugo's server API, unmodified, as an application's server uses it: everything it knows, of a hub
//! with a user of the application connected.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{Form, KEY, Place, SECRET, start};

const CHANNEL: &str = "room:server";

async fn asked(place: &Place, user: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("target/python/bin/python3"));
    python.arg(root.join("tests/live/server_api.py"));
    python.args([&format!("http://{}", place.hub.address), KEY, CHANNEL, user]);
    let output = python.kill_on_drop(true).output();
    let output = tokio::time::timeout(std::time::Duration::from_mins(2), output).await;
    let output = output.expect("the client hangs").unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_the_server_api_is_answered_all_that_it_asks() {
    let place = Place::open().await;
    let mut client = start(Form::ALL[0], &place, SECRET, 600);
    client.told(json!({"event": "connected"})).await;
    let told = asked(&place, client.form.name).await;
    let told = |name: &str| {
        let found = told.iter().find(|line| line["asked"] == name);
        found.unwrap_or_else(|| panic!("it did not get as far as {name}"))
    };
    let answer = |name: &str| &told(name)["answer"];

    assert_eq!(answer("publish")["offset"], 1);
    assert_eq!(answer("publish again"), answer("publish"), "once");
    let each = answer("broadcast")["responses"].as_array().unwrap();
    assert_eq!(
        (&each[0]["result"]["offset"], &each[1]["error"]["code"]),
        (&json!(2), &json!(102))
    );
    let kept = answer("history");
    assert_eq!(kept["publications"][0]["data"], json!([2]));
    assert_eq!(kept["publications"][1]["tags"], json!({"a": "b"}));
    assert_eq!(
        answer("history since")["publications"].as_array().unwrap().len(),
        1
    );
    let there = answer("presence")["presence"].as_object().unwrap();
    assert!(there.values().all(|info| info["user"] == client.form.name) && there.len() == 1);
    assert_eq!(
        answer("presence_stats"),
        &json!({"num_clients": 1, "num_users": 1})
    );
    assert_eq!(
        answer("channels"),
        &json!({"channels": {CHANNEL: {"num_clients": 1}}})
    );
    let nodes = answer("info")["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &nodes[0]["num_clients"]), (1, &json!(1)));
    assert_eq!(answer("batch 0")["offset"], 3);
    assert_eq!(answer("batch 1"), answer("presence_stats"));
    assert_eq!(answer("history after")["publications"], json!([]));
    assert_eq!(told("unknown")["code"], 102);
    assert_eq!(told("lost place")["code"], 112);
    assert_eq!(told("wrong key")["refused"], "CentUnauthorizedError");
    assert_eq!(answer("asynchronously")["offset"], 4);

    // and the user has seen of it what is theirs
    client
        .told(json!({"event": "subscribed", "server": true, "channel": CHANNEL}))
        .await;
    assert_eq!(client.publications(CHANNEL, 1).await, [3]);
    client
        .told(json!({"event": "unsubscribed", "server": true, "channel": CHANNEL}))
        .await;
    client
        .told(json!({"event": "disconnected", "code": 4500, "reason": "go"}))
        .await;
}
