//! More sign-ins are offered than half of the processors can check: most are sent away with a time to come back, memory stays
//! as it is, and whoever is signed in notices little.

use super::drive::{Target, Wire, offered, with_body};
use crate::hub::{Hub, PASSWORD};
use crate::machine;
use crate::report::Report;
use anyhow::ensure;
use hdrhistogram::Histogram;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Who signs in, in turns: nobody so often that guessing would be suspected.
const PEOPLE: usize = 64;
/// Requests a second of those who are signed in.
const OTHERS: u32 = 200;
/// What their p95 is to stay under.
const P95_MS: f64 = 50.0;

/// What became of the sign-ins.
#[derive(Default)]
struct Ends {
    signed_in: u64,
    sent_away: u64,
    times: Option<Histogram<u64>>,
}

pub async fn measure(
    report: &mut Report,
    hub: &Hub,
    ids: &[String],
    rate: u32,
    seconds: u64,
) -> anyhow::Result<()> {
    let time = Duration::from_secs(seconds);
    let familiar: Vec<String> = ids.iter().take(super::FAMILIAR).cloned().collect();
    let others = Arc::new(Target::people(hub, &hub.token, &familiar));
    let requests = requests(hub).await?;
    let quiet = offered(&others, OTHERS, time / 2).await?;
    let before = resident(hub)?;
    let (ends, busy, highest) = tokio::try_join!(
        storm(hub, &requests, rate, time),
        offered(&others, OTHERS, time),
        highest(hub, time)
    )?;
    let after = resident(hub)?;
    report.tell(
        "sign-ins",
        format!("{rate}/s offered for {seconds} s, {OTHERS} other requests/s beside"),
    );
    report.add(
        "sign-ins that came in",
        ends.signed_in as f64 / time.as_secs_f64(),
        "/s",
    );
    report.add(
        "sign-ins sent away (503, Retry-After)",
        ends.sent_away as f64 / time.as_secs_f64(),
        "/s",
    );
    if let Some(times) = &ends.times {
        report.add(
            "sign-in that came in, p95",
            times.value_at_quantile(0.95) as f64 / 1_000.0,
            "ms",
        );
    }
    for (name, delays) in [
        ("other requests without", &quiet),
        ("other requests during the storm", &busy),
    ] {
        for (quantile, label) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
            report.add(
                format!("{name}, {label}"),
                delays.value_at_quantile(quantile) as f64 / 1_000.0,
                "ms",
            );
        }
    }
    report.add("hub memory before", before, "MiB");
    report.add("hub memory at its highest", highest, "MiB");
    report.add("hub memory after", after, "MiB");
    report.add("promised p95 of others at most", P95_MS, "ms");
    let p95 = busy.value_at_quantile(0.95) as f64 / 1_000.0;
    report.add("promise kept, sign-ins", f64::from(u8::from(p95 < P95_MS)), "");
    Ok(())
}

fn resident(hub: &Hub) -> anyhow::Result<f64> {
    Ok(machine::resident(hub.pid())? / 1024.0)
}

/// The most memory that is seen in that time, MiB.
async fn highest(hub: &Hub, time: Duration) -> anyhow::Result<f64> {
    let (begin, mut highest) = (Instant::now(), 0_f64);
    while begin.elapsed() < time {
        highest = highest.max(resident(hub)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(highest)
}

/// The sign-ins of people who are made for it.
async fn requests(hub: &Hub) -> anyhow::Result<Vec<Arc<Vec<u8>>>> {
    let mut requests = Vec::new();
    for n in 0..PEOPLE {
        let email = format!("signs-in-{n}@example.com");
        let person = json!({"email": email, "name": "Person", "password": PASSWORD});
        hub.post("/users", &person).await?;
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        requests.push(with_body("POST", hub.address, None, "/auth/login", &body));
    }
    Ok(requests.into_iter().map(Arc::new).collect())
}

/// Each sign-in has a connection of its own, and comes whatever became of the others.
async fn storm(hub: &Hub, requests: &[Arc<Vec<u8>>], rate: u32, time: Duration) -> anyhow::Result<Ends> {
    let (begin, address) = (Instant::now(), hub.address);
    let mut coming = JoinSet::new();
    let mut n = 0;
    while begin.elapsed() < time {
        let due = begin + Duration::from_secs(1) * n / rate;
        tokio::time::sleep_until(due.into()).await;
        let request = Arc::clone(&requests[n as usize % requests.len()]);
        coming.spawn(async move {
            let answered = Wire::to(address).await?.ask(&request).await?;
            anyhow::Ok((answered, due.elapsed()))
        });
        n += 1;
    }
    let mut ends = Ends::default();
    let mut times = Histogram::<u64>::new(3)?;
    while let Some(answered) = coming.join_next().await {
        let (answered, took) = answered??;
        match answered.status {
            200 => {
                ends.signed_in += 1;
                times.record(took.as_micros() as u64)?;
            }
            503 if answered.retry_after => ends.sent_away += 1,
            other => anyhow::bail!("a sign-in was answered {other}"),
        }
    }
    ensure!(ends.signed_in > 0, "nobody came in");
    ends.times = Some(times);
    Ok(ends)
}
