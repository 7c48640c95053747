//! What checking a permission costs a request once the caller's rights are known to the node: the look-up in the hub's own
//! [`PermissionCache`] and the look into the set. The one scenario that is not black-box, since no client could tell
//! nanoseconds: the hub only fills the servers, and the cache is measured in this process, as the hub runs it.
//!
//! Beside it stand the same loop without a check, and a look-up in a plain map that knows neither versions nor an end.

use crate::hub::Hub;
use crate::peers::{Scratch, hub_configuration};
use crate::report::Report;
use crate::servers::Servers;
use anyhow::{Context, ensure};
use futures::FutureExt;
use hdrhistogram::Histogram;
use metrics_exporter_prometheus::PrometheusBuilder;
use signalbox_actors::permission_cache::{PermissionCache, Question};
use signalbox_actors::supervision::Tree;
use signalbox_core::bus::Bus;
use signalbox_core::db::{self, Db};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::password::Passwords;
use signalbox_core::kernel::permission::Rights;
use signalbox_core::kernel::seal::Sealer;
use signalbox_core::outbound::Outside;
use signalbox_core::{Signals, Store};
use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Checks that are timed together: a clock costs as much as a check.
const BATCH: usize = 100;
/// Of each measurement and thread.
const BATCHES: usize = 20_000;
/// Asked for in turn.
const PERMISSIONS: [&str; 4] = ["users:read", "audit:read", "jobs:cancel", "live:disconnect"];
/// What the figure is to stay under, in nanoseconds (p50, one thread).
const PROMISED: f64 = 200.0;

pub async fn run(binary: &Path, people: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("permission");
    report.tell("people", people.to_string());
    report.tell("checks", format!("{BATCHES} batches of {BATCH} a thread"));
    // as in the hub: what is counted on the way costs what it costs there
    PrometheusBuilder::new().install_recorder()?;
    let servers = Servers::start(false)?;
    let folder = Scratch::new("node")?;
    fill(&servers, binary, folder.path(), people).await?;
    let (cache, tree, questions) = cache(&servers).await?;
    let known = known(&cache, &questions).await?;
    report.tell("permissions of each", size(&known).to_string());

    let everybody = measured(&mut report, &cache, &known, &questions, "everybody in turn")?;
    let one = questions.get(..1).context("nobody")?;
    let busy = measured(&mut report, &cache, &known, one, "one person")?;
    report.add("promised at most", PROMISED, "ns");
    let kept = busy < PROMISED && everybody < PROMISED;
    report.add("promise kept", f64::from(u8::from(kept)), "");
    tree.stop(Duration::from_secs(5)).await;
    Ok(report)
}

/// Starts a hub for a moment, which makes the tables and the owner, and gives the owner's roles to others.
async fn fill(servers: &Servers, binary: &Path, folder: &Path, people: usize) -> anyhow::Result<()> {
    let configuration = format!("{}{}", servers.configuration(), hub_configuration());
    let mut hub = Hub::at(binary, folder, &configuration)?;
    hub.run().await?;
    drop(hub);
    servers.rows(&format!(
        "WITH made AS (
           INSERT INTO users (id, organization_id, email, name)
           SELECT gen_random_uuid(), organization_id, 'person' || n || '@example.com', 'Person'
           FROM users, generate_series(2, {people}) n RETURNING id, organization_id)
         INSERT INTO user_roles (organization_id, user_id, role_id, granted_at)
         SELECT made.organization_id, made.id, role_id, now() FROM made, user_roles"
    ))?;
    Ok(())
}

/// The hub's cache on the same servers, and everybody it may be asked about.
async fn cache(servers: &Servers) -> anyhow::Result<(PermissionCache, Tree, Vec<Question>)> {
    let options = db::Options {
        url: servers.database_url("signalbox_app"),
        replica_url: None,
        max_connections: 4,
    };
    let store = Store {
        db: Db::connect(&options).await?,
        bus: Bus::connect(&servers.redis_url(), "sb").await?,
        sealer: Sealer::new(&[0; 32]),
        passwords: Passwords::new(8, 1)?,
        clock: Clock::system(),
        signals: Signals::default(),
        outside: Outside::default(),
    };
    let tree = Tree::start(signalbox_actors::supervision::Options::default())?;
    let cache = PermissionCache::supervise(&tree, &store)?;
    tree.start_all().await;
    let rows = servers.rows(
        "SELECT u.id || ' ' || organization_id || ' ' || access_version || ' ' || access_epoch
         FROM users u JOIN organizations o ON o.id = organization_id ORDER BY u.id",
    )?;
    let questions = rows.iter().map(|row| question(row)).collect::<Result<_, _>>()?;
    Ok((cache, tree, questions))
}

fn question(row: &str) -> anyhow::Result<Question> {
    let words: Vec<&str> = row.split(' ').collect();
    let [user, organization, access, epoch] = words[..] else {
        anyhow::bail!("not a person: {row}");
    };
    Ok(Question {
        organization: organization.parse()?,
        user: user.parse()?,
        at_least: signalbox_core::kernel::permission::RightsVersion {
            access: access.parse()?,
            epoch: epoch.parse()?,
        },
    })
}

/// Has everybody's rights read, so that the node has them at hand.
async fn known(
    cache: &PermissionCache,
    questions: &[Question],
) -> anyhow::Result<HashMap<UserId, Arc<Rights>>> {
    let mut known = HashMap::new();
    for question in questions {
        known.insert(question.user, cache.rights(*question).await?);
    }
    Ok(known)
}

fn size(known: &HashMap<UserId, Arc<Rights>>) -> usize {
    let sizes = known.values().map(|rights| rights.permissions.len());
    sizes.max().unwrap_or_default()
}

/// Measures the check and what it is compared with; the check's p50 on one thread, in nanoseconds.
fn measured(
    report: &mut Report,
    cache: &PermissionCache,
    known: &HashMap<UserId, Arc<Rights>>,
    questions: &[Question],
    whom: &str,
) -> anyhow::Result<f64> {
    let held = check(cache, &questions[0], PERMISSIONS[0]);
    ensure!(held == Some(true), "the owner's rights are not at hand");
    ensure!(
        check(cache, &questions[0], "nobody:may") == Some(false),
        "everything is allowed"
    );
    let mut alone = f64::INFINITY;
    for threads in [1, 2] {
        let mut add = |what: &str, times: &Histogram<u64>| {
            let at = |quantile| times.value_at_quantile(quantile) as f64 / BATCH as f64;
            for (quantile, label) in [(0.5, "p50"), (0.99, "p99")] {
                report.add(
                    format!("{whom}, {threads} threads, {what}, {label}"),
                    at(quantile),
                    "ns",
                );
            }
            at(0.5)
        };
        add("empty loop", &timed(threads, questions, |_, _| Some(true))?);
        add(
            "plain map",
            &timed(threads, questions, |question, permission| {
                Some(known.get(&question.user)?.permissions.has(permission))
            })?,
        );
        let times = timed(threads, questions, |question, permission| {
            check(cache, question, permission)
        })?;
        let took = add("check", &times);
        if threads == 1 {
            alone = took;
        }
    }
    Ok(alone)
}

/// What a request does. `None`: it would have had to wait.
fn check(cache: &PermissionCache, question: &Question, permission: &str) -> Option<bool> {
    let rights = cache.rights(*question).now_or_never()?.ok()?;
    Some(rights.permissions.has(permission))
}

/// Nanoseconds of each batch, of all threads, which begin together.
fn timed(
    threads: usize,
    questions: &[Question],
    check: impl Fn(&Question, &str) -> Option<bool> + Sync,
) -> anyhow::Result<Histogram<u64>> {
    let begin = std::sync::Barrier::new(threads);
    let one = |thread: usize| -> anyhow::Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        let mut asked = questions.iter().cycle().skip(thread * 7);
        let mut permissions = PERMISSIONS.iter().cycle();
        begin.wait();
        for _ in 0..BATCHES {
            let (mut allowed, started) = (0, Instant::now());
            for (question, permission) in asked.by_ref().zip(permissions.by_ref()).take(BATCH) {
                let held = check(black_box(question), black_box(permission));
                allowed += usize::from(black_box(held) == Some(true));
            }
            times.record(started.elapsed().as_nanos() as u64)?;
            ensure!(
                allowed == BATCH,
                "{} checks were not answered at once",
                BATCH - allowed
            );
        }
        Ok(times)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || one(thread)))
            .collect();
        let mut all = Histogram::new(3)?;
        for thread in running {
            let times = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread has panicked"))?;
            all.add(times?)?;
        }
        Ok(all)
    })
}
