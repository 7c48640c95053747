//! Commit to client: how long after PostgreSQL has committed a change does each of many subscribers hold its event.
//!
//! The instant of a commit is PostgreSQL's own (`track_commit_timestamp`): taken before the commit is flushed to disk, so a
//! figure holds the flush too. All clocks are this machine's. The way is told by its stages: until the relay's transaction
//! that gives the event its place has committed, from there to the first subscriber, and from there to all; beside them
//! what the bare loop needs to reach as many with as long a message, in the same run.

use crate::client::{Event, Watchers};
use crate::cluster::Cluster;
use crate::machine::wall_clock;
use crate::peers::{member_door, start_bare, version};
use crate::report::Report;
use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What each change writes into the watched person's department, before its number.
const MARK: &[u8] = b"mark-";
const DIGITS: usize = 6;
/// Length of the filler that makes the bare loop's message as long as the hub's, which is about 1 KiB.
const EVENT_BYTES: usize = 900;

/// Runs it: `changes` changes at `rate` a second.
pub async fn run(binary: &Path, subscribers: usize, changes: usize, rate: u32) -> anyhow::Result<Report> {
    let mut report = Report::new("commit");
    report.tell("hub", version(&binary.to_string_lossy(), "--version")?);
    let cluster = Cluster::start(binary, 1, true).await?;
    let hub = cluster.any()?;
    let watched = json!({"email": "watched@example.com", "name": "Watched"});
    let person = hub.post("/users", &watched).await?;
    let person = person["id"].as_str().context("no id")?;
    let door = member_door(hub, &hub.token, "feed:users");
    let watchers = Watchers::gather(
        subscribers,
        move |_| door.clone(),
        |_, event| match event {
            Event::Message(message) => Some((number(message)?, wall_clock())),
            Event::Closed(_) => None,
        },
    )
    .await?;

    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    for number in 0..changes {
        tick.tick().await;
        sent.push(wall_clock());
        let body = json!({"department": format!("mark-{number:06}")});
        hub.call(Method::PATCH, &format!("/users/{person}"), &body)
            .await?;
        answered.push(wall_clock());
    }
    let due = subscribers * changes;
    watchers
        .until("every event is received", 60, |noted| noted.len() >= due)
        .await?;

    let committed = commits(&cluster, person, AUDITED)?;
    let ordered = commits(&cluster, person, ORDERED)?;
    let empty = Histogram::<u64>::new(3)?;
    let (mut whole, mut since_commit, mut since_answer) = (empty.clone(), empty.clone(), empty.clone());
    for (number, at) in watchers.noted().iter() {
        let commit = committed.get(number).context("an event without its commit")?;
        whole.record((at - sent[*number]).max(0) as u64)?;
        since_commit.record((at - commit).max(0) as u64)?;
        since_answer.record((at - answered[*number]).max(0) as u64)?;
    }
    let spans = spans(&watchers.noted(), subscribers, changes)?;
    let (mut ordering, mut to_first, mut to_last) = (empty.clone(), empty.clone(), empty);
    for (number, (first, last)) in &spans {
        let at = ordered.get(number).context("an event without its place")?;
        ordering.record((at - committed[number]).max(0) as u64)?;
        to_first.record((first - at).max(0) as u64)?;
        to_last.record((last - first).max(0) as u64)?;
    }
    drop(watchers);
    let bare = bare(subscribers, changes, rate).await?;
    report.add("subscribers", subscribers as f64, "");
    report.add("changes", changes as f64, "");
    report.add_delays("commit to event received", &since_commit);
    report.add_delays("PATCH sent to event received", &whole);
    report.add_delays("PATCH answered to event received, 0 where before", &since_answer);
    report.add_delays("stage: commit to the place's commit", &ordering);
    report.add_delays("stage: from there to the first subscriber", &to_first);
    report.add_delays("stage: from the first to the last subscriber", &to_last);
    report.add_delays("bare loop: sent to received", &bare.received);
    report.add_delays("bare loop: from the first to the last subscriber", &bare.spread);
    Ok(report)
}

/// Of which change a message tells. Changes are a tick apart, so that no two come in one.
fn number(message: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(message, MARK)? + MARK.len();
    std::str::from_utf8(message.get(at..at + DIGITS)?)
        .ok()?
        .parse()
        .ok()
}

/// When each change reached its first and its last subscriber; everybody has received every change once.
fn spans(
    noted: &[(usize, i64)],
    subscribers: usize,
    changes: usize,
) -> anyhow::Result<BTreeMap<usize, (i64, i64)>> {
    let mut seen: BTreeMap<usize, (usize, i64, i64)> = BTreeMap::new();
    for (number, at) in noted {
        let (times, first, last) = seen.entry(*number).or_insert((0, *at, *at));
        *times += 1;
        *first = (*first).min(*at);
        *last = (*last).max(*at);
    }
    ensure!(
        seen.len() == changes && seen.values().all(|(times, ..)| *times == subscribers),
        "not everybody has received every change once"
    );
    let spans = seen.into_iter();
    Ok(spans
        .map(|(number, (_, first, last))| (number, (first, last)))
        .collect())
}

/// What the bare loop needs for the same.
struct Bare {
    received: Histogram<u64>,
    spread: Histogram<u64>,
}

/// A message as long as the event of a changed person, `changes` times at `rate` a second.
async fn bare(subscribers: usize, changes: usize, rate: u32) -> anyhow::Result<Bare> {
    let server = start_bare()?;
    let door = server.door.clone();
    let watchers = Watchers::gather(
        subscribers,
        move |_| door.clone(),
        |_, event| match event {
            Event::Message(message) => Some((number(message)?, wall_clock())),
            Event::Closed(_) => None,
        },
    )
    .await?;
    let (http, url) = (
        reqwest::Client::new(),
        format!("http://{}/publish", server.door.address),
    );
    let filler = "x".repeat(EVENT_BYTES);
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    for number in 0..changes {
        tick.tick().await;
        let body = format!("{{\"department\":\"mark-{number:06}\",\"filler\":\"{filler}\"}}");
        sent.push(wall_clock());
        http.post(&url).body(body).send().await?.error_for_status()?;
    }
    let due = subscribers * changes;
    watchers
        .until("every message is received", 60, |noted| noted.len() >= due)
        .await?;
    let empty = Histogram::<u64>::new(3)?;
    let (mut received, mut spread) = (empty.clone(), empty);
    for (number, at) in watchers.noted().iter() {
        received.record((at - sent[*number]).max(0) as u64)?;
    }
    for (first, last) in spans(&watchers.noted(), subscribers, changes)?.values() {
        spread.record((last - first).max(0) as u64)?;
    }
    Ok(Bare { received, spread })
}

/// Each change has a row in the audit log, written in its transaction.
const AUDITED: &str = "SELECT subject_version AS version, xmin FROM audit_logs
     WHERE subject_id = 'PERSON' AND action = 'users.update'";
/// And one that gives its event its place, written by the relay.
const ORDERED: &str =
    "SELECT o.subject_version AS version, p.xmin FROM outbox o JOIN outbox_positions p USING (seq)
     WHERE o.subject_id = 'PERSON' AND o.type = 'user.updated' AND p.channel = 'feed:users'";

/// The instant at which the transactions of `rows` committed, by the change's number.
fn commits(cluster: &Cluster, person: &str, rows: &str) -> anyhow::Result<BTreeMap<usize, i64>> {
    let rows = cluster.servers.rows(&format!(
        "SELECT version || ' ' || (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
         FROM ({}) r",
        rows.replace("PERSON", person)
    ))?;
    let parse = |row: String| {
        let (version, at) = row.split_once(' ').context("no row")?;
        // the person was made with version 1, and the first change is number 0
        let number = version
            .parse::<usize>()?
            .checked_sub(2)
            .context("a version below 2")?;
        Ok((number, at.parse()?))
    };
    rows.into_iter().map(parse).collect()
}
