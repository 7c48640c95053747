//! Commit means delivered, and no commit means no event: whatever is killed, frozen, flushed or brought back old.
//!
//! Changes are written to PostgreSQL from here; the nodes order, publish and deliver them; a referee in a process of
//! its own listens over WebSocket; and in the end what it heard is compared with what stands in the audit log.

pub mod cluster;
mod driver;
mod postgres;
#[allow(
    dead_code,
    reason = "here the hub itself makes the faults that the referee must see"
)]
#[path = "../../../loadtests/src/referee/mod.rs"]
mod referee;

use std::time::Duration;

use cluster::{Cluster, Process, until};
pub use driver::Driver;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use referee::{Committed, Line, Verdict, judge};
use signalbox_core::bus::Keys;

const CHANNELS: [&str; 2] = ["feed:users", "feed:audit"];
/// What the driver's changes are called.
const KIND: &str = "user.updated";
/// Every step of the relay in which it can be stopped.
const POINTS: [&str; 5] = [
    "relay.order.read",
    "relay.order.placed",
    "relay.publish.read",
    "relay.publish.sent",
    "relay.publish.marked",
];
/// Changes that stand open at once.
const CHANGES: usize = 1_000;
const KILLS: usize = 10;
/// Changes that single steps let go on beyond their share.
const RESERVED: usize = 200;

/// A listener in a process of its own.
pub struct Referee {
    _process: Process,
    heard: std::path::PathBuf,
}

impl Referee {
    /// Starts it and waits until it follows every channel.
    pub async fn start(cluster: &Cluster) -> Self {
        let heard = cluster.folder.join("heard");
        let nodes: Vec<&str> = cluster.nodes.iter().map(|node| node.url.as_str()).collect();
        let log = std::fs::File::create(cluster.folder.join("referee.log")).unwrap();
        let process = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "faults::relay::the_referee_listens",
                "--ignored",
                "--nocapture",
            ])
            .env("REFEREE_NODES", nodes.join(" "))
            .env("REFEREE_TOKEN", cluster.sign_in().await)
            .env("REFEREE_HEARD", &heard)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let referee = Self {
            _process: Process(process),
            heard,
        };
        until("the referee follows every channel", async || {
            let from = |line: &&Line| matches!(line, Line::From { .. });
            referee.lines().iter().filter(from).count() >= CHANNELS.len()
        })
        .await;
        referee
    }

    fn lines(&self) -> Vec<Line> {
        referee::lines(&self.heard).unwrap_or_default()
    }

    /// The verdict, as soon as the referee has heard as far as `cluster` has published.
    pub async fn verdict(&self, cluster: &Cluster, committed: &[Committed]) -> Verdict {
        cluster.settled().await;
        let mut tops = Vec::new();
        for channel in CHANNELS {
            let top = format!("SELECT top FROM live_channels WHERE channel = '{channel}'");
            tops.push((channel, cluster.test.count(&top).await as u64));
        }
        until("the referee has heard everything", async || {
            let lines = self.lines();
            tops.iter().all(|(channel, top)| {
                lines.iter().rev().any(|line| match line {
                    Line::From {
                        channel: of, offset, ..
                    }
                    | Line::Event {
                        channel: of, offset, ..
                    } => of == channel && offset >= top,
                    _ => false,
                })
            })
        })
        .await;
        judge(&self.lines(), committed, KIND)
    }
}

#[tokio::test]
#[ignore = "a process that the other tests start, not a test"]
async fn the_referee_listens() {
    // the referee makes HTTP clients of its own
    drop(crate::harness::client());
    let of = |name: &str| std::env::var(name).unwrap();
    let hearing = referee::Hearing {
        transport: referee::Transport::WebSocket,
        nodes: of("REFEREE_NODES").split(' ').map(str::to_owned).collect(),
        token: of("REFEREE_TOKEN"),
        channels: CHANNELS.map(str::to_owned).to_vec(),
        database: None,
        forbidden: Vec::new(),
        mischief: None,
        out: of("REFEREE_HEARD").into(),
    };
    referee::listen(hearing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_frozen_or_flushed_each_commit_is_delivered_once_in_order_and_nothing_else() {
    let seed = std::env::var("SIGNALBOX_TEST_SEED").map_or(42, |seed| seed.parse().unwrap());
    let open = std::env::var("SIGNALBOX_TEST_OPEN").map_or(CHANGES, |open| open.parse().unwrap());
    let mut cluster = Cluster::start_for(open, 2).await;
    let referee = Referee::start(&cluster).await;
    let driver = Driver::new(&cluster, open).await;
    // so many for each step that those which ask for more find them still open
    let share = (open - RESERVED) / (KILLS + POINTS.len() + 3);
    let begun = std::time::Instant::now();
    tokio::join!(driver.write_all_at_once(seed), async {
        until("every change stands open", async || driver.opened() == open).await;
        let written = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction' AND backend_xid IS NOT NULL";
        let standing = cluster.test.count(written).await as usize;
        assert!(
            standing >= open,
            "PostgreSQL has {standing} changes open, not {open}"
        );
        let opened = begun.elapsed();
        eprintln!("{open} changes open at once after {opened:?}");
        let mut chance = StdRng::seed_from_u64(seed);
        for kill in 0..KILLS {
            driver.allow(share);
            kill_one(&mut cluster, kill, &mut chance).await;
        }
        for point in POINTS {
            driver.allow(share);
            freeze(&cluster, &driver, point).await;
        }
        for loss in [Loss::Restarted, Loss::Flushed, Loss::Older] {
            driver.allow(share);
            lose(&mut cluster, &driver, loss).await;
        }
        driver.allow(open);
    });
    let (committed, rolled_back) = driver.done();
    assert_eq!(committed + rolled_back, open + open.div_ceil(3));
    assert!(rolled_back >= open / 3, "only {rolled_back} were rolled back");
    let expected = driver.committed(&cluster).await;
    let verdict = referee.verdict(&cluster, &expected).await;
    eprintln!(
        "seed {seed}, {:?}: {committed} committed, {rolled_back} rolled back, {verdict:?}",
        begun.elapsed()
    );
    assert!(verdict.holds(), "seed {seed}: {verdict:?}");
    assert_eq!(
        verdict.renamed, 0,
        "Redis was never ahead, so no stream may begin anew: {verdict:?}"
    );
    assert!(verdict.delivered > 0);
}

/// At a random instant, each third time between publishing and marking.
async fn kill_one(cluster: &mut Cluster, kill: usize, chance: &mut StdRng) {
    let point = "relay.publish.sent";
    let victim = if kill.is_multiple_of(3) {
        cluster.nodes.iter().for_each(|node| node.arm(point));
        let at = cluster.arrival(point).await;
        cluster.nodes.iter().for_each(|node| node.disarm(point));
        at
    } else {
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..1_500))).await;
        match cluster.leader().await {
            Some(leader) => leader,
            None => kill % cluster.nodes.len(),
        }
    };
    cluster.nodes[victim].kill();
    cluster.run(victim).await;
}

/// The leader stands still in the middle of a step until another has taken over and published, and then goes on.
async fn freeze(cluster: &Cluster, driver: &Driver, point: &str) {
    cluster.nodes.iter().for_each(|node| node.arm(point));
    driver.allow(3);
    let frozen = cluster.arrival(point).await;
    cluster.nodes[frozen].signal(Signal::SIGSTOP);
    cluster.nodes.iter().for_each(|node| node.disarm(point));
    let frozen_leads = async || match cluster.leader().await {
        Some(leader) => leader == frozen,
        None => true,
    };
    until("another leads", async || !frozen_leads().await).await;
    driver.allow(20);
    cluster.settled().await;
    cluster.nodes[frozen].signal(Signal::SIGCONT);
    until("the frozen one knows that it leads no more", async || {
        !frozen_leads().await
    })
    .await;
}

enum Loss {
    Restarted,
    Flushed,
    Older,
}

async fn lose(cluster: &mut Cluster, driver: &Driver, loss: Loss) {
    match loss {
        Loss::Restarted => {
            cluster.redis("SAVE");
            cluster.kill_redis();
            cluster.start_redis().await;
        }
        Loss::Flushed => cluster.redis("FLUSHALL"),
        Loss::Older => older(cluster, driver).await,
    }
    driver.allow(10);
    cluster.settled().await;
}

/// Redis comes back older than what the listener has heard, and the listener comes back before that is mended: it knows
/// more than Redis then, and must neither fetch again nor hear anything twice.
async fn older(cluster: &mut Cluster, driver: &Driver) {
    let point = "relay.publish.read";
    cluster.redis("SAVE");
    let ended = || {
        let (committed, rolled_back) = driver.done();
        committed + rolled_back
    };
    let before = ended();
    driver.allow(30);
    until("what came after the save is committed", async || {
        ended() >= before + 30
    })
    .await;
    cluster.settled().await;
    cluster.kill_redis();
    until("nobody is shown anything while the bus is cut", async || {
        cluster.gauge("signalbox_live_connections").await == 0.0
    })
    .await;
    cluster.nodes.iter().for_each(|node| node.arm(point));
    cluster.start_redis().await;
    cluster.arrival(point).await;
    until("the listener follows every channel again", async || {
        cluster.gauge("signalbox_live_subscriptions").await >= CHANNELS.len() as f64
    })
    .await;
    cluster.nodes.iter().for_each(|node| node.disarm(point));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_frozen_while_it_renames_a_stream_leaves_one_new_epoch_and_its_listeners_fetch_again() {
    let cluster = Cluster::start(2, "").await;
    let referee = Referee::start(&cluster).await;
    let driver = Driver::new(&cluster, 20).await;
    tokio::join!(driver.write(100, 1), async {
        driver.allow(60);
        until("the listener has heard all that may go on", async || {
            let (committed, rolled_back) = driver.done();
            let events = |line: &&Line| matches!(line, Line::Event { channel, kind, .. } if channel == "feed:users" && kind == KIND);
            committed + rolled_back >= 60 && referee.lines().iter().filter(events).count() >= committed
        })
        .await;
        cluster.settled().await;
        let point = "relay.mend.renamed";
        cluster.nodes.iter().for_each(|node| node.arm(point));
        // as after a restore of PostgreSQL: Redis knows of events that PostgreSQL does not
        let meta = Keys::new("signalbox").live_meta(cluster.test.organization, "feed:users");
        cluster.redis(&format!("HINCRBY {meta} top 1000"));
        driver.allow(3);
        let frozen = cluster.arrival(point).await;
        cluster.nodes[frozen].signal(Signal::SIGSTOP);
        cluster.nodes.iter().for_each(|node| node.disarm(point));
        driver.allow(37);
        cluster.settled().await;
        cluster.nodes[frozen].signal(Signal::SIGCONT);
        until("the frozen one knows that it leads no more", async || {
            cluster.leader().await.is_some_and(|leader| leader != frozen)
        })
        .await;
    });
    let expected = driver.committed(&cluster).await;
    let verdict = referee.verdict(&cluster, &expected).await;
    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!(verdict.renamed, 1, "of one channel, once: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_redis_in_cluster_mode_nothing_touches_two_slots_and_listeners_come_back_to_all_of_them() {
    let mut cluster = Cluster::start_in_slots(2).await;
    let referee = Referee::start(&cluster).await;
    let driver = Driver::new(&cluster, 20).await;
    tokio::join!(driver.write(90, 1), async {
        driver.allow(45);
        cluster.settled().await;
        cluster.kill_redis();
        cluster.start_redis().await;
        driver.allow(45);
    });
    let expected = driver.committed(&cluster).await;
    let verdict = referee.verdict(&cluster, &expected).await;
    assert!(verdict.holds(), "{verdict:?}");
    for node in 0..2 {
        let log = cluster.log(node);
        assert!(!log.contains("CROSSSLOT") && !log.contains("same slot"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_referee_sees_one_dropped_one_doubled_and_two_swapped() {
    for mistake in ["relay.drop_one", "relay.double_one", "relay.swap_two"] {
        let cluster = Cluster::start(1, mistake).await;
        let referee = Referee::start(&cluster).await;
        // few rows, many changes in one batch: so that the two swapped are of one row
        let driver = Driver::new(&cluster, 5).await;
        cluster.nodes[0].arm("relay.order.read");
        tokio::join!(driver.write(90, 1), async {
            driver.allow(3);
            cluster.arrival("relay.order.read").await;
            driver.allow(87);
        });
        cluster.nodes[0].disarm("relay.order.read");
        let expected = driver.committed(&cluster).await;
        let verdict = referee.verdict(&cluster, &expected).await;
        let seen = match mistake {
            "relay.drop_one" => verdict.missing.count,
            "relay.double_one" => verdict.doubled.count,
            _ => verdict.misordered.count,
        };
        assert!(
            seen > 0 && !verdict.holds(),
            "{mistake} was not seen: {verdict:?}"
        );
    }
}
