//! Everybody comes back at once: a node full of clients is killed, something is published meanwhile through another node,
//! the node returns, and each client resumes. How long until the last of them has everything, and nothing twice.
//!
//! Clients wait before an attempt as the SDKs do (PROTOCOL: min(20 s, 0.5 s + random(0, 0.5 s * 2^n))), so the first comes
//! half a second after the loss.

use crate::client::{Farm, Socket, clock, payload, source};
use crate::cluster::Cluster;
use crate::hub::Hub;
use crate::machine;
use crate::peers::{KEY, application_token, version};
use crate::report::Report;
use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Channels; the clients are spread over them.
const CHANNELS: usize = 100;
/// Publications in each channel: before the loss, meanwhile, after the return.
const BEFORE: u64 = 5;
const MEANWHILE: u64 = 20;
const AFTER: u64 = 5;
/// A client that is not back by then never comes back.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the connections are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Loss {
    /// The node is killed and started again.
    Kill,
    /// All clients lose their connection in one instant; the node lives on.
    Cut,
}

struct Shared {
    address: SocketAddr,
    token: String,
    joined: AtomicUsize,
    delivered: AtomicU64,
    /// Attempts to connect that failed.
    refused: AtomicU64,
    /// When each client had everything that was published meanwhile: the run's clock.
    complete: Mutex<Vec<u64>>,
    fault: Mutex<Option<String>>,
    turns: Semaphore,
}

/// One client's place.
struct Client {
    n: usize,
    channel: String,
    /// `None` before the first subscription.
    position: Option<(String, u64)>,
    /// Number of the next publication.
    next: u64,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    id: u64,
    error: Option<Value>,
    subscribe: Option<Subscribed>,
}

#[derive(Deserialize)]
struct Subscribed {
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    recovered: bool,
}

/// Runs it.
pub async fn run(binary: &Path, clients: usize, loss: Loss) -> anyhow::Result<Report> {
    let mut report = Report::new("reconnect");
    report.tell("hub", version(&binary.to_string_lossy(), "--version")?);
    report.tell("loss", format!("{loss:?}"));
    let mut cluster = Cluster::start(binary, 2, true).await?;
    let shared = Arc::new(Shared {
        address: cluster.any()?.address,
        token: application_token("load")?,
        joined: AtomicUsize::new(0),
        delivered: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        complete: Mutex::default(),
        fault: Mutex::default(),
        turns: Semaphore::new(200),
    });
    let (cut, instant) = watch::channel(());
    let each = shared.clone();
    let _farm = Farm::start(clients, 1, move |n| {
        let (shared, instant) = (each.clone(), instant.clone());
        async move {
            if let Err(why) = live(n, &shared, instant).await {
                lock(&shared.fault).get_or_insert(format!("client {n}: {why:#}"));
            }
        }
    })?;
    let count = clients as u64;
    until(&shared, "everybody is subscribed", || {
        shared.joined.load(Ordering::Relaxed) == clients
    })
    .await?;
    publish(&cluster.nodes[1], 0..BEFORE).await?;
    received(&shared, count * BEFORE).await?;
    report.add("clients", clients as f64, "");
    report.add("hub memory, all subscribed", cluster.any()?.memory()?.0, "MiB");

    let begin = Instant::now();
    match loss {
        Loss::Kill => cluster.nodes[0].kill(),
        Loss::Cut => drop(cut.send(())),
    }
    publish(&cluster.nodes[1], BEFORE..BEFORE + MEANWHILE).await?;
    if loss == Loss::Kill {
        cluster.nodes[0].run().await?;
    }
    let (returned, returned_after) = (clock(), begin.elapsed());
    received(&shared, count * (BEFORE + MEANWHILE)).await?;
    let processor = machine::processor(cluster.nodes[0].pid())?;
    let mut times = Histogram::<u64>::new(3)?;
    for at in lock(&shared.complete).iter() {
        times.record(at.saturating_sub(returned))?;
    }
    publish(&cluster.nodes[1], BEFORE + MEANWHILE..BEFORE + MEANWHILE + AFTER).await?;
    received(&shared, count * (BEFORE + MEANWHILE + AFTER)).await?;
    ensure!(times.len() == count, "{} of {clients} came back", times.len());

    report.add("published meanwhile, a channel", MEANWHILE as f64, "");
    if loss == Loss::Kill {
        report.add("node killed to ready again", returned_after.as_secs_f64(), "s");
        report.add("processor time of the node until all were back", processor, "s");
    }
    for (name, quantile) in [
        ("half of the clients", 0.5),
        ("99 % of the clients", 0.99),
        ("the last client", 1.0),
    ] {
        let seconds = times.value_at_quantile(quantile) as f64 / 1e6;
        report.add(format!("return to everything recovered: {name}"), seconds, "s");
    }
    report.add(
        "attempts that were refused",
        shared.refused.load(Ordering::Relaxed) as f64,
        "",
    );
    report.add("recovered publications", (count * MEANWHILE) as f64, "");
    report.add("hub memory, all back", cluster.any()?.memory()?.0, "MiB");
    Ok(report)
}

/// The publications of these numbers, in every channel.
async fn publish(hub: &Hub, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let channels: Vec<String> = (0..CHANNELS).map(channel).collect();
    for number in numbers {
        let stamp = payload::Stamp {
            number,
            lane: 0,
            sent: clock(),
        };
        let data = payload::write(stamp);
        // by hand: a parsed payload would come out with its keys in another order
        let body = format!(
            "{{\"channels\":{},\"data\":{}}}",
            serde_json::to_string(&channels)?,
            String::from_utf8_lossy(&data)
        );
        let request = hub
            .http
            .post(format!("{}/api/broadcast", hub.url))
            .header("X-API-Key", KEY)
            .header("Content-Type", "application/json")
            .body(body);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let responses = answer["result"]["responses"].as_array();
        let refused = responses.is_none_or(|all| all.iter().any(|one| one.get("error").is_some()));
        ensure!(!refused, "a broadcast was refused: {answer}");
    }
    Ok(())
}

fn channel(n: usize) -> String {
    format!("kept:{}", n % CHANNELS)
}

/// Lives until an error that no client may have: something missing, doubled or damaged, or a position that cannot be resumed.
async fn live(n: usize, shared: &Shared, mut cut: watch::Receiver<()>) -> anyhow::Result<()> {
    let mut client = Client {
        n,
        channel: channel(n),
        position: None,
        next: 0,
    };
    let mut attempt = 0;
    loop {
        // only at the beginning: later everybody comes when they come
        let turn = match client.position {
            None => Some(shared.turns.acquire().await?),
            Some(_) => None,
        };
        let entered = client.enter(shared).await;
        drop(turn);
        match entered {
            Ok(mut socket) => {
                attempt = 0;
                tokio::select! {
                    followed = client.follow(&mut socket, shared) => followed?,
                    _ = cut.changed() => {}
                }
            }
            Err(Refusal::Fault(why)) => return Err(why),
            Err(Refusal::Later(_)) => {
                shared.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        let random = rand::random::<f64>() * 0.5 * f64::from(1_u32 << attempt.min(10));
        tokio::time::sleep(Duration::from_secs_f64((0.5 + random).min(20.0))).await;
        attempt += 1;
    }
}

/// Why somebody is not let in.
enum Refusal {
    /// The node is down or busy: another attempt may help.
    Later(#[expect(dead_code, reason = "for whoever looks with a debugger")] anyhow::Error),
    /// Nothing that may happen.
    Fault(anyhow::Error),
}

impl From<anyhow::Error> for Refusal {
    fn from(why: anyhow::Error) -> Self {
        Self::Later(why)
    }
}

impl Client {
    /// Connects and subscribes, from where it was if it was.
    async fn enter(&mut self, shared: &Shared) -> Result<Socket, Refusal> {
        let mut socket = Socket::open(shared.address, source(self.n), "/connection/websocket").await?;
        let mut subscribe = json!({"channel": self.channel});
        if let Some((epoch, offset)) = &self.position {
            subscribe = json!({"channel": self.channel, "recover": true, "epoch": epoch, "offset": offset});
        }
        let hello = format!(
            "{}\n{}",
            json!({"id": 1, "connect": {"token": shared.token}}),
            json!({"id": 2, "subscribe": subscribe})
        );
        socket.text(&hello).await?;
        let mut subscribed = None;
        while subscribed.is_none() {
            let mut lines: Vec<Vec<u8>> = Vec::new();
            let open = socket.receive(|frame| {
                lines.extend(frame.payload.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
                Ok(())
            });
            if !open.await? {
                return Err(anyhow::anyhow!("closed").into());
            }
            for line in lines {
                if subscribed.is_some() {
                    self.hear(&line, shared).map_err(Refusal::Fault)?;
                } else if let Some(reply) = self.reply(&line)? {
                    self.accept(&reply, &line, shared).map_err(Refusal::Fault)?;
                    subscribed = Some(reply);
                }
            }
        }
        Ok(socket)
    }

    /// The reply to the subscription, if `line` is that.
    fn reply(&self, line: &[u8]) -> anyhow::Result<Option<Subscribed>> {
        let reply: Reply = serde_json::from_slice(line).context("not a reply")?;
        if let Some(error) = reply.error {
            bail!("{}: {error}", self.channel);
        }
        Ok(reply.subscribe.filter(|_| reply.id == 2))
    }

    /// Takes the position of a subscription, and what it recovered.
    fn accept(&mut self, reply: &Subscribed, line: &[u8], shared: &Shared) -> anyhow::Result<()> {
        match &self.position {
            None => {
                shared.joined.fetch_add(1, Ordering::Relaxed);
                self.position = Some((reply.epoch.clone(), reply.offset));
            }
            Some((epoch, _)) => {
                ensure!(
                    reply.recovered && *epoch == reply.epoch,
                    "the position could not be resumed: epoch {} after {epoch}",
                    reply.epoch
                );
                self.hear(line, shared)?;
            }
        }
        Ok(())
    }

    /// Follows until the connection is lost.
    async fn follow(&mut self, socket: &mut Socket, shared: &Shared) -> anyhow::Result<()> {
        loop {
            let (mut fault, mut pinged) = (None, false);
            let open = socket.receive(|frame| {
                if frame.payload.starts_with(b"{}") || memchr::memmem::find(frame.payload, b"\n{}").is_some()
                {
                    pinged = true;
                }
                fault = fault.take().or(self.hear(frame.payload, shared).err());
                Ok(())
            });
            let open = match open.await {
                Ok(open) => open,
                // what ends the connection is answered by the next one; what is no WebSocket is not
                Err(why) if why.is::<std::io::Error>() => false,
                Err(why) => return Err(why),
            };
            if let Some(fault) = fault {
                return Err(fault);
            }
            if !open || (pinged && socket.text("{}").await.is_err()) {
                return Ok(());
            }
        }
    }

    /// Every payload in `bytes` is the next one.
    fn hear(&mut self, bytes: &[u8], shared: &Shared) -> anyhow::Result<()> {
        for at in memchr::memmem::find_iter(bytes, payload::MARK) {
            let stamp = bytes.get(at..at + payload::SIZE).and_then(payload::read);
            let stamp = stamp.context("a damaged payload")?;
            ensure!(
                stamp.number == self.next,
                "number {} came where {} was due",
                stamp.number,
                self.next
            );
            self.next += 1;
            if let Some((_, offset)) = &mut self.position {
                *offset += 1;
            }
            shared.delivered.fetch_add(1, Ordering::Relaxed);
            if self.next == BEFORE + MEANWHILE {
                lock(&shared.complete).push(clock());
            }
        }
        Ok(())
    }
}

async fn received(shared: &Shared, due: u64) -> anyhow::Result<()> {
    let all = || shared.delivered.load(Ordering::Relaxed) >= due;
    until(shared, "everybody has everything", all).await?;
    let delivered = shared.delivered.load(Ordering::Relaxed);
    ensure!(delivered == due, "{delivered} were delivered and not {due}");
    Ok(())
}

async fn until(shared: &Shared, what: &str, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if let Some(fault) = &*lock(&shared.fault) {
            bail!("{fault}");
        }
        ensure!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        Shared {
            address: ([127, 0, 0, 1], 1).into(),
            token: String::new(),
            joined: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            complete: Mutex::default(),
            fault: Mutex::default(),
            turns: Semaphore::new(1),
        }
    }

    fn line(numbers: &[u64]) -> Vec<u8> {
        let stamps = numbers.iter().map(|number| payload::Stamp {
            number: *number,
            lane: 0,
            sent: 1,
        });
        stamps.flat_map(payload::write).collect()
    }

    fn client() -> Client {
        Client {
            n: 0,
            channel: channel(0),
            position: Some(("e".into(), 5)),
            next: 5,
        }
    }

    #[test]
    fn a_client_that_resumes_sees_what_is_missing_doubled_or_not_resumed() {
        let shared = shared();
        let reply = |recovered: bool, epoch: &str| Subscribed {
            epoch: epoch.into(),
            offset: 5,
            recovered,
        };
        let mut good = client();
        good.accept(&reply(true, "e"), &line(&[5, 6, 7]), &shared)
            .unwrap();
        assert_eq!((good.next, good.position), (8, Some(("e".into(), 8))));
        assert_eq!(shared.delivered.load(Ordering::Relaxed), 3);
        for wrong in [&[6][..], &[5, 5], &[5, 7], &[4]] {
            assert!(
                client().accept(&reply(true, "e"), &line(wrong), &shared).is_err(),
                "{wrong:?}"
            );
        }
        assert!(client().accept(&reply(false, "e"), b"", &shared).is_err());
        assert!(client().accept(&reply(true, "other"), b"", &shared).is_err());
    }
}
