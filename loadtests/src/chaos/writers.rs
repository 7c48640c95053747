//! What is written while there is trouble. Nothing here gives up.

use super::listeners::secret;
use super::{CHANNELS, NUMBER};
use crate::cluster::Cluster;
use crate::peers::KEY;
use crate::referee::{Committed, lines};
use crate::report::Report;
use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;

/// What the application's messages are called.
pub const KIND: &str = "chaos.message";
/// Before the next attempt at what was not answered.
const PAUSE: Duration = Duration::from_millis(100);

/// A hub that takes nothing for so long is a fault, whatever was killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Epoch, where it is known, and offset of the newest publication.
pub type Top = (Option<String>, u64);

/// What the writers share.
pub struct Desk {
    nodes: Vec<String>,
    http: Client,
    owner: String,
    people: Vec<String>,
    /// The application's: a line is written before its message is published.
    pub database: PathBuf,
    rows: Mutex<File>,
    /// Held for reading while a publication is not answered.
    pub still: RwLock<()>,
    tops: Mutex<BTreeMap<String, Top>>,
    stopped: AtomicBool,
    changes: AtomicUsize,
    failed: AtomicUsize,
    published: AtomicUsize,
    repeated: AtomicUsize,
}

impl Desk {
    pub fn open(cluster: &Cluster, people: Vec<String>, database: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            nodes: cluster.nodes.iter().map(|node| node.url.clone()).collect(),
            // a connection to a node that was killed is no reason to wait
            http: Client::builder().timeout(Duration::from_secs(3)).build()?,
            owner: cluster.any()?.token.clone(),
            people,
            database: database.to_owned(),
            rows: Mutex::new(File::create(database)?),
            still: RwLock::default(),
            tops: Mutex::default(),
            stopped: AtomicBool::new(false),
            changes: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
        })
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Where each channel of the application stands, as the hub has answered.
    pub fn tops(&self) -> BTreeMap<String, Top> {
        lock(&self.tops).clone()
    }

    pub fn tell(&self, report: &mut Report) {
        for (name, count) in [
            ("changes that were answered", &self.changes),
            ("changes that were not", &self.failed),
            ("publications", &self.published),
            ("of them asked for again", &self.repeated),
        ] {
            report.add(name, count.load(Ordering::Relaxed) as f64, "");
        }
    }

    fn row(&self, row: &Committed) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(row)?;
        line.push('\n');
        Ok(lock(&self.rows).write_all(line.as_bytes())?)
    }

    /// One attempt; epoch and offset.
    async fn publish(&self, node: &str, body: &Value) -> anyhow::Result<(String, u64)> {
        let request = self
            .http
            .post(format!("{node}/api/publish"))
            .header("X-API-Key", KEY);
        let answer: Value = request
            .json(body)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let result = answer.get("result").with_context(|| answer.to_string())?;
        let epoch = result["epoch"].as_str().context("no epoch")?.to_owned();
        Ok((epoch, result["offset"].as_u64().context("no offset")?))
    }
}

/// Changes people through any node until it is stopped.
pub async fn change(desk: Arc<Desk>, seed: u64) -> anyhow::Result<()> {
    let mut chance = StdRng::seed_from_u64(seed);
    while !desk.stopped() {
        let node = &desk.nodes[chance.random_range(0..desk.nodes.len())];
        let person = &desk.people[chance.random_range(0..desk.people.len())];
        let number = chance.random_range(0..10_000);
        let body = json!({"phone": format!("{NUMBER} {number}"), "department": format!("Team {number}")});
        let request = desk.http.patch(format!("{node}/api/v1/users/{person}"));
        let asked = request.bearer_auth(&desk.owner).json(&body).send().await;
        let answered = asked.is_ok_and(|answer| answer.status().is_success());
        // what was not answered may be committed all the same: the audit log knows
        let counter = if answered { &desk.changes } else { &desk.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(chance.random_range(40..160))).await;
    }
    Ok(())
}

/// Publishes in one channel until it is stopped, one after the other, each until it is answered.
pub async fn publish(desk: Arc<Desk>, channel: String) -> anyhow::Result<()> {
    let number = (0..CHANNELS)
        .position(|n| super::channel(n) == channel)
        .context("no such channel")?;
    let mut chance = StdRng::seed_from_u64(number as u64);
    for version in 1.. {
        if desk.stopped() {
            break;
        }
        desk.row(&Committed {
            channel: channel.clone(),
            id: channel.clone(),
            version,
        })?;
        let body = json!({
            "channel": channel,
            "data": {
                "type": KIND,
                "subject": {"kind": "message", "id": channel, "version": version},
                "text": secret(number),
            },
            "idempotency_key": format!("{channel} {version}"),
        });
        let (still, asked) = (desk.still.read().await, Instant::now());
        let (epoch, offset) = loop {
            let node = &desk.nodes[chance.random_range(0..desk.nodes.len())];
            match desk.publish(node, &body).await {
                Ok(position) => break position,
                Err(why) if asked.elapsed() > PATIENCE => {
                    return Err(why.context(format!("{channel} {version} was not taken for {PATIENCE:?}")));
                }
                Err(_) => {
                    desk.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        lock(&desk.tops).insert(channel.clone(), (Some(epoch), offset));
        drop(still);
        desk.published.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(chance.random_range(20..80))).await;
    }
    Ok(())
}

/// What must have been delivered: of the hub's own feeds what the audit log has, of the application's channels what its
/// database has.
pub fn committed(cluster: &Cluster, desk: &Desk) -> anyhow::Result<Vec<Committed>> {
    let mut committed: Vec<Committed> = lines(&desk.database)?;
    let rows = cluster.servers.rows(
        "SELECT id || ' ' || coalesce(subject_id::text, '') || ' ' || coalesce(subject_version, 0) || ' ' || action
         FROM audit_logs",
    )?;
    for row in rows {
        let words: Vec<&str> = row.split(' ').collect();
        let [id, subject, version, action] = words[..] else {
            anyhow::bail!("not a row of the audit log: {row}");
        };
        let mut add = |channel: &str, id: &str, version| {
            committed.push(Committed {
                channel: channel.to_owned(),
                id: id.to_owned(),
                version,
            });
        };
        add("feed:audit", id, 1);
        if action == "users.update" {
            add("feed:users", subject, version.parse()?);
        }
    }
    Ok(committed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
