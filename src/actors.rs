//! Every long-lived piece of state of this node, as children of one tree.
//!
//! Start order is each actor's own (`Spec::order`): what others lean on first. The stop is the reverse.

use std::sync::Arc;
use std::time::Duration;

use signalbox_actors::audit_sequencer::AuditSequencer;
use signalbox_actors::backplane::Backplane;
use signalbox_actors::live_feed::LiveFeed;
use signalbox_actors::live_hub::LiveHub;
use signalbox_actors::nodes::Nodes;
use signalbox_actors::outbox_relay::OutboxRelay;
use signalbox_actors::permission_cache::PermissionCache;
use signalbox_actors::presence::Presence;
use signalbox_actors::private_services::ServerWatch;
use signalbox_actors::session_keeper::{self, SessionKeeper};
use signalbox_actors::shared_poll::{Here, SharedPolls};
use signalbox_actors::socket_feed::SocketFeed;
use signalbox_actors::supervision::{Options, StartError, StopReport, Tree};
use signalbox_actors::system_feed::SystemFeed;
use signalbox_core::Store;

use crate::config::{Role, Settings};
use crate::servers::Servers;

/// Set to 1, actors can be broken on purpose over HTTP. For fault tests only.
const FAULTS: &str = "SIGNALBOX_FAULTS";

/// What the floor above asks of the actors.
#[derive(Clone, Debug)]
pub struct Actors {
    /// The tree itself, for readiness and the System page.
    pub tree: Tree,
    /// Known-good sessions and what hangs on them.
    pub sessions: SessionKeeper,
    /// What people may do.
    pub permissions: PermissionCache,
    /// Who listens to what, on this node.
    pub hub: LiveHub,
    /// This node among the others.
    pub nodes: Nodes,
    /// Who is in which channel.
    pub presence: Presence,
    /// What is polled for clients.
    pub polls: SharedPolls,
    relay: Option<OutboxRelay>,
    sequencer: Option<AuditSequencer>,
    _others: Arc<Others>,
}

/// Asked for nothing, only kept.
#[derive(Debug)]
struct Others {
    _backplane: Backplane,
    _feed: SystemFeed,
    _live_feed: LiveFeed,
    _socket_feed: SocketFeed,
}

impl Actors {
    /// Starts those that this node's roles want. `node` tells this start of this process from all others.
    ///
    /// # Errors
    /// [`StartError`]: an actor that merely fails to start is told by readiness instead.
    pub async fn start(
        settings: &Settings,
        servers: &Servers,
        store: &Store,
        node: &str,
    ) -> Result<Self, StartError> {
        let faults = std::env::var_os(FAULTS).is_some_and(|set| set == "1");
        let tree = Tree::start(Options {
            faults,
            ..Options::default()
        })?;
        if let Some(private) = &servers.private {
            ServerWatch::add(&tree, private)?;
        }
        let permissions = PermissionCache::supervise(&tree, store)?;
        let idle = i64::try_from(settings.auth.refresh_token_seconds).unwrap_or(i64::MAX);
        let options = session_keeper::Options {
            idle: time::Duration::seconds(idle),
            ..Default::default()
        };
        let sessions = SessionKeeper::supervise(&tree, store, options)?;
        // One shard per worker thread of the HTTP server, which takes as many.
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        let namespaces = Arc::new(settings.live.namespaces());
        let hub = LiveHub::supervise(&tree, store, namespaces.clone(), shards)?;
        let polls = SharedPolls::supervise(&tree, namespaces.clone())?;
        let here = Here {
            hub: hub.clone(),
            polls: polls.clone(),
            sessions: sessions.clone(),
        };
        let nodes = Nodes::supervise(&tree, store, node, Arc::new(here))?;
        let backplane = Backplane::supervise(&tree, store, &hub, &nodes, Arc::new(sessions.clone()))?;
        let presence = Presence::supervise(&tree, store, &nodes, namespaces)?;
        let (mut relay, mut sequencer) = (None, None);
        if settings.has_role(Role::Actors) {
            relay = Some(OutboxRelay::supervise(&tree, store, node)?);
            sequencer = Some(AuditSequencer::supervise(&tree, store, node)?);
        }
        let feed = SystemFeed::supervise(&tree, store, node)?;
        let live_feed = LiveFeed::supervise(&tree, &hub, &nodes, &store.clock)?;
        let socket_feed = SocketFeed::supervise(&tree, &hub, &nodes, &store.clock)?;
        tree.start_all().await;
        let others = Arc::new(Others {
            _backplane: backplane,
            _feed: feed,
            _live_feed: live_feed,
            _socket_feed: socket_feed,
        });
        Ok(Self {
            tree,
            sessions,
            permissions,
            hub,
            nodes,
            presence,
            polls,
            relay,
            sequencer,
            _others: others,
        })
    }

    /// Writes what is still to be written, lets other nodes lead, and stops the tree, all within `deadline`: two thirds
    /// of it are the relay's at most.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let from = std::time::Instant::now();
        // who is not written off by then is, when the lease lapses, by other nodes
        if self.presence.settle(deadline / 12).await {
            self.nodes.leave().await;
        }
        self.sessions.flush().await;
        if let Some(relay) = &self.relay {
            let left = relay.retire(deadline * 2 / 3).await;
            tracing::info!(left, "stopping: the relay has sent what was on its way");
        }
        if let Some(sequencer) = &self.sequencer {
            sequencer.retire(deadline / 12).await;
        }
        self.tree.stop(deadline.saturating_sub(from.elapsed())).await
    }
}
