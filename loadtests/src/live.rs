//! Commit to client: how long after a change was asked for does each of many subscribers hold its event.
//!
//! The clock starts before the request is sent, so a figure holds the whole change as well (HTTP, transaction, ordering,
//! fan-out): an upper bound of commit to client.

use crate::hub::Hub;
use crate::report::Report;
use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// When each version of the watched person was asked for.
type Asked = Arc<Mutex<HashMap<i64, Instant>>>;

/// Runs it.
pub async fn run(binary: &Path, subscribers: usize, changes: u32, rate: u32) -> anyhow::Result<Report> {
    let hub = Hub::start(binary).await?;
    let mut report = Report::new("live");
    report.add("hub memory, idle", hub.memory()?.0, "MiB");
    let person = create(&hub).await?;
    let asked = Asked::default();
    let latencies = Arc::new(Mutex::new(Histogram::<u64>::new(3)?));
    let mut listening = tokio::task::JoinSet::new();
    for _ in 0..subscribers {
        let socket = subscribe(&hub).await?;
        listening.spawn(listen(
            socket,
            person.clone(),
            i64::from(changes) + 1,
            asked.clone(),
            latencies.clone(),
        ));
    }
    report.add("subscribers", subscribers as f64, "");
    report.add("hub memory, all subscribed", hub.memory()?.0, "MiB");
    let mut answer = Histogram::<u64>::new(3)?;
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    for version in 1..=i64::from(changes) {
        tick.tick().await;
        let begin = Instant::now();
        lock(&asked).insert(version + 1, begin);
        change(&hub, &person, version).await?;
        answer.record(begin.elapsed().as_micros() as u64)?;
    }
    while let Some(ended) = listening.join_next().await {
        ended??;
    }
    let all = lock(&latencies);
    report.add("changes", f64::from(changes), "");
    report.add("events delivered", all.len() as f64, "");
    for (name, histogram) in [
        ("PATCH answered", &answer),
        ("PATCH sent to event received", &*all),
    ] {
        for quantile in [0.5, 0.99] {
            let value = histogram.value_at_quantile(quantile) as f64 / 1_000.0;
            report.add(format!("{name}, p{}", quantile * 100.0), value, "ms");
        }
        report.add(format!("{name}, max"), histogram.max() as f64 / 1_000.0, "ms");
    }
    report.add("hub memory, after", hub.memory()?.0, "MiB");
    Ok(report)
}

async fn create(hub: &Hub) -> anyhow::Result<String> {
    let request = hub
        .http
        .post(format!("{}/api/v1/users", hub.url))
        .bearer_auth(&hub.token);
    let answer: Value = request
        .json(&json!({"email": "watched@example.com", "name": "Watched"}))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    Ok(answer["id"].as_str().context("no id")?.to_owned())
}

async fn change(hub: &Hub, person: &str, version: i64) -> anyhow::Result<()> {
    let request = hub
        .http
        .patch(format!("{}/api/v1/users/{person}", hub.url))
        .bearer_auth(&hub.token);
    request
        .json(&json!({"department": format!("Team {version}")}))
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn subscribe(hub: &Hub) -> anyhow::Result<Socket> {
    let url = format!("{}/connection/websocket", hub.url.replacen("http", "ws", 1));
    // the default write buffer is 128 KiB a connection, of which a listener needs nothing
    let config = WebSocketConfig::default()
        .write_buffer_size(0)
        .read_buffer_size(4096);
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), false).await?;
    let commands = format!(
        "{}\n{}",
        json!({"id": 1, "connect": {"token": hub.token}}),
        json!({"id": 2, "subscribe": {"channel": "feed:users"}})
    );
    socket.send(Message::text(commands)).await?;
    let mut replies = 0;
    while replies < 2 {
        let frame = socket.next().await.context("closed while subscribing")??;
        for line in frame.to_text()?.lines() {
            let reply: Value = serde_json::from_str(line)?;
            if reply.get("error").is_some() {
                bail!("refused: {reply}");
            }
            replies += usize::from(reply.get("id").is_some());
        }
    }
    Ok(socket)
}

async fn listen(
    mut socket: Socket,
    person: String,
    last: i64,
    asked: Asked,
    latencies: Arc<Mutex<Histogram<u64>>>,
) -> anyhow::Result<()> {
    let mut expected = 2;
    while expected <= last {
        let frame = tokio::time::timeout(Duration::from_secs(60), socket.next())
            .await?
            .context("closed")??;
        let received = Instant::now();
        for line in frame.to_text()?.lines() {
            if line == "{}" {
                socket.send(Message::text("{}")).await?;
                continue;
            }
            let event: Value = serde_json::from_str(line)?;
            let subject = &event["push"]["pub"]["data"]["subject"];
            if subject["id"].as_str() != Some(&person) {
                continue;
            }
            let version = subject["version"].as_i64().context("no version")?;
            if version < expected {
                continue;
            }
            if version != expected {
                bail!("version {version} came where {expected} was due");
            }
            expected += 1;
            let begin = *lock(&asked).get(&version).context("an event before its change")?;
            lock(&latencies).record((received - begin).as_micros() as u64)?;
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
