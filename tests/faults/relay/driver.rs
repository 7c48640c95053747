//! Writes changes: a third rolled back, some committing late, and on request all open at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use signalbox_core::Store;
use signalbox_core::change::Change;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::id::UserId;
use signalbox_core::testing::{hold_open, touch};
use tokio::sync::Semaphore;

use super::cluster::Cluster;
use super::referee::Committed;

/// Changes that are begun at once; below the connections, so that whoever watches gets one too.
const AT_ONCE: usize = 64;

pub struct Driver {
    store: Store,
    ctx: Ctx,
    users: Vec<UserId>,
    allowed: Semaphore,
    open: AtomicUsize,
    committed: AtomicUsize,
    rolled_back: AtomicUsize,
}

#[derive(Clone, Copy)]
enum Fate {
    Commit,
    /// Held open so long, and then committed.
    Late(Duration),
    RollBack,
}

impl Fate {
    /// Of the n-th change: a third is rolled back, a twelfth commits late.
    fn of(n: usize, chance: &mut StdRng) -> Self {
        match n % 12 {
            0 | 3 | 6 | 9 => Self::RollBack,
            5 => Self::Late(Duration::from_millis(chance.random_range(200..3_000))),
            _ => Self::Commit,
        }
    }
}

impl Driver {
    /// Changes will be about `users` people.
    pub async fn new(cluster: &Cluster, users: usize) -> Self {
        Self {
            store: cluster.store.clone(),
            ctx: Ctx::system(cluster.test.organization, "driver"),
            users: cluster.test.people(users).await,
            allowed: Semaphore::new(0),
            open: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            rolled_back: AtomicUsize::new(0),
        }
    }

    /// Lets `changes` more of them go on.
    pub fn allow(&self, changes: usize) {
        self.allowed.add_permits(changes);
    }

    /// Writes `changes`, each as soon as it is allowed, about anybody.
    pub async fn write(&self, changes: usize, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let plan: Vec<(UserId, Fate)> = (0..changes)
            .map(|n| {
                let user = self.users[chance.random_range(0..self.users.len())];
                (user, Fate::of(n, &mut chance))
            })
            .collect();
        futures::stream::iter(plan)
            .for_each_concurrent(AT_ONCE, async |(user, fate)| {
                self.allowed.acquire().await.unwrap().forget();
                self.change(user, fate).await;
            })
            .await;
    }

    /// Opens a change about each person, and lets all of them stand open with what they wrote. Each ends as soon as it is
    /// allowed; every third is followed by another of the same person, so that rows have an order to be kept.
    pub async fn write_all_at_once(&self, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let plan: Vec<(usize, UserId, Fate)> = (0..self.users.len())
            .map(|n| (n, self.users[n], Fate::of(n, &mut chance)))
            .collect();
        let opening = Semaphore::new(AT_ONCE);
        futures::stream::iter(plan)
            .for_each_concurrent(None, async |(n, user, fate)| {
                let turn = opening.acquire().await.unwrap();
                let mut open = self.begin(user).await;
                hold_open(&mut open).await.unwrap();
                drop(turn);
                self.open.fetch_add(1, Ordering::Relaxed);
                self.allowed.acquire().await.unwrap().forget();
                self.end(open, fate).await;
                if n.is_multiple_of(3) {
                    self.change(user, Fate::Commit).await;
                }
            })
            .await;
    }

    /// Changes that stood open at once, so far.
    pub fn opened(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    async fn begin(&self, user: UserId) -> Change {
        let mut change = Change::begin(&self.store, &self.ctx).await.unwrap();
        touch(&mut change, user).await.unwrap();
        change
    }

    async fn change(&self, user: UserId, fate: Fate) {
        let change = self.begin(user).await;
        self.end(change, fate).await;
    }

    async fn end(&self, change: Change, fate: Fate) {
        match fate {
            Fate::RollBack => {
                drop(change);
                self.rolled_back.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Fate::Late(hold) => tokio::time::sleep(hold).await,
            Fate::Commit => {}
        }
        change.commit().await.unwrap();
        self.committed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were committed and rolled back.
    pub fn done(&self) -> (usize, usize) {
        (
            self.committed.load(Ordering::Relaxed),
            self.rolled_back.load(Ordering::Relaxed),
        )
    }

    /// What must be delivered, as the audit log has it: it is written with each change, and the relay does not touch it.
    pub async fn committed(&self, cluster: &Cluster) -> Vec<Committed> {
        let rows = cluster
            .test
            .texts("SELECT id || ' ' || coalesce(subject_id::text, '') || ' ' || coalesce(subject_version, 0) || ' ' || action FROM audit_logs")
            .await;
        let mut committed = Vec::new();
        for row in rows {
            let words: Vec<&str> = row.split(' ').collect();
            committed.push(Committed {
                channel: "feed:audit".to_owned(),
                id: words[0].to_owned(),
                version: 1,
            });
            if words[3] == "users.update" {
                committed.push(Committed {
                    channel: "feed:users".to_owned(),
                    id: words[1].to_owned(),
                    version: words[2].parse().unwrap(),
                });
            }
        }
        committed
    }
}
