//! SystemFeed: tells open System pages when the supervision tree changes.
//!
//! State, not event: at most once a second, only after a change, the whole tree each time. Who comes later or misses
//! one asks `GET /api/v1/system/actors`.

use std::time::Duration;

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use serde_json::json;
use signalbox_core::Store;
use signalbox_core::live::announce;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree, TreeView};

/// Wire channel of the tree's state.
pub const CHANNEL: &str = "feed:system";
/// Between two publications, at least.
const PACE: Duration = Duration::from_secs(1);
/// A bus or a database that takes longer hears of the next change instead.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// Keeps the actor's name in the tree.
#[derive(Clone)]
pub struct SystemFeed {
    _handle: Handle<Feed>,
}

impl std::fmt::Debug for SystemFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemFeed")
    }
}

impl SystemFeed {
    /// Adds the feed to the tree it tells of. `node` is this node's name.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, store: &Store, node: &str) -> Result<Self, StartError> {
        let (view, store, node) = (tree.view(), store.clone(), node.to_owned());
        let handle = tree.child(Spec::named("system_feed").order(60), move || Feed {
            changes: view.subscribe(),
            view: view.clone(),
            store: store.clone(),
            node: node.clone(),
            telling: false,
        })?;
        Ok(Self { _handle: handle })
    }
}

struct Feed {
    view: TreeView,
    changes: watch::Receiver<u64>,
    store: Store,
    node: String,
    telling: bool,
}

impl Feed {
    fn tell(&mut self, ctx: &mut Context<Self>) {
        if self.telling || !self.changes.has_changed().unwrap_or(false) {
            return;
        }
        self.changes.mark_unchanged();
        self.telling = true;
        let at = self.store.clock.now().format(&Rfc3339).unwrap_or_default();
        let event =
            json!({"type": "system.actors", "at": at, "node": self.node, "items": self.view.snapshot()});
        let store = self.store.clone();
        let tell =
            async move { tokio::time::timeout(TELL_WITHIN, announce::to_all(&store, CHANNEL, event)).await };
        ctx.spawn(tell.into_actor(self).map(|told, feed, _| {
            feed.telling = false;
            if !matches!(told, Ok(Ok(()))) {
                // Whoever looks still has the old state: say it again when there is somebody to hear it.
                feed.changes.mark_changed();
            }
        }));
    }
}

impl Actor for Feed {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A restart of the feed itself is a change that nobody has told.
        self.changes.mark_changed();
        ctx.run_interval(PACE, Self::tell);
    }
}

impl Supervised for Feed {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
