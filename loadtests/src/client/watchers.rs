//! Subscribers of several channels or people, for scenarios that note what each of them hears.

use super::{Door, Farm, Line};
use anyhow::{bail, ensure};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Handshakes under way at once.
const HANDSHAKES: usize = 200;

/// What a watcher hears.
pub enum Event<'a> {
    /// A message as it is.
    Message(&'a [u8]),
    /// The server's last word. Nothing follows.
    Closed(u16),
}

/// Watchers, and what they have noted. They end when dropped.
pub struct Watchers<T> {
    shared: Arc<Shared<T>>,
    _farm: Farm,
}

struct Shared<T> {
    joined: AtomicUsize,
    noted: Mutex<Vec<T>>,
    /// Watchers that never got in, or whose connection ended without a word.
    faults: Mutex<Vec<String>>,
}

impl<T: Send + 'static> Watchers<T> {
    /// Connects `size` watchers, the `n`-th at `door(n)`, and waits until each is subscribed. What `look` answers is noted.
    pub async fn gather<D, L>(size: usize, door: D, look: L) -> anyhow::Result<Self>
    where
        D: Fn(usize) -> Door + Clone + Send + 'static,
        L: Fn(usize, Event<'_>) -> Option<T> + Clone + Send + 'static,
    {
        let shared = Arc::new(Shared {
            joined: AtomicUsize::new(0),
            noted: Mutex::new(Vec::new()),
            faults: Mutex::new(Vec::new()),
        });
        let (noting, turns) = (shared.clone(), Arc::new(Semaphore::new(HANDSHAKES)));
        let farm = Farm::start(size, 1, move |n| {
            let (shared, turns, door, look) = (noting.clone(), turns.clone(), door(n), look.clone());
            async move {
                if let Err(why) = watch(n, &door, &look, &shared, &turns).await {
                    lock(&shared.faults).push(format!("watcher {n}: {why:#}"));
                }
            }
        })?;
        let watchers = Self { shared, _farm: farm };
        let all_joined = |shared: &Shared<T>| shared.joined.load(Ordering::Relaxed) == size;
        watchers.wait("everybody is subscribed", 120, all_joined).await?;
        Ok(watchers)
    }

    /// What was noted so far.
    pub fn noted(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.shared.noted)
    }

    /// Waits until the notes are as they should be, `seconds` at most.
    pub async fn until(&self, what: &str, seconds: u64, holds: impl Fn(&[T]) -> bool) -> anyhow::Result<()> {
        self.wait(what, seconds, |shared| holds(&lock(&shared.noted)))
            .await
    }

    async fn wait(&self, what: &str, seconds: u64, holds: impl Fn(&Shared<T>) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !holds(&self.shared) {
            let faults = lock(&self.shared.faults).clone();
            if let Some(first) = faults.first() {
                bail!("{} failed, the first: {first}", faults.len());
            }
            ensure!(
                Instant::now() < deadline,
                "waited {seconds} s in vain until {what}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn watch<T>(
    n: usize,
    door: &Door,
    look: &impl Fn(usize, Event<'_>) -> Option<T>,
    shared: &Shared<T>,
    turns: &Semaphore,
) -> anyhow::Result<()> {
    let turn = turns.acquire().await?;
    let mut subscriber = door.enter(n).await?;
    drop(turn);
    shared.joined.fetch_add(1, Ordering::Relaxed);
    loop {
        let line = subscriber.watch(|message| {
            if let Some(note) = look(n, Event::Message(message)) {
                lock(&shared.noted).push(note);
            }
        });
        match line.await? {
            Line::Open => {}
            Line::Closed(code) => {
                lock(&shared.noted).extend(look(n, Event::Closed(code)));
                return Ok(());
            }
            Line::Gone => bail!("the server has gone without a word"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
