//! Writes changes: a third rolled back, some committing late, as many at once as there are connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use signalbox_core::Store;
use signalbox_core::change::Change;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::id::UserId;
use signalbox_core::testing::touch;
use tokio::sync::Semaphore;

use super::cluster::Cluster;
use super::referee::Committed;

/// Changes under way at once; below the connections, so that whoever watches gets one too.
const AT_ONCE: usize = 64;

pub struct Driver {
    store: Store,
    ctx: Ctx,
    users: Vec<UserId>,
    allowed: Semaphore,
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

impl Driver {
    /// Changes will be about `users` people.
    pub async fn new(cluster: &Cluster, users: usize) -> Self {
        let mut people = Vec::new();
        for _ in 0..users {
            people.push(cluster.test.person().await);
        }
        Self {
            store: cluster.store.clone(),
            ctx: Ctx::system(cluster.test.organization, "driver"),
            users: people,
            allowed: Semaphore::new(0),
            committed: AtomicUsize::new(0),
            rolled_back: AtomicUsize::new(0),
        }
    }

    /// Lets `changes` more of them begin.
    pub fn allow(&self, changes: usize) {
        self.allowed.add_permits(changes);
    }

    /// Writes them all, each as soon as it is allowed.
    pub async fn write(&self, changes: usize, seed: u64) {
        let mut chance = StdRng::seed_from_u64(seed);
        let plan: Vec<(UserId, Fate)> = (0..changes)
            .map(|n| {
                let user = self.users[chance.random_range(0..self.users.len())];
                let fate = match n % 12 {
                    0 | 3 | 6 | 9 => Fate::RollBack,
                    5 => Fate::Late(Duration::from_millis(chance.random_range(200..3_000))),
                    _ => Fate::Commit,
                };
                (user, fate)
            })
            .collect();
        futures::stream::iter(plan)
            .for_each_concurrent(AT_ONCE, async |(user, fate)| {
                self.allowed.acquire().await.unwrap().forget();
                self.change(user, fate).await;
            })
            .await;
    }

    async fn change(&self, user: UserId, fate: Fate) {
        let mut change = Change::begin(&self.store, &self.ctx).await.unwrap();
        touch(&mut change, user).await.unwrap();
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
