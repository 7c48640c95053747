//! Whether the slow cost the others anything: the delay of healthy subscribers with one in a hundred stalled beside them,
//! against none, in interleaved pairs.
//!
//! Stalled in equal parts: clients that never read, clients that read a byte a second, and clients that have vanished without
//! a word (their system drops whatever comes, acknowledgements included: a half-open connection). Before the healthy are
//! measured beside them they are given more than the kernel takes for them, on a channel of their own, so that what comes
//! then waits in the hub; the report tells how much did.

use crate::client::{Crowd, Door, Farm, Line, Subscriber};
use crate::fanout::{deliver, settle};
use crate::machine;
use crate::peers::{KEY, Peer, Programs};
use crate::publish::Publisher;
use crate::report::Report;
use anyhow::{Context, ensure};
use serde_json::json;
use socket2::{SockFilter, SockRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What only the stalled follow, and how many bytes each of them is given on it: more than Linux lets a socket send ahead
/// (`tcp_wmem`, 4 MiB), in publications of [`PIECE`].
const FLOOD: &str = "load:flood";
const FLOODED: usize = 5 << 20;
const PIECE: usize = 40_000;

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Wish {
    /// Healthy subscribers.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Publications a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Pairs of runs: none stalled, one in a hundred stalled.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Runs it.
pub async fn run(programs: &Programs, wish: Wish) -> anyhow::Result<Report> {
    let mut report = Report::new("slow");
    report.tell("measured", format!("{wish:?}"));
    let server = Peer::Hub.start(programs).await?;
    report.tell("hub", server.name.clone());
    let crowd = Crowd::gather(&server.door, wish.subscribers, 1)?;
    let mut publisher = Publisher::open(&server.route, 4)?;
    publisher.warm_up(&crowd)?;
    settle(&crowd)?;
    let memory = machine::resident(server.pid)? / 1024.0;
    let mut measure = |crowd: &Crowd| {
        deliver(crowd, || {
            publisher.pace(crowd, wish.rate, 8, Duration::from_secs(1))
        })?;
        crowd.tally.take_delays();
        deliver(crowd, || {
            publisher.pace(crowd, wish.rate, 8, Duration::from_secs(wish.seconds))
        })?;
        let delays = crowd.tally.take_delays();
        Ok::<_, anyhow::Error>(
            [0.5, 0.99].map(|quantile| delays.value_at_quantile(quantile) as f64 / 1_000.0),
        )
    };
    let stalled = (wish.subscribers / 100).max(3);
    let (mut healthy, mut beside, mut most, mut waited) = (Vec::new(), Vec::new(), 0_f64, 0_f64);
    let http = reqwest::Client::new();
    let began = Arc::new(AtomicUsize::new(0));
    for pair in 0..wish.pairs {
        // which of the two comes first changes, so that what drifts hits both
        for first in [pair.is_multiple_of(2), !pair.is_multiple_of(2)] {
            if first {
                healthy.push(measure(&crowd)?);
            } else {
                let so_far = began.load(Ordering::Relaxed);
                let _farm = stall(&server.door, stalled, &began)?;
                all_begin(&began, so_far + stalled).await?;
                flood(&http, &server.door).await?;
                waited = waited.max(gauge(&http, &server.door, "signalbox_live_queue_bytes").await?);
                beside.push(measure(&crowd)?);
                waited = waited.max(gauge(&http, &server.door, "signalbox_live_queue_bytes").await?);
                most = most.max(machine::resident(server.pid)? / 1024.0);
            }
        }
    }
    report.add("stalled clients", stalled as f64, "");
    report.add(
        "times that one began to stall",
        began.load(Ordering::Relaxed) as f64,
        "",
    );
    for (at, name) in ["p50", "p99"].into_iter().enumerate() {
        let of = |runs: &[[f64; 2]]| runs.iter().map(|run| run[at]).collect::<Vec<_>>();
        report.add_median(
            format!("delay without stalled clients, {name}"),
            &of(&healthy),
            "ms",
        );
        report.add_median(
            format!("delay beside stalled clients, {name}"),
            &of(&beside),
            "ms",
        );
        let shift = |(without, with): (&[f64; 2], &[f64; 2])| (with[at] / without[at] - 1.0) * 100.0;
        let shifts: Vec<f64> = healthy.iter().zip(&beside).map(shift).collect();
        report.add_median(format!("shift of {name}, pair by pair"), &shifts, "%");
    }
    report.add(
        "most that waited in the hub for the stalled",
        waited / 1024.0,
        "KiB",
    );
    for what in ["gap", "closed"] {
        let name = format!("signalbox_live_slow_total{{what=\"{what}\"}}");
        let times = gauge(&http, &server.door, &name).await?;
        report.add(format!("stalled clients helped: {what}"), times, "");
    }
    report.add("hub memory, healthy clients subscribed", memory, "MiB");
    report.add("hub memory, most beside stalled clients", most, "MiB");
    Ok(report)
}

fn stall(door: &Door, clients: usize, began: &Arc<AtomicUsize>) -> anyhow::Result<Farm> {
    let (door, began) = (door.clone(), began.clone());
    Farm::start(clients, 1, move |n| {
        let (door, began) = (door.clone(), began.clone());
        async move {
            loop {
                // a server that refuses such a client is right; the client tries again
                if stall_once(&door, n, &began).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    })
}

async fn stall_once(door: &Door, n: usize, began: &AtomicUsize) -> anyhow::Result<()> {
    let mut subscriber = door.enter(n).await?;
    follow_flood(&mut subscriber).await?;
    let stream = subscriber.socket.stream();
    // a small window fills soon
    SockRef::from(&*stream).set_recv_buffer_size(4_096)?;
    if n.is_multiple_of(3) {
        vanish(stream)?;
    }
    began.fetch_add(1, Ordering::Relaxed);
    if n % 3 == 1 {
        loop {
            stream.read_exact(&mut [0]).await.context("it was cut off")?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    std::future::pending().await
}

async fn follow_flood(subscriber: &mut Subscriber) -> anyhow::Result<()> {
    let wish = json!({"id": 1_000, "subscribe": {"channel": FLOOD}});
    subscriber.socket.text(&wish.to_string()).await?;
    let mut answered = false;
    while !answered {
        let line = subscriber
            .watch(|message| answered |= message.starts_with(b"{\"id\":1000,\"subscribe\""))
            .await?;
        ensure!(line == Line::Open, "closed while subscribing");
    }
    Ok(())
}

async fn all_begin(began: &AtomicUsize, all: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while began.load(Ordering::Relaxed) < all {
        ensure!(Instant::now() < deadline, "the stalled do not get in");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Publishes more to the stalled than the kernel takes for them.
async fn flood(http: &reqwest::Client, door: &Door) -> anyhow::Result<()> {
    let said = json!({"channel": FLOOD, "data": "x".repeat(PIECE)});
    for _ in 0..FLOODED / PIECE {
        let url = format!("http://{}/api/publish", door.address);
        let answer = http.post(url).header("X-API-Key", KEY).json(&said).send().await?;
        let text = answer.error_for_status()?.text().await?;
        ensure!(!text.contains("\"error\""), "{text}");
    }
    Ok(())
}

/// What the hub's metric of this name and labels is.
async fn gauge(http: &reqwest::Client, door: &Door, name: &str) -> anyhow::Result<f64> {
    let url = format!("http://{}/metrics", door.address);
    let text = http.get(url).send().await?.error_for_status()?.text().await?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.map_or(Ok(0.0), str::parse)?)
}

/// From now on the system drops whatever comes for `stream`, and acknowledges nothing.
fn vanish(stream: &TcpStream) -> std::io::Result<()> {
    // `ret #0`: no byte of any packet is taken (classic BPF, see Linux's networking/filter)
    SockRef::from(stream).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn one_who_has_vanished_gets_nothing_and_one_beside_them_everything() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..2 {
            let client = TcpStream::connect(address).await.unwrap();
            clients.push((client, listener.accept().await.unwrap().0));
        }
        vanish(&clients[0].0).unwrap();
        for (_, server) in &mut clients {
            server.write_all(b"x").await.unwrap();
        }
        assert_eq!(clients[1].0.read_u8().await.unwrap(), b'x');
        let heard = tokio::time::timeout(Duration::from_millis(500), clients[0].0.read_u8()).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}
