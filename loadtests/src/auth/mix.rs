//! How often the caches answer: many sessions, people asked for by Zipf's law, one request in fifty a change.

use super::drive::{Target, get, offered, with_body};
use crate::hub::{EMAIL, Hub};
use crate::report::Report;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Requests a second.
const RATE: u32 = 400;
/// People who are asked for, as in a back office's day.
const PEOPLE: usize = 2_000;
/// One in so many is a change.
const CHANGES: usize = 50;
/// The same for so many times as long, before anything is counted.
const WARM: u64 = 2;
/// What the hit rate is to stay over, in percent.
const PROMISED: f64 = 95.0;

pub async fn measure(
    report: &mut Report,
    hub: &Hub,
    ids: &[String],
    sessions: usize,
    seconds: u64,
) -> anyhow::Result<()> {
    let mut tokens = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        tokens.push(hub.token_of(EMAIL, crate::hub::PASSWORD).await?);
    }
    let ids = &ids[..ids.len().min(PEOPLE)];
    let mut random = rand::rngs::StdRng::seed_from_u64(4);
    let asked = requests(
        hub,
        ids,
        &tokens,
        ((WARM + 1) * seconds) as usize * RATE as usize,
        &mut random,
    );
    let target = Arc::new(Target::of(hub.address, asked));
    // as after a while of it
    offered(&target, RATE, Duration::from_secs(WARM * seconds)).await?;
    let before = counted(hub).await?;
    let delays = offered(&target, RATE, Duration::from_secs(seconds)).await?;
    let after = counted(hub).await?;
    report.tell(
        "mix",
        format!(
            "{sessions} sessions, {RATE} requests/s, Zipf over {} people, 1 in {CHANGES} a change",
            ids.len()
        ),
    );
    for (quantile, label) in [(0.5, "p50"), (0.95, "p95")] {
        report.add(
            format!("mix, {label}"),
            delays.value_at_quantile(quantile) as f64 / 1_000.0,
            "ms",
        );
    }
    for (what, name, hits) in [
        ("rows", "signalbox_user_answers_total", &["shelf"][..]),
        (
            "permissions",
            "signalbox_permission_answers_total",
            &["shelf", "redis"],
        ),
    ] {
        let since = |from: &str| {
            let label = format!("{name}{{from=\"{from}\"}}");
            let at = |counts: &BTreeMap<String, f64>| counts.get(&label).copied().unwrap_or_default();
            at(&after) - at(&before)
        };
        let good: f64 = hits.iter().map(|from| since(from)).sum();
        let all = good + since("primary");
        report.add(format!("hit rate of {what} in the mix"), 100.0 * good / all, "%");
    }
    report.add("promised hit rate over", PROMISED, "%");
    Ok(())
}

fn requests(
    hub: &Hub,
    ids: &[String],
    tokens: &[String],
    count: usize,
    random: &mut impl Rng,
) -> Vec<Vec<u8>> {
    let sums: Vec<f64> = (1..=ids.len())
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        })
        .collect();
    let whole = sums.last().copied().unwrap_or(1.0);
    (0..count)
        .map(|n| {
            let drawn = random.random_range(0.0..whole);
            let id = &ids[sums.partition_point(|sum| *sum < drawn).min(ids.len() - 1)];
            let token = &tokens[random.random_range(0..tokens.len())];
            let path = format!("/users/{id}");
            if n % CHANGES == 0 {
                let body = format!("{{\"department\": \"Department {}\"}}", n / CHANGES);
                return with_body("PATCH", hub.address, Some(token), &path, &body);
            }
            get(hub.address, token, &path)
        })
        .collect()
}

/// Every counter with a value, by name and labels.
async fn counted(hub: &Hub) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = hub
        .http
        .get(format!("{}/metrics", hub.url))
        .send()
        .await?
        .text()
        .await?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect())
}
