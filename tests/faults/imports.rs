//! An import under `kill -9`: the table at its end equals one computed without the hub.
//!
//! Three kills over 20,000 lines run always. `SIGNALBOX_TEST_KILLS` and `SIGNALBOX_TEST_ROWS` make it the long form
//! (20 kills, 200,000 lines).

use super::killed::{sign_in, start};
use crate::services::hub::{Folder, Hub, eventually, sql};
use nix::sys::signal::Signal;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

async fn get(hub: &Hub, token: &str, path: &str) -> Value {
    let url = format!("http://{}/api/v1{path}", hub.address);
    crate::harness::client()
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// A file in which every tenth line repeats an earlier address, and everybody it must make, by plain reading.
fn file(rows: u64) -> (String, BTreeMap<String, String>) {
    let (mut text, mut people) = ("E-mail,Full name\n".to_owned(), BTreeMap::new());
    for n in 0..rows {
        let who = if n % 10 == 9 { n / 2 } else { n };
        let (email, name) = (format!("p{who}@x.example"), format!("Person {n}"));
        writeln!(text, "{email},{name}").unwrap();
        people.entry(email).or_insert(name);
    }
    (text, people)
}

/// Hands the file over; answers where the import can be looked at.
async fn submit(hub: &Hub, text: String) -> String {
    let form = Form::new()
        .text("kind", "users")
        .text("mode", "commit")
        .part("file", Part::text(text).file_name("people.csv"));
    let answer = crate::harness::client()
        .post(format!("http://{}/api/v1/imports", hub.address))
        .bearer_auth(sign_in(hub).await)
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let submitted: Value = answer.json().await.unwrap();
    format!("/imports/{}", submitted["id"].as_str().unwrap())
}

/// Waits for the import's end and compares it, and the table, with what plain reading says.
async fn ends_as_computed(hub: &Hub, data: &Path, path: &str, rows: u64, people: &BTreeMap<String, String>) {
    let token = sign_in(hub).await;
    let until = Instant::now() + Duration::from_mins(5);
    let import = loop {
        let import = get(hub, &token, path).await;
        let counts = &import["counts"];
        let sum: u64 = ["inserted", "updated", "unchanged", "rejected"]
            .iter()
            .map(|name| counts[name].as_u64().unwrap())
            .sum();
        assert_eq!(counts["total"], sum, "{counts}");
        if !["waiting", "running", "retrying"].contains(&import["state"].as_str().unwrap()) {
            break import;
        }
        assert!(Instant::now() < until, "the import does not end: {import}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(import["state"], "succeeded", "{import}");
    let rejected = rows - people.len() as u64;
    let expected =
        json!({"total": rows, "inserted": people.len(), "updated": 0, "unchanged": 0, "rejected": rejected});
    assert_eq!(import["counts"], expected);
    let table = sql(
        data,
        "SELECT string_agg(email || ',' || name || ',' || version, ';' ORDER BY email) FROM users WHERE email <> 'owner@example.com'",
    );
    let expected: Vec<String> = people
        .iter()
        .map(|(email, name)| format!("{email},{name},1"))
        .collect();
    assert!(
        table == expected.join(";"),
        "the table differs from the computed one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_again_and_again_finishes_its_import_with_no_row_lost_or_doubled() {
    let (kills, rows) = (
        number("SIGNALBOX_TEST_KILLS", 3),
        number("SIGNALBOX_TEST_ROWS", 40_000),
    );
    let data = Folder::new();
    let mut hub = start(data.path(), &[]);
    let (text, people) = file(rows);
    let path = submit(&hub, text).await;
    let mut pause = 7_u64;
    for _ in 0..kills {
        // a linear congruential generator: instants that look random and are the same in each run
        pause = (pause * 1_103_515_245 + 12_345) % (1 << 31);
        tokio::time::sleep(Duration::from_millis(300 + pause % 1_500)).await;
        hub.signal(Signal::SIGKILL);
        hub.ended();
        hub = start(data.path(), &[]);
    }
    ends_as_computed(&hub, data.path(), &path, rows, &people).await;
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_in_each_stage_goes_on_with_every_stage_where_it_stood() {
    let rows = 25_000;
    let data = Folder::new();
    let (text, people) = file(rows);
    let mut text = Some(text);
    let mut path = String::new();
    for stage in ["check", "load", "judge", "apply"] {
        // with the chunk written and its checkpoint still to come
        let (stop, here) = ["stop", "here"]
            .map(|what| data.path().join(format!("imports.{stage}.{what}")))
            .into();
        std::fs::write(&stop, "").unwrap();
        let mut hub = start(data.path(), &[]);
        if let Some(text) = text.take() {
            path = submit(&hub, text).await;
        }
        eventually(&format!("the import is at its {stage}"), || here.exists());
        hub.signal(Signal::SIGKILL);
        hub.ended();
        std::fs::remove_file(&stop).unwrap();
    }
    let hub = start(data.path(), &[]);
    ends_as_computed(&hub, data.path(), &path, rows, &people).await;
    hub.stop();
}
