//! Commit to client: how long after PostgreSQL has committed a change does each of many subscribers hold its event.
//!
//! The instant of a commit is PostgreSQL's own (`track_commit_timestamp`): taken before the commit is flushed to disk, so a
//! figure holds the flush too. All clocks are this machine's.

use crate::client::{Event, Watchers};
use crate::cluster::Cluster;
use crate::machine::wall_clock;
use crate::peers::{member_door, version};
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

    let committed = commits(&cluster, person)?;
    let empty = Histogram::<u64>::new(3)?;
    let (mut whole, mut since_commit, mut since_answer) = (empty.clone(), empty.clone(), empty);
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, at) in watchers.noted().iter() {
        *seen.entry(*number).or_default() += 1;
        let commit = committed.get(number).context("an event without its commit")?;
        whole.record((at - sent[*number]).max(0) as u64)?;
        since_commit.record((at - commit).max(0) as u64)?;
        since_answer.record((at - answered[*number]).max(0) as u64)?;
    }
    ensure!(
        seen.len() == changes && seen.values().all(|times| *times == subscribers),
        "not everybody has received every change once"
    );
    report.add("subscribers", subscribers as f64, "");
    report.add("changes", changes as f64, "");
    report.add_delays("commit to event received", &since_commit);
    report.add_delays("PATCH sent to event received", &whole);
    report.add_delays("PATCH answered to event received, 0 where before", &since_answer);
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

/// The instant of each change's commit, by its number. The audit log has a row for each, written in its transaction.
fn commits(cluster: &Cluster, person: &str) -> anyhow::Result<BTreeMap<usize, i64>> {
    let rows = cluster.servers.rows(&format!(
        "SELECT subject_version || ' ' || (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
         FROM audit_logs WHERE subject_id = '{person}' AND action = 'users.update'"
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
