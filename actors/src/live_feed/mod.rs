//! LiveFeed: tells whoever looks at the nodes how they are, once a second.
//!
//! State, not event, and of this node's own followers alone: a node where somebody looks asks all nodes and tells them, and
//! where nobody looks nothing is asked. So nothing of it travels over the bus but the question.

use std::time::Duration;

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use bytes::Bytes;
use serde_json::json;
use signalbox_core::bus::questions::Question;
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::history::Batch;
use signalbox_core::live::published::Published;
use time::format_description::well_known::Rfc3339;

use crate::live_hub::{LiveHub, Publication};
use crate::nodes::Nodes;
use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// Wire channel of the nodes' state.
pub const CHANNEL: &str = "feed:live";
/// Between two tellings.
const PACE: Duration = Duration::from_secs(1);

/// Keeps the actor's name in the tree.
#[derive(Clone)]
pub struct LiveFeed {
    _handle: Handle<Feed>,
}

impl std::fmt::Debug for LiveFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveFeed")
    }
}

impl LiveFeed {
    /// Adds the feed to the tree.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, hub: &LiveHub, nodes: &Nodes, clock: &Clock) -> Result<Self, StartError> {
        let parts = (hub.clone(), nodes.clone(), clock.clone());
        let handle = tree.child(Spec::named("live_feed").order(62), move || Feed {
            hub: parts.0.clone(),
            nodes: parts.1.clone(),
            clock: parts.2.clone(),
            telling: false,
        })?;
        Ok(Self { _handle: handle })
    }
}

struct Feed {
    hub: LiveHub,
    nodes: Nodes,
    clock: Clock,
    telling: bool,
}

impl Feed {
    fn tell(&mut self, ctx: &mut Context<Self>) {
        if self.telling {
            return;
        }
        let lookers = self.hub.followers_of(CHANNEL);
        if lookers.is_empty() {
            return;
        }
        self.telling = true;
        let (hub, nodes, clock) = (self.hub.clone(), self.nodes.clone(), self.clock.clone());
        let tell = async move {
            let mut answers = nodes.ask(Question::Node).await;
            let missing = std::mem::take(&mut answers.missing);
            let at = clock.now().format(&Rfc3339).unwrap_or_default();
            let event = json!({"type": "live.nodes", "at": at, "items": answers.nodes(), "missing": missing});
            let published = Published {
                event,
                row: String::new(),
                before: None,
                after: None,
            };
            if let Ok(payload) = serde_json::to_vec(&published).map(Bytes::from) {
                let batches = lookers
                    .into_iter()
                    .map(|organization| state(organization, &payload));
                hub.publish(&batches.flat_map(Publication::of_batch).collect::<Vec<_>>());
            }
        };
        ctx.spawn(tell.into_actor(self).map(|(), feed, _| feed.telling = false));
    }
}

fn state(organization: OrganizationId, payload: &Bytes) -> Batch {
    Batch {
        organization,
        channel: CHANNEL.to_owned(),
        epoch: String::new(),
        first: 0,
        payloads: vec![payload.clone()],
    }
}

impl Actor for Feed {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(PACE, Self::tell);
    }
}

impl Supervised for Feed {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
