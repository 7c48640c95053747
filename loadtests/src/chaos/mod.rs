//! Every message is checked while nodes are killed, Redis is restarted and flushed, and clients come back again and again.
//!
//! People are changed through any node, and an application publishes through any node; both go on whatever fails. Referees
//! (see [`crate::referee`]) follow the hub's own feeds with and without the right to personal values, and an application's
//! channels; in the end what each heard is judged against the audit log and the application's database. Beside them listen
//! referees whose messages are tampered with on the way: each of these must be found out, or the run proves nothing.

mod listeners;
#[cfg(test)]
mod proof;
mod trouble;
mod writers;

use crate::cluster::Cluster;
use crate::peers::{Scratch, version};
use crate::report::Report;
use anyhow::{Context, bail, ensure};
use listeners::Listener;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use trouble::Trouble;
use writers::Desk;

/// What no viewer without the right to personal values may be sent; every planted address and number holds one of them.
const ADDRESS: &str = "@forbidden.example";
const NUMBER: &str = "+999 555";
/// Pings come often enough for a listener that gives up a silent connection.
const CONFIGURATION: &str = "[live]
ping_seconds = 5
pong_seconds = 4
[live.transports]
http_stream = true
sse = true
uni_websocket = true
uni_sse = true
uni_http_stream = true
[server]
shutdown_seconds = 10
";
/// People that are changed.
const PEOPLE: usize = 20;
/// Channels of the application.
const CHANNELS: usize = 4;
/// Writers of changes.
const WRITERS: usize = 4;
const PASSWORD: &str = "a viewer is patient 42";
/// Seconds that what is under way gets at the end.
const PATIENCE: u64 = 90;

/// How long, and how.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Wish {
    /// Minutes of trouble.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Seconds of trouble, instead of minutes: the short form.
    #[arg(long)]
    seconds: Option<u64>,
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Of the instants and the choices.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// In the messages of the referees that must be found out, one in so many is tampered with; not set: 10,000, in the
    /// short form 50.
    #[arg(long)]
    fault_every: Option<u64>,
}

/// Runs it. The report stands also where the judgement is an error.
pub async fn run(binary: &Path, wish: Wish) -> anyhow::Result<(Report, anyhow::Result<()>)> {
    let mut report = Report::new("chaos");
    report.tell("hub", version(&binary.to_string_lossy(), "--version")?);
    report.tell("wish", format!("{wish:?}"));
    let every = wish
        .fault_every
        .unwrap_or(if wish.seconds.is_some() { 50 } else { 10_000 });
    let lasting = Duration::from_secs(wish.seconds.unwrap_or(wish.minutes * 60));
    let mut cluster = Cluster::start_with(binary, wish.nodes, false, CONFIGURATION).await?;
    let scratch = Scratch::new("chaos")?;
    let people = people(&cluster).await?;
    let viewer = viewer(&cluster).await?;
    let desk = Arc::new(Desk::open(&cluster, people, &scratch.path().join("database"))?);
    let listeners = listeners::all(&cluster, &viewer, &desk, scratch.path(), every)?;
    let mut listening = JoinSet::new();
    for listener in &listeners {
        listening.spawn(crate::referee::listen(listener.hearing()));
    }
    for listener in &listeners {
        wait(&format!("{} follows its channels", listener.name), || {
            Ok(listener.follows())
        })
        .await?;
    }

    let mut writing = JoinSet::new();
    for n in 0..WRITERS {
        writing.spawn(writers::change(desk.clone(), wish.seed + n as u64));
    }
    for n in 0..CHANNELS {
        writing.spawn(writers::publish(desk.clone(), channel(n)));
    }
    let mut trouble = Trouble::new(StdRng::seed_from_u64(wish.seed), wish.seconds.is_some());
    let end = Instant::now() + lasting;
    // on a slow machine longer: everything happens at least once
    while Instant::now() < end || !trouble.has_done_all() {
        trouble.make(&mut cluster, &desk).await?;
    }
    // What was answered before a flush is a place that nobody comes to any more; the first answer from now may still be such a one.
    for _ in 0..2 {
        let before = desk.tops();
        wait("every channel goes on after the last trouble", || {
            Ok(desk
                .tops()
                .iter()
                .all(|(channel, top)| before.get(channel) != Some(top)))
        })
        .await?;
    }
    desk.stop();
    let mut faults = Vec::new();
    while let Some(ended) = writing.join_next().await {
        faults.extend(ended?.err().map(|why| format!("{why:#}")));
    }
    trouble.tell(&mut report);
    desk.tell(&mut report);
    let judged = judge(
        &cluster,
        &desk,
        &listeners,
        &mut report,
        (faults, trouble.flushes),
    )
    .await;
    if judged.is_err() {
        for (number, node) in cluster.nodes.iter().enumerate() {
            keep(&format!("node{number}.log"), &node.log())?;
        }
        for listener in &listeners {
            keep(
                &format!("{}.heard", listener.name),
                &std::fs::read_to_string(&listener.heard)?,
            )?;
        }
    }
    Ok((report, judged))
}

/// Waits until everything has come to everybody, and judges.
async fn judge(
    cluster: &Cluster,
    desk: &Desk,
    listeners: &[Listener],
    report: &mut Report,
    (mut faults, flushes): (Vec<String>, usize),
) -> anyhow::Result<()> {
    let pending = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
    wait("nothing is pending", || {
        Ok(cluster
            .servers
            .rows(pending)?
            .first()
            .is_some_and(|count| count == "0"))
    })
    .await?;
    let mut tops = desk.tops();
    for row in cluster
        .servers
        .rows("SELECT channel || ' ' || top FROM live_channels")?
    {
        let (channel, top) = row.split_once(' ').context("no top")?;
        tops.insert(channel.to_owned(), (None, top.parse()?));
    }
    let committed = writers::committed(cluster, desk)?;
    let mut delivered = 0;
    for listener in listeners {
        let name = &listener.name;
        if let Err(why) = wait(&format!("{name} has heard everything"), || {
            Ok(listener.has_heard(&tops))
        })
        .await
        {
            // one of those who are tampered with may not
            if listener.proof.is_none() {
                faults.push(format!("{why:#}"));
            }
        }
        let verdict = listener.judge(&committed)?;
        let said = serde_json::to_string(&verdict)?;
        match listener.proof {
            None => {
                delivered += verdict.delivered;
                report.add(format!("{name}: delivered"), verdict.delivered as f64, "");
                report.add(
                    format!("{name}: times fetched again"),
                    verdict.refetched as f64,
                    "",
                );
                // the hub's own streams live in PostgreSQL and outlive a flush; an application's begin anew with each
                let allowed = if listener.application {
                    flushes * CHANNELS
                } else {
                    0
                };
                if !verdict.holds() || verdict.renamed > allowed || verdict.delivered == 0 {
                    faults.push(format!("{name}: {said}"));
                }
            }
            Some(proof) => {
                let seen = listeners::found_out(proof, &verdict);
                report.add(format!("{name}: found out"), f64::from(u8::from(seen)), "");
                if !seen {
                    faults.push(format!("{name} was not found out: {said}"));
                }
            }
        }
    }
    report.add("messages delivered and judged", delivered as f64, "");
    report.add("faults", faults.len() as f64, "");
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Waits for a condition.
async fn wait(what: &str, mut holds: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE);
    while !holds()? {
        if Instant::now() > deadline {
            bail!("waited {PATIENCE} s in vain until {what}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Keeps something for whoever looks for the reason.
#[expect(clippy::print_stderr, reason = "says where it is")]
fn keep(name: &str, text: &str) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("sb-chaos-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), text)?;
    eprintln!("kept: {}", folder.join(name).display());
    Ok(())
}

fn channel(n: usize) -> String {
    format!("kept:chaos{n}")
}

/// Makes those who are changed; their ids.
async fn people(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let body = json!({"email": format!("person{n}{ADDRESS}"), "name": "Person", "phone": format!("{NUMBER} {n}")});
        let made = cluster.any()?.post("/users", &body).await?;
        people.push(made["id"].as_str().context("no id")?.to_owned());
    }
    Ok(people)
}

/// Makes somebody who may see people, but no personal values of theirs; an access token.
async fn viewer(cluster: &Cluster) -> anyhow::Result<String> {
    let hub = cluster.any()?;
    let roles = hub.get("/roles").await?;
    let roles = roles["items"].as_array().context("no roles")?;
    let role = roles
        .iter()
        .find(|role| role["name"] == "viewer")
        .context("no role called viewer")?;
    let email = "viewer@example.com";
    let body = json!({"email": email, "name": "Viewer", "password": PASSWORD, "roles": [role["id"]]});
    hub.post("/users", &body).await?;
    hub.token_of(email, PASSWORD).await
}
