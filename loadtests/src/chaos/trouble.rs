//! What is done to nodes and Redis.

use super::writers::Desk;
use crate::cluster::Cluster;
use crate::report::Report;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

/// In turn; each comes about as often as it stands here.
const STEPS: [Step; 7] = [
    Step::Kill,
    Step::Redis,
    Step::Kill,
    Step::Flush,
    Step::Kill,
    Step::Stop,
    Step::Kill,
];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A node is killed and started again.
    Kill,
    /// A node is stopped as an operator stops it, and started again.
    Stop,
    /// Redis is killed and comes back with what it had.
    Redis,
    /// Redis loses everything.
    Flush,
}

pub struct Trouble {
    chance: StdRng,
    short: bool,
    step: usize,
    kills: usize,
    stops: usize,
    restarts: usize,
    pub flushes: usize,
    begun: Instant,
}

impl Trouble {
    pub fn new(chance: StdRng, short: bool) -> Self {
        Self {
            chance,
            short,
            step: 0,
            kills: 0,
            stops: 0,
            restarts: 0,
            flushes: 0,
            begun: Instant::now(),
        }
    }

    /// Whether each kind of step was made.
    pub fn has_done_all(&self) -> bool {
        self.step >= STEPS.len()
    }

    /// Some quiet, and the next step.
    pub async fn make(&mut self, cluster: &mut Cluster, desk: &Desk) -> anyhow::Result<()> {
        let quiet = if self.short { 300..1_000 } else { 500..4_000 };
        tokio::time::sleep(Duration::from_millis(self.chance.random_range(quiet))).await;
        let step = STEPS[self.step % STEPS.len()];
        self.step += 1;
        let victim = self.chance.random_range(0..cluster.nodes.len());
        let pause = Duration::from_millis(self.chance.random_range(0..1_500));
        self.say(step, victim);
        match step {
            Step::Kill => {
                self.kills += 1;
                cluster.nodes[victim].kill();
                tokio::time::sleep(pause).await;
                cluster.nodes[victim].run().await?;
            }
            Step::Stop => {
                self.stops += 1;
                tokio::task::block_in_place(|| cluster.nodes[victim].stop());
                cluster.nodes[victim].run().await?;
            }
            Step::Redis => {
                self.restarts += 1;
                cluster.servers.kill_redis();
                tokio::time::sleep(pause).await;
                cluster.servers.start_redis()?;
            }
            Step::Flush => {
                // what was not answered before a flush may be published twice, by design: nobody knows that it was
                let _still = desk.still.write().await;
                self.flushes += 1;
                cluster.servers.redis("FLUSHALL")?;
            }
        }
        Ok(())
    }

    #[expect(clippy::print_stderr, reason = "whoever waits wants to know where it is")]
    fn say(&self, step: Step, victim: usize) {
        eprintln!("{:6.1} s: {step:?} {victim}", self.begun.elapsed().as_secs_f64());
    }

    pub fn tell(&self, report: &mut Report) {
        report.add("lasted", self.begun.elapsed().as_secs_f64(), "s");
        report.add("nodes killed", self.kills as f64, "");
        report.add("nodes stopped", self.stops as f64, "");
        report.add("Redis restarted", self.restarts as f64, "");
        report.add("Redis flushed", self.flushes as f64, "");
    }
}
