//! Requests over kept connections, written and read by hand: a client that costs little leaves the processor to whom it asks.

use crate::hub::Hub;
use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use memchr::memmem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections over which requests are offered at a rate.
const OFFERED_OVER: u32 = 64;

/// Requests that are sent in turn, over and over.
pub struct Target {
    pub address: SocketAddr,
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
}

impl Target {
    pub fn of(address: SocketAddr, requests: Vec<Vec<u8>>) -> Self {
        Self {
            address,
            requests,
            next: AtomicUsize::new(0),
        }
    }

    /// GET of each of `ids`, as whoever `token` is of.
    pub fn people(hub: &Hub, token: &str, ids: &[String]) -> Self {
        let requests = ids
            .iter()
            .map(|id| get(hub.address, token, &format!("/users/{id}")));
        Self::of(hub.address, requests.collect())
    }

    fn next(&self) -> &[u8] {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        &self.requests[n % self.requests.len()]
    }
}

pub fn get(address: SocketAddr, token: &str, path: &str) -> Vec<u8> {
    format!("GET /api/v1{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

pub fn with_body(method: &str, address: SocketAddr, token: Option<&str>, path: &str, body: &str) -> Vec<u8> {
    let bearer = token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: {address}\r\n{bearer}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What was answered.
pub struct Answered {
    pub status: u16,
    /// It says when to come back.
    pub retry_after: bool,
}

impl Wire {
    pub async fn to(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(16 << 10),
        })
    }

    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answered> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            let more = self.stream.read_buf(&mut self.read).await?;
            ensure!(more > 0, "the connection was closed");
            if let Some(answered) = complete(&self.read)? {
                return Ok(answered);
            }
        }
    }
}

/// The answer, once all of it has come.
fn complete(read: &[u8]) -> anyhow::Result<Option<Answered>> {
    let Some(head) = memmem::find(read, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..head])?;
    let length = header(text, "content-length").map_or(Ok(0), str::parse::<usize>)?;
    if read.len() < head + 4 + length {
        return Ok(None);
    }
    let status = text.get(9..12).context("no status")?.parse()?;
    Ok(Some(Answered {
        status,
        retry_after: header(text, "retry-after").is_some(),
    }))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Requests a second when `connections` ask as fast as they are answered.
pub async fn flat_out(target: &Arc<Target>, connections: usize, time: Duration) -> anyhow::Result<f64> {
    let mut wires = try_join_all((0..connections).map(|_| Wire::to(target.address))).await?;
    // what is to be in memory comes there, and processors wake up
    for wire in &mut wires {
        let answered = wire.ask(target.next()).await?;
        ensure!(answered.status == 200, "{} {}", answered.status, target.address);
    }
    let begin = Instant::now();
    let mut asking = JoinSet::new();
    for mut wire in wires {
        let target = Arc::clone(target);
        asking.spawn(async move {
            let mut asked = 0_u64;
            while begin.elapsed() < time {
                let answered = wire.ask(target.next()).await?;
                ensure!(answered.status == 200, "{}", answered.status);
                asked += 1;
            }
            anyhow::Ok(asked)
        });
    }
    let mut all = 0;
    while let Some(asked) = asking.join_next().await {
        all += asked??;
    }
    Ok(all as f64 / begin.elapsed().as_secs_f64())
}

/// Microseconds of each answer when `rate` requests a second are offered, whatever becomes of those before: an answer is late by
/// as much as its request had to wait.
pub async fn offered(target: &Arc<Target>, rate: u32, time: Duration) -> anyhow::Result<Histogram<u64>> {
    let begin = Instant::now();
    let mut asking = JoinSet::new();
    for n in 0..OFFERED_OVER {
        let target = Arc::clone(target);
        asking.spawn(async move {
            let mut wire = Wire::to(target.address).await?;
            let mut delays = Histogram::<u64>::new(3)?;
            let each = Duration::from_secs(1) * OFFERED_OVER / rate;
            let mut due = begin + each * n / OFFERED_OVER;
            while due.duration_since(begin) < time {
                tokio::time::sleep_until(due.into()).await;
                let answered = wire.ask(target.next()).await?;
                if answered.status != 200 {
                    bail!("{}", answered.status);
                }
                delays.record(due.elapsed().as_micros() as u64)?;
                due += each;
            }
            anyhow::Ok(delays)
        });
    }
    let mut all = Histogram::new(3)?;
    while let Some(delays) = asking.join_next().await {
        all.add(delays??)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_all_of_its_body_has_come() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nRetry-After: 2\r\n\r\n{}";
        for short in 0..answer.len() {
            assert!(
                complete(&answer[..short]).unwrap_or_default().is_none(),
                "{short}"
            );
        }
        let whole = complete(answer).unwrap_or_default();
        assert!(whole.is_some_and(|whole| whole.status == 503 && whole.retry_after));
    }
}
