//! Everything core needs to work: database, bus, sealing, time, and who wants to hear of a commit at once.

use crate::bus::Bus;
use crate::bus::control::{Revocation, Touched};
use crate::db::Db;
use crate::kernel::clock::Clock;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::password::Passwords;
use crate::kernel::seal::Sealer;
use crate::outbound::Outside;
use crate::settings::{Book, Settings};
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::Notify;

type Listener = Arc<dyn Fn(&Revocation) + Send + Sync>;
type Keeper = Arc<dyn KeepsRows>;

/// Whoever keeps people's rows in memory. Called in the task that writes or hears: must be quick and must not wait.
pub trait KeepsRows: Send + Sync {
    /// These are being written: drop them, and keep none that is read from now on.
    fn writing(&self, touched: &[Touched]);

    /// They are written, or not after all. What was read before this is not kept; what is read from now on may be.
    fn written(&self, touched: &[Touched]);
}
type Greeter = Arc<dyn Fn(OrganizationId, UserId) + Send + Sync>;

/// Handed to every floor above. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// The truth.
    pub db: Db,
    /// Cache, dispatcher, backplane.
    pub bus: Bus,
    /// Seals personal values and the hub's own secrets.
    pub sealer: Sealer,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// What time it is.
    pub clock: Clock,
    /// Wakes this node after a commit; other nodes are told over the bus.
    pub signals: Signals,
    /// Mail, SMS, and where the console is.
    pub outside: Outside,
}

impl Store {
    /// What `organization` has set, as it was committed last as far as this node has heard.
    pub async fn settings(&self, organization: OrganizationId) -> Result<Arc<Settings>> {
        self.signals.settings.of(&self.db, organization).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// Hints within this node. Each is only a hint: a poll makes good what is missed.
#[derive(Clone, Default)]
pub struct Signals {
    /// The outbox has rows to order.
    pub outbox: Arc<Notify>,
    /// The ledger has due jobs.
    pub jobs: Arc<Notify>,
    revoked: Arc<RwLock<Vec<Listener>>>,
    settings: Arc<Book>,
    rows: Arc<RwLock<Vec<Keeper>>>,
    came_in: Arc<RwLock<Vec<Greeter>>>,
}

impl Signals {
    /// `listener` is called in the committing task, right after each commit that cuts somebody off on this node: it must
    /// be quick and must not wait.
    pub fn on_revoked(&self, listener: impl Fn(&Revocation) + Send + Sync + 'static) {
        self.revoked.write().push(Arc::new(listener));
    }

    /// `greeter` is called when somebody was given tokens on this node, who will soon ask for something: it must be quick and
    /// must not wait.
    pub fn on_came_in(&self, greeter: impl Fn(OrganizationId, UserId) + Send + Sync + 'static) {
        self.came_in.write().push(Arc::new(greeter));
    }

    /// Tells this node's greeters.
    pub fn came_in(&self, organization: OrganizationId, user: UserId) {
        let greeters = self.came_in.read().clone();
        for greeter in greeters {
            greeter(organization, user);
        }
    }

    /// Tells this node's listeners.
    pub fn revoked(&self, revocation: &Revocation) {
        self.settings.hear(revocation);
        let listeners = self.revoked.read().clone();
        for listener in listeners {
            listener(revocation);
        }
    }

    /// `keeper` hears of every write of people's rows: of this node's own before they are committed.
    pub fn on_touched(&self, keeper: Keeper) {
        self.rows.write().push(keeper);
    }

    /// These rows are being written until what this returns is dropped.
    pub(crate) fn touching(&self, touched: Vec<Touched>) -> Touching {
        let keepers = self.rows.read().clone();
        for keeper in keepers.iter().filter(|_| !touched.is_empty()) {
            keeper.writing(&touched);
        }
        Touching { keepers, touched }
    }

    /// These rows were written somewhere.
    pub fn touched(&self, touched: &[Touched]) {
        drop(self.touching(touched.to_vec()));
    }
}

/// Rows that are being written by this node.
pub(crate) struct Touching {
    keepers: Vec<Keeper>,
    touched: Vec<Touched>,
}

impl Drop for Touching {
    fn drop(&mut self) {
        for keeper in self.keepers.iter().filter(|_| !self.touched.is_empty()) {
            keeper.written(&self.touched);
        }
    }
}
