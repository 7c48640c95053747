//! One channel, many subscribers, small publications: how many deliveries a second, what they cost, and how long each takes
//! while half as many are under way.

use crate::client::Crowd;
use crate::machine;
use crate::peers::Server;
use crate::publish::Publisher;
use crate::report::Report;
use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How it is measured; the same for every server of a run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Measuring {
    /// Seconds that each of the two parts is measured, after one second that is not.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Publications under way at once while it is saturated.
    #[arg(long, default_value_t = 32)]
    pub window: u64,
    /// Publications in one request at most, where the server takes several.
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// Connections of the publisher.
    #[arg(long, default_value_t = 4)]
    pub lanes: usize,
    /// Threads of the subscribers.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// What was measured of one server.
pub struct Outcome {
    /// Deliveries a second, saturated.
    pub rate: f64,
    /// Processor time of the server and all it has started, nanoseconds for a delivery.
    pub cost: f64,
    /// The part of it that the server's own process took.
    pub own_cost: f64,
    /// What a delivery costs the subscribers, nanoseconds, the publisher included.
    pub client_cost: f64,
    /// At half the rate.
    pub delays: Histogram<u64>,
    /// Subscriptions a second while everybody came.
    pub joined: f64,
    /// KiB that the server and all it has started grew by for each subscriber, before anything was published.
    pub weight: f64,
    /// MiB of the server and all it has started, with everybody subscribed, after the flood.
    pub memory: f64,
}

/// Deliveries and processor times at one instant.
struct Sample {
    at: Instant,
    delivered: u64,
    server: f64,
    own: f64,
    client: f64,
}

impl Sample {
    fn take(server: &Server, crowd: &Crowd) -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            delivered: crowd.tally.delivered.load(Ordering::Relaxed),
            server: machine::processor_of_all(server.pid)?,
            own: machine::processor(server.pid)?,
            client: machine::processor(std::process::id())?,
        })
    }
}

/// Measures one server with `subscribers`. Blocks.
pub fn measure(server: &Server, subscribers: usize, how: Measuring) -> anyhow::Result<Outcome> {
    let (empty, coming) = (machine::memory_of_all(server.pid)?, Instant::now());
    let crowd = Crowd::gather(&server.door, subscribers, how.threads)?;
    let joined = subscribers as f64 / coming.elapsed().as_secs_f64();
    // whoever collects garbage gets a moment for it
    std::thread::sleep(Duration::from_secs(1));
    let weight = (machine::memory_of_all(server.pid)? - empty) * 1_024.0 / subscribers as f64;
    let mut publisher = Publisher::open(&server.route, how.lanes)?;
    publisher.warm_up(&crowd)?;
    settle(&crowd)?;
    let lasting = Duration::from_secs(how.seconds);
    let (begin, end) = saturate(server, &crowd, &mut publisher, how)?;
    let delivered = (end.delivered - begin.delivered) as f64;
    let rate = delivered / (end.at - begin.at).as_secs_f64();
    let each = |from: f64, to: f64| (to - from) * 1e9 / delivered;
    let memory = machine::memory_of_all(server.pid)?;

    let half = rate / 2.0 / subscribers as f64;
    deliver(&crowd, || {
        publisher.pace(&crowd, half, how.batch, Duration::from_secs(1))
    })?;
    crowd.tally.take_delays();
    deliver(&crowd, || publisher.pace(&crowd, half, how.batch, lasting))?;
    Ok(Outcome {
        rate,
        cost: each(begin.server, end.server),
        own_cost: each(begin.own, end.own),
        client_cost: each(begin.client, end.client),
        delays: crowd.tally.take_delays(),
        joined,
        weight,
        memory,
    })
}

/// Floods, and samples after the first second and at the end.
fn saturate(
    server: &Server,
    crowd: &Crowd,
    publisher: &mut Publisher,
    how: Measuring,
) -> anyhow::Result<(Sample, Sample)> {
    let (settling, lasting) = (Duration::from_secs(1), Duration::from_secs(how.seconds));
    // half a second more, so that the second sample is still within
    let lasts = settling + lasting + Duration::from_millis(500);
    let mut samples = Err(anyhow::anyhow!("nothing was sampled"));
    deliver(crowd, || {
        std::thread::scope(|scope| {
            let flood = scope.spawn(|| publisher.flood(crowd, how.window, how.batch, lasts));
            std::thread::sleep(settling);
            let begin = Sample::take(server, crowd);
            std::thread::sleep(lasting);
            samples = begin.and_then(|begin| Ok((begin, Sample::take(server, crowd)?)));
            flood
                .join()
                .unwrap_or_else(|_| bail!("the publisher has panicked"))
        })
    })?;
    samples
}

/// Publishes with `publish`, which says how many it published, and waits until all are delivered to everybody.
pub fn deliver(crowd: &Crowd, publish: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let before = crowd.tally.delivered.load(Ordering::Relaxed);
    let due = before + publish()? * crowd.size as u64;
    crowd.wait("everything is delivered", |tally| {
        tally.delivered.load(Ordering::Relaxed) >= due
    })?;
    let delivered = crowd.tally.delivered.load(Ordering::Relaxed);
    if delivered > due {
        bail!("{} more were delivered than published", delivered - due);
    }
    Ok(())
}

/// Waits until nothing more of the warm-up comes.
pub fn settle(crowd: &Crowd) -> anyhow::Result<()> {
    let mut before = None;
    loop {
        crowd.tally.check()?;
        let now = crowd.tally.delivered.load(Ordering::Relaxed);
        if before == Some(now) {
            return Ok(());
        }
        before = Some(now);
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Adds what several rounds with one server gave.
pub fn tell(report: &mut Report, name: &str, outcomes: &[Outcome]) {
    let all = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).collect::<Vec<_>>();
    report.add_median(
        format!("{name}: deliveries, saturated"),
        &all(|one| one.rate),
        "/s",
    );
    report.add_median(
        format!("{name}: processor, a delivery"),
        &all(|one| one.cost),
        "ns",
    );
    report.add_median(
        format!("{name}: of it the server's process"),
        &all(|one| one.own_cost),
        "ns",
    );
    report.add_median(
        format!("{name}: processor of the clients"),
        &all(|one| one.client_cost),
        "ns",
    );
    report.add_median(
        format!("{name}: delay at half the rate, p50"),
        &all(|one| one.delays.value_at_quantile(0.5) as f64 / 1_000.0),
        "ms",
    );
    report.add_median(
        format!("{name}: delay at half the rate, p99"),
        &all(|one| one.delays.value_at_quantile(0.99) as f64 / 1_000.0),
        "ms",
    );
    report.add_median(
        format!("{name}: subscriptions while all came"),
        &all(|one| one.joined),
        "/s",
    );
    report.add_median(
        format!("{name}: memory, a subscriber"),
        &all(|one| one.weight),
        "KiB",
    );
    report.add_median(
        format!("{name}: memory after the flood"),
        &all(|one| one.memory),
        "MiB",
    );
}

/// Measures the hub alone.
pub async fn run(
    programs: &crate::peers::Programs,
    sizes: &[usize],
    how: Measuring,
) -> anyhow::Result<Report> {
    let mut report = Report::new("fanout");
    report.tell("measured", format!("{how:?}"));
    for size in sizes {
        let server = crate::peers::Peer::Hub.start(programs).await?;
        let outcome = measure(&server, *size, how).context("the hub")?;
        tell(&mut report, &format!("{size} subscribers"), &[outcome]);
    }
    Ok(report)
}
