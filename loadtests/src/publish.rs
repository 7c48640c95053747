//! Publishing by hand-written requests on connections that stay open: as fast as a server takes it, or at a fixed rate.
//!
//! Each lane is a thread with a connection of its own and at most one request under way, so that the order within a lane is
//! what every subscriber must hear. Its threads block and sleep by the system's clock, which is finer than a runtime's.

use crate::client::payload::{SIZE, Stamp, write};
use crate::client::{Crowd, PACED, WARM_UP, clock};
use anyhow::{Context, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lanes at most: as many as there are numbers below [`PACED`].
pub const LANES: usize = PACED as usize;

/// How a server takes publications.
#[derive(Clone)]
pub enum Route {
    /// `POST /api/publish`, and `/api/batch` for several: the hub, Centrifugo.
    Api {
        address: SocketAddr,
        key: String,
        channel: String,
    },
    /// A request each: Nchan.
    Each { address: SocketAddr, path: String },
    /// Several in a request, a line each: the bare loop, Socket.IO's script.
    Lines { address: SocketAddr, path: String },
    /// NATS's own protocol over TCP.
    Nats { address: SocketAddr, subject: String },
}

impl Route {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Api { address, .. }
            | Self::Each { address, .. }
            | Self::Lines { address, .. }
            | Self::Nats { address, .. } => *address,
        }
    }

    /// The bytes that publish `payloads`, and how many answers they get.
    fn request(&self, payloads: &[[u8; SIZE]]) -> (Vec<u8>, usize) {
        let mut bytes = Vec::with_capacity(payloads.len() * (SIZE + 120) + 300);
        match self {
            Self::Api { key, channel, .. } => {
                let one = |payload: &[u8; SIZE]| {
                    let data = String::from_utf8_lossy(payload);
                    format!("{{\"channel\":\"{channel}\",\"data\":{data}}}")
                };
                let (path, body) = match payloads {
                    [payload] => ("/api/publish", one(payload)),
                    many => {
                        let commands: Vec<String> = many
                            .iter()
                            .map(|payload| format!("{{\"publish\":{}}}", one(payload)))
                            .collect();
                        let body = format!("{{\"commands\":[{}]}}", commands.join(","));
                        ("/api/batch", body)
                    }
                };
                post(
                    &mut bytes,
                    path,
                    &format!("X-API-Key: {key}\r\n"),
                    body.as_bytes(),
                );
                (bytes, 1)
            }
            Self::Each { path, .. } => {
                for payload in payloads {
                    post(&mut bytes, path, "", payload);
                }
                (bytes, payloads.len())
            }
            Self::Lines { path, .. } => {
                post(&mut bytes, path, "", &payloads.join(&b'\n'));
                (bytes, 1)
            }
            Self::Nats { subject, .. } => {
                for payload in payloads {
                    bytes.extend_from_slice(format!("PUB {subject} {SIZE}\r\n").as_bytes());
                    bytes.extend_from_slice(payload);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"PING\r\n");
                (bytes, 1)
            }
        }
    }
}

fn post(into: &mut Vec<u8>, path: &str, header: &str, body: &[u8]) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n",
        body.len()
    );
    into.extend_from_slice(head.as_bytes());
    into.extend_from_slice(body);
}

/// One connection that publishes.
struct Wire {
    route: Route,
    stream: BufReader<TcpStream>,
}

impl Wire {
    fn open(route: &Route) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(route.address()).context("the publishers' address")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut wire = Self {
            route: route.clone(),
            stream: BufReader::new(stream),
        };
        if matches!(route, Route::Nats { .. }) {
            let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n";
            wire.stream.get_mut().write_all(hello)?;
            wire.pong()?;
        }
        Ok(wire)
    }

    /// Publishes all, and waits until the server has taken them.
    fn publish(&mut self, payloads: &[[u8; SIZE]]) -> anyhow::Result<()> {
        let (request, answers) = self.route.request(payloads);
        self.stream.get_mut().write_all(&request)?;
        for _ in 0..answers {
            match self.route {
                Route::Nats { .. } => self.pong()?,
                _ => self.answer()?,
            }
        }
        Ok(())
    }

    fn pong(&mut self) -> anyhow::Result<()> {
        loop {
            match self.line()?.as_str() {
                "PONG" => return Ok(()),
                "PING" => self.stream.get_mut().write_all(b"PONG\r\n")?,
                error if error.starts_with("-ERR") => bail!("{error}"),
                _ => {}
            }
        }
    }

    fn answer(&mut self) -> anyhow::Result<()> {
        let status = self.line()?;
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            ensure!(!line.starts_with("transfer-encoding"), "an answer in chunks");
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        ensure!(length < 1 << 20, "an answer of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let text = String::from_utf8_lossy(&body);
        // the server API answers 200 also when it refuses
        let refused = matches!(self.route, Route::Api { .. }) && text.contains("\"error\"");
        ensure!(
            status.starts_with("HTTP/1.1 2") && !refused,
            "a publication was refused: {status} {text}"
        );
        Ok(())
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(
            self.stream.read_line(&mut line)? > 0,
            "the server has closed a publisher's connection"
        );
        Ok(line.trim_end().to_owned())
    }
}

struct Lane {
    wire: Wire,
    number: u8,
    /// The next numbers of the flood and of what is paced.
    flood: u64,
    paced: u64,
}

/// A publisher of `lanes` lanes.
pub struct Publisher {
    lanes: Vec<Lane>,
}

impl Publisher {
    pub fn open(route: &Route, lanes: usize) -> anyhow::Result<Self> {
        ensure!((1..=LANES).contains(&lanes), "1 to {LANES} lanes");
        let lanes = (0..lanes).map(|number| {
            Ok(Lane {
                wire: Wire::open(route)?,
                number: number as u8,
                flood: 0,
                paced: 0,
            })
        });
        Ok(Self {
            lanes: lanes.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Publishes now and then until every subscriber hears it: some servers answer before a subscription stands.
    pub fn warm_up(&mut self, crowd: &Crowd) -> anyhow::Result<()> {
        let lane = self.lanes.first_mut().context("no lane")?;
        let mut number = 0;
        let deadline = Instant::now() + Duration::from_secs(60);
        while crowd.tally.warm.load(Ordering::Relaxed) < crowd.size {
            crowd.tally.check()?;
            ensure!(Instant::now() < deadline, "not everybody hears the warm-up");
            let stamp = Stamp {
                number,
                lane: WARM_UP,
                sent: clock(),
            };
            lane.wire.publish(&[write(stamp)])?;
            number += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Publishes as fast as the server takes it, `batch` in a request, with at most `window` publications not yet delivered
    /// to all (on average). How many it were.
    pub fn flood(
        &mut self,
        crowd: &Crowd,
        window: u64,
        batch: usize,
        lasting: Duration,
    ) -> anyhow::Result<u64> {
        let (sent, end) = (AtomicU64::new(0), Instant::now() + lasting);
        let before = crowd.tally.delivered.load(Ordering::Relaxed);
        let under_way = || {
            let delivered = crowd.tally.delivered.load(Ordering::Relaxed) - before;
            sent.load(Ordering::Relaxed)
                .saturating_sub(delivered / crowd.size as u64)
        };
        self.each(|lane| {
            while Instant::now() < end {
                if under_way() + batch as u64 > window {
                    crowd.tally.check()?;
                    std::thread::sleep(Duration::from_micros(200));
                    continue;
                }
                sent.fetch_add(batch as u64, Ordering::Relaxed);
                let stamps = (lane.flood..).take(batch).map(|number| Stamp {
                    number,
                    lane: lane.number,
                    sent: clock(),
                });
                let payloads: Vec<_> = stamps.map(write).collect();
                lane.flood += batch as u64;
                lane.wire.publish(&payloads)?;
            }
            Ok(())
        })?;
        Ok(sent.into_inner())
    }

    /// Publishes `rate` a second, each stamped with the instant at which it was due. What became due while a request was
    /// under way goes together in the next, up to `batch`: who falls behind must be able to catch up. How many it were.
    pub fn pace(&mut self, crowd: &Crowd, rate: f64, batch: usize, lasting: Duration) -> anyhow::Result<u64> {
        let all = (rate * lasting.as_secs_f64()) as u64;
        let (begun, begun_at) = (Instant::now(), clock());
        let lanes = self.lanes.len();
        let due = |k: u64| Duration::from_secs_f64(k as f64 / rate);
        self.each(|lane| {
            let mut mine = (u64::from(lane.number)..all).step_by(lanes).peekable();
            while let Some(first) = mine.peek() {
                std::thread::sleep(due(*first).saturating_sub(begun.elapsed()));
                crowd.tally.check()?;
                let now = begun.elapsed();
                let mut payloads = Vec::new();
                while payloads.len() < batch
                    && let Some(k) = mine.next_if(|k| due(*k) <= now)
                {
                    payloads.push(write(Stamp {
                        number: lane.paced,
                        lane: PACED + lane.number,
                        sent: begun_at + due(k).as_micros() as u64,
                    }));
                    lane.paced += 1;
                }
                if !payloads.is_empty() {
                    lane.wire.publish(&payloads)?;
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Runs all lanes at once, each in a thread of its own.
    fn each(&mut self, run: impl Fn(&mut Lane) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let running: Vec<_> = self
                .lanes
                .iter_mut()
                .map(|lane| scope.spawn(|| run(lane)))
                .collect();
            running.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| bail!("a publisher's thread has panicked"))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route::Api {
            address: ([127, 0, 0, 1], 1).into(),
            key: "k".into(),
            channel: "a:b".into(),
        }
    }

    fn body(payloads: &[[u8; SIZE]]) -> (String, serde_json::Value) {
        let (bytes, answers) = route().request(payloads);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(answers, 1);
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        (
            head.lines().next().unwrap().to_owned(),
            serde_json::from_str(body).unwrap(),
        )
    }

    #[test]
    fn one_publication_is_published_and_several_are_a_batch() {
        let payload = write(Stamp {
            number: 1,
            lane: 2,
            sent: 3,
        });
        let (line, one) = body(&[payload]);
        assert_eq!(line, "POST /api/publish HTTP/1.1");
        assert_eq!(
            (&one["channel"], &one["data"]["l"]),
            (&"a:b".into(), &"02".into())
        );
        let (line, many) = body(&[payload, payload]);
        assert_eq!(line, "POST /api/batch HTTP/1.1");
        assert_eq!(many["commands"][1]["publish"], one);
    }
}
