//! What signing in and being asked who one is cost: `GET /users/{id}` beside a bare actix-web handler, how often the caches
//! answer, and everybody else's answers while many more want to sign in than the hub has processors for.
//!
//! Bare handler and hub take turns, with the same client and answers of the same size.

mod bare;
mod drive;
mod logins;
mod mix;

pub use bare::serve as serve_bare;

use crate::hub::Hub;
use crate::import;
use crate::machine;
use crate::report::{Report, median};
use anyhow::{Context, ensure};
use drive::Target;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Turns of every target.
const ROUNDS: usize = 3;
/// Connections that ask as fast as they are answered.
const CONNECTIONS: usize = 32;
/// People that are asked for again and again: they are in memory.
const FAMILIAR: usize = 100;
/// What the figures are to stay beyond or under.
const RATIO: f64 = 0.5;
const P95_MS: f64 = 10.0;

/// Nobody reaches a limit while speed is measured; what counting costs is paid all the same.
const CONFIGURATION: &str = "[limits.users.get]\nuser = 1000000000\nkey = 1000000000\naddress = 1000000000\n";

#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Wish {
    /// People in the hub. The miss path needs more than are asked for in half a minute.
    #[arg(long, default_value_t = 200_000)]
    people: u32,
    /// Of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// `GET /users/{id}` offered a second.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Sign-ins offered a second.
    #[arg(long, default_value_t = 200)]
    logins: u32,
    /// Sessions of the realistic mix.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
}

pub async fn run(binary: &Path, wish: Wish) -> anyhow::Result<Report> {
    let mut report = Report::new("auth");
    let hub = Hub::start_with(binary, CONFIGURATION).await?;
    import::people(&hub, wish.people).await?;
    let ids = ids(&hub).await?;
    at_rest(&hub).await?;
    report.tell("people", ids.len().to_string());
    speed(&mut report, &hub, &ids, wish).await?;
    mix::measure(&mut report, &hub, &ids, wish.sessions, wish.seconds * 3).await?;
    logins::measure(&mut report, &hub, &ids, wish.logins, wish.seconds * 2).await?;
    Ok(report)
}

async fn speed(report: &mut Report, hub: &Hub, ids: &[String], wish: Wish) -> anyhow::Result<()> {
    let familiar: Vec<String> = ids.iter().take(FAMILIAR).cloned().collect();
    let shelf = Target::people(hub, &hub.token, &familiar);
    let primary = Target::people(hub, &hub.token, ids);
    let answer = hub.get(&format!("/users/{}", familiar[0])).await?;
    let (bare, _running) = bare::start(answer.to_string().len())?;
    let targets = [
        ("bare actix-web handler", Arc::new(bare)),
        ("GET users/{id} from memory", Arc::new(shelf)),
        ("GET users/{id} from PostgreSQL", Arc::new(primary)),
    ];
    let time = Duration::from_secs(wish.seconds);
    let mut speeds = vec![Vec::new(); targets.len()];
    for _ in 0..ROUNDS {
        for (speeds, (_, target)) in speeds.iter_mut().zip(&targets) {
            speeds.push(drive::flat_out(target, CONNECTIONS, time).await?);
        }
    }
    // round by round: what disturbs a machine for a while disturbs both
    let shares = |of: &[f64]| -> Vec<f64> { of.iter().zip(&speeds[0]).map(|(of, bare)| of / bare).collect() };
    let share = median(&shares(&speeds[1])).map_or(0.0, |(middle, ..)| middle);
    for ((name, _), speeds) in targets.iter().zip(&speeds) {
        report.add_median(*name, speeds, "requests/s");
    }
    for ((name, _), speeds) in targets.iter().zip(&speeds).skip(1) {
        report.add_median(format!("{name} / bare"), &shares(speeds), "");
    }
    let mut p95 = f64::INFINITY;
    for (name, target) in &targets {
        let delays = drive::offered(target, wish.rate, time).await?;
        for (quantile, label) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
            let took = delays.value_at_quantile(quantile) as f64 / 1_000.0;
            report.add(format!("{name}, {} /s offered, {label}", wish.rate), took, "ms");
            if label == "p95" && name.ends_with("memory") {
                p95 = took;
            }
        }
    }
    report.add("promised of the bare handler at least", RATIO, "");
    report.add("promised p95 at most", P95_MS, "ms");
    let kept = share >= RATIO && p95 < P95_MS;
    report.add("promise kept", f64::from(u8::from(kept)), "");
    Ok(())
}

/// Waits until the hub and its servers have done what the import left them, for two minutes at most.
async fn at_rest(hub: &Hub) -> anyhow::Result<()> {
    const LOOK: Duration = Duration::from_secs(2);
    for _ in 0..60 {
        let before = machine::processor_of_all(hub.pid())?;
        tokio::time::sleep(LOOK).await;
        if machine::processor_of_all(hub.pid())? - before < LOOK.as_secs_f64() / 20.0 {
            break;
        }
    }
    Ok(())
}

/// Everybody's id.
async fn ids(hub: &Hub) -> anyhow::Result<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub.get(&format!("/users?limit=1000{cursor}")).await?;
        let items = page["items"].as_array().context("no items")?;
        ids.extend(
            items
                .iter()
                .filter_map(|item| item["id"].as_str().map(str::to_owned)),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    ensure!(ids.len() >= FAMILIAR, "there are {} people only", ids.len());
    Ok(ids)
}
