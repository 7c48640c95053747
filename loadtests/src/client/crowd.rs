//! Thousands of subscribers in a few threads, and what they heard together.

use super::payload::{self, Stamp};
use super::{Door, Subscriber};
use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

/// Lanes of a flood are below it; those from here on are sent at a fixed rate, and their delay is recorded.
pub const PACED: u8 = 8;
/// The lane that is sent until everybody hears it.
pub const WARM_UP: u8 = 16;
/// Handshakes under way at once: a server's backlog holds them.
const HANDSHAKES: usize = 200;

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The run's clock: microseconds.
pub fn clock() -> u64 {
    BEGUN.elapsed().as_micros() as u64
}

/// Threads that each run their share of many small tasks. Dropped, all tasks end.
pub struct Farm {
    threads: Vec<JoinHandle<()>>,
    stop: Option<watch::Sender<()>>,
}

impl Farm {
    /// Starts tasks `0..size` on `threads` threads, each made by `one` on its thread.
    pub fn start<F, T>(size: usize, threads: usize, one: F) -> anyhow::Result<Self>
    where
        F: Fn(usize) -> T + Clone + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        let (stop, stopped) = watch::channel(());
        let mut farm = Self {
            threads: Vec::new(),
            stop: Some(stop),
        };
        for thread in 0..threads {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (one, mut stopped) = (one.clone(), stopped.clone());
            let work = async move {
                let mut tasks = JoinSet::new();
                for n in (thread..size).step_by(threads) {
                    tasks.spawn_local(one(n));
                }
                let all = async { while tasks.join_next().await.is_some() {} };
                tokio::select! {
                    () = all => {}
                    _ = stopped.changed() => {}
                }
            };
            let run = move || LocalSet::new().block_on(&runtime, work);
            // joined when the farm is dropped
            let thread = std::thread::Builder::new()
                .name("subscribers".into())
                .spawn(run)?;
            farm.threads.push(thread);
        }
        Ok(farm)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What a crowd has heard so far.
pub struct Tally {
    /// Subscriptions that stand.
    pub joined: AtomicUsize,
    /// Subscribers that have heard something.
    pub warm: AtomicUsize,
    /// Payloads, all whole and in order.
    pub delivered: AtomicU64,
    /// Subscribers that ended, and why the first of them did.
    pub lost: AtomicUsize,
    fault: Mutex<Option<String>>,
    delays: Mutex<Histogram<u64>>,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            joined: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            lost: AtomicUsize::new(0),
            fault: Mutex::new(None),
            delays: Mutex::new(Histogram::new(3)?),
        })
    }

    /// An error as soon as one subscriber was lost, or heard something wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        match &*lock(&self.fault) {
            Some(fault) => bail!(
                "{} subscribers were lost, the first: {fault}",
                self.lost.load(Ordering::Relaxed)
            ),
            None => Ok(()),
        }
    }

    /// The delays of what came on paced lanes since this was last asked, in microseconds.
    pub fn take_delays(&self) -> Histogram<u64> {
        let mut delays = lock(&self.delays);
        let taken = delays.clone();
        delays.reset();
        taken
    }

    fn lose(&self, why: &anyhow::Error) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        lock(&self.fault).get_or_insert_with(|| format!("{why:#}"));
    }
}

/// Subscribers of one channel, all alike.
pub struct Crowd {
    pub tally: Arc<Tally>,
    pub size: usize,
    _farm: Farm,
}

impl Crowd {
    /// Connects `size` subscribers and waits until each is subscribed.
    pub fn gather(door: &Door, size: usize, threads: usize) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::new()?);
        let turns = Arc::new(Semaphore::new(HANDSHAKES));
        let (door, counted) = (door.clone(), tally.clone());
        let farm = Farm::start(size, threads, move |n| {
            let (door, tally, turns) = (door.clone(), counted.clone(), turns.clone());
            async move {
                if let Err(why) = subscribe(&door, n, &tally, &turns).await {
                    tally.lose(&why.context(format!("subscriber {n}")));
                }
            }
        })?;
        let crowd = Self {
            tally,
            size,
            _farm: farm,
        };
        crowd.wait("all are subscribed", |tally| {
            tally.joined.load(Ordering::Relaxed) == size
        })?;
        Ok(crowd)
    }

    /// Waits for a condition of the tally, a minute at most without progress of it.
    pub fn wait(&self, what: &str, holds: impl Fn(&Tally) -> bool) -> anyhow::Result<()> {
        let progress = || {
            let (joined, warm) = (&self.tally.joined, &self.tally.warm);
            let delivered = self.tally.delivered.load(Ordering::Relaxed);
            (
                joined.load(Ordering::Relaxed),
                warm.load(Ordering::Relaxed),
                delivered,
            )
        };
        let (mut last, mut since) = (progress(), Instant::now());
        while !holds(&self.tally) {
            self.tally.check()?;
            let now = progress();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > Duration::from_secs(60) {
                bail!("waited in vain until {what}: {last:?} of {}", self.size);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.tally.check()
    }
}

async fn subscribe(door: &Door, n: usize, tally: &Tally, turns: &Semaphore) -> anyhow::Result<()> {
    let turn = turns.acquire().await?;
    let subscriber = door.enter(n).await?;
    drop(turn);
    tally.joined.fetch_add(1, Ordering::Relaxed);
    follow(subscriber, tally).await
}

async fn follow(mut subscriber: Subscriber, tally: &Tally) -> anyhow::Result<()> {
    let mut order = Order::default();
    let mut warm = false;
    loop {
        let (mut count, mut now) = (0, None);
        let open = subscriber.listen(|bytes| {
            let stamp = payload::read(bytes)
                .with_context(|| format!("a damaged payload: {}", String::from_utf8_lossy(bytes)))?;
            count += 1;
            if stamp.lane >= PACED && stamp.lane < WARM_UP {
                let now = *now.get_or_insert_with(clock);
                lock(&tally.delays).record(now.saturating_sub(stamp.sent))?;
            }
            order.check(stamp)
        });
        if !open.await? {
            bail!("the server has gone");
        }
        tally.delivered.fetch_add(count, Ordering::Relaxed);
        if !warm && count > 0 {
            warm = true;
            tally.warm.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The next number of each lane.
#[derive(Default)]
struct Order([u32; WARM_UP as usize]);

impl Order {
    /// An error unless `stamp` is the next of its lane. Of the warm-up anything goes.
    fn check(&mut self, stamp: Stamp) -> anyhow::Result<()> {
        if stamp.lane == WARM_UP {
            return Ok(());
        }
        let next = self
            .0
            .get_mut(usize::from(stamp.lane))
            .context("an unknown lane")?;
        if stamp.number != u64::from(*next) {
            bail!(
                "on lane {} number {} came where {next} was due",
                stamp.lane,
                stamp.number
            );
        }
        *next += 1;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(numbers: &[u64]) -> anyhow::Result<()> {
        let mut order = Order::default();
        numbers.iter().try_for_each(|number| {
            order.check(Stamp {
                number: *number,
                lane: 3,
                sent: 0,
            })
        })
    }

    #[test]
    fn one_dropped_one_doubled_and_two_swapped_are_each_an_error() {
        let all: Vec<u64> = (0..10_000).collect();
        assert!(heard(&all).is_ok());
        let mut dropped = all.clone();
        dropped.remove(4_711);
        let mut doubled = all.clone();
        doubled.insert(4_711, 4_710);
        let mut swapped = all.clone();
        swapped.swap(4_711, 4_712);
        for wrong in [dropped, doubled, swapped] {
            assert!(heard(&wrong).is_err());
        }
    }

    #[test]
    fn a_farm_runs_every_task_and_ends_them_when_it_goes() {
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        let farm = Farm::start(100, 3, move |_| {
            let begun = counted.clone();
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
        });
        while begun.load(Ordering::Relaxed) < 100 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(farm);
        assert_eq!(Arc::strong_count(&begun), 1);
    }
}
