//! A node: a tree with the two actors on a database of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signalbox_actors::permission_cache::PermissionCache;
use signalbox_actors::session_keeper::{Connection, Options, SessionKeeper};
use signalbox_actors::supervision::{self, Tree};
use signalbox_core::Store;
use signalbox_core::bus::control::{Revocation, RevocationKind};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::testing::{self, TestStore};
use uuid::Uuid;

/// How long a revocation may take, from its commit.
pub const BITE: Duration = Duration::from_millis(250);

pub struct Node {
    pub tree: Tree,
    pub keeper: SessionKeeper,
    pub cache: PermissionCache,
    pub store: Store,
}

impl Node {
    /// A node on `test`'s database that hears nobody's commits but by reading the table.
    pub async fn on(test: &TestStore, options: Options) -> Self {
        Self::with_clock(test, options, Clock::system()).await
    }

    pub async fn with_clock(test: &TestStore, options: Options, clock: Clock) -> Self {
        let store = Store {
            signals: signalbox_core::Signals::default(),
            clock,
            ..test.store.clone()
        };
        let options_of_tree = supervision::Options {
            faults: true,
            ..Default::default()
        };
        let tree = Tree::start(options_of_tree).unwrap();
        let cache = PermissionCache::supervise(&tree, &store).unwrap();
        let keeper = SessionKeeper::supervise(&tree, &store, options).unwrap();
        tree.start_all().await;
        Self {
            tree,
            keeper,
            cache,
            store,
        }
    }

    pub async fn end(self) {
        self.tree.stop(Duration::from_secs(2)).await;
    }
}

pub async fn test() -> TestStore {
    testing::store().await
}

/// What happened to a connection.
#[derive(Default)]
pub struct Wire {
    pub closed: Mutex<Option<(u16, String, Instant)>>,
    pub rights_changed: Mutex<usize>,
}

impl Connection for Wire {
    fn close(&self, code: u16, reason: &str) {
        let before = self
            .closed
            .lock()
            .replace((code, reason.to_owned(), Instant::now()));
        assert!(before.is_none(), "closed twice");
    }
    fn rights_changed(&self) {
        *self.rights_changed.lock() += 1;
    }
}

impl Wire {
    pub fn ended(&self) -> Option<(u16, String)> {
        self.closed.lock().clone().map(|(code, reason, _)| (code, reason))
    }
}

pub fn revocation(test: &TestStore, kind: RevocationKind, subject: Uuid, version: Option<i64>) -> Revocation {
    Revocation {
        organization: test.organization,
        kind,
        subject,
        access_version: version,
        reason: "test".into(),
    }
}

/// A revocation's row, as another node's commit leaves it.
pub async fn revoke_elsewhere(
    test: &TestStore,
    kind: RevocationKind,
    subject: Uuid,
    version: Option<i64>,
    also: &str,
) {
    let version = version.map_or_else(|| "NULL".to_owned(), |version| version.to_string());
    test.sql(format!(
        "BEGIN; {also}; INSERT INTO revocations (organization_id, kind, subject, access_version, reason)
         VALUES ('{}', '{}', '{subject}', {version}, 'test'); COMMIT",
        test.organization,
        kind.as_str()
    ))
    .await;
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    testing::eventually(what, async || condition()).await;
}

/// Waits until `count` backends of the test's database wait for a lock.
pub async fn until_blocked(test: &TestStore, count: i64) {
    let name = test.prefix.clone();
    testing::eventually("the reads wait for the lock", async || {
        test.count(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        ))
        .await
            == count
    })
    .await;
}

pub fn wire() -> Arc<Wire> {
    Arc::default()
}
