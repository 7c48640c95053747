//! SocketFeed: tells whoever looks at sessions how many live connections hang on each, when that changes.
//!
//! State, not event, and to this node's own followers alone: a node where somebody looks asks all nodes once a second, and
//! where nobody looks nothing is asked. Who looks at a list of the organization's sessions follows `feed:sessions`, who looks at
//! one person's follows `sessions:<user id>`.
//!
//! Invariant: each telling is of every session that has any; one that is not named has none.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use bytes::Bytes;
use serde_json::json;
use signalbox_core::bus::questions::{Question, SocketRow};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::id::{OrganizationId, SessionId};
use signalbox_core::live::history::Batch;
use signalbox_core::live::published::Published;
use signalbox_core::sessions::CHANNEL;
use time::format_description::well_known::Rfc3339;

use crate::live_hub::{ChannelKey, LiveHub, Publication};
use crate::nodes::Nodes;
use crate::supervision::{Context, Handle, Spec, StartError, Supervised, Tree};

/// How a channel of one person's sessions begins.
const OF_PERSON: &str = "sessions:";
/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
/// What has not changed is told again after this long, for whoever has come since.
const AGAIN: Duration = Duration::from_secs(5);

/// Keeps the actor's name in the tree.
#[derive(Clone)]
pub struct SocketFeed {
    _handle: Handle<Feed>,
}

impl std::fmt::Debug for SocketFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SocketFeed")
    }
}

impl SocketFeed {
    /// Adds the feed to the tree.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(tree: &Tree, hub: &LiveHub, nodes: &Nodes, clock: &Clock) -> Result<Self, StartError> {
        let parts = (hub.clone(), nodes.clone(), clock.clone());
        let handle = tree.child(Spec::named("socket_feed").order(63), move || Feed {
            hub: parts.0.clone(),
            nodes: parts.1.clone(),
            clock: parts.2.clone(),
            told: HashMap::new(),
            telling: false,
        })?;
        Ok(Self { _handle: handle })
    }
}

/// Sessions and how many connections hang on each.
type Counts = BTreeMap<SessionId, u32>;

struct Feed {
    hub: LiveHub,
    nodes: Nodes,
    clock: Clock,
    /// What was told last in each channel that somebody follows, and when.
    told: HashMap<ChannelKey, (Instant, Counts)>,
    telling: bool,
}

impl Feed {
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.telling {
            return;
        }
        let lookers = self
            .hub
            .followed(|name| name == CHANNEL || name.starts_with(OF_PERSON));
        self.told.retain(|channel, _| lookers.contains(channel));
        if lookers.is_empty() {
            return;
        }
        self.telling = true;
        let mut organizations: Vec<_> = lookers.iter().map(|channel| channel.organization).collect();
        organizations.sort_unstable();
        organizations.dedup();
        let nodes = self.nodes.clone();
        let ask = async move { nodes.ask(Question::Sockets { organizations }).await };
        ctx.spawn(ask.into_actor(self).map(move |answers, feed, _| {
            feed.telling = false;
            // a node that did not answer may have any number: what was told before stands until it does
            if answers.missing.is_empty() {
                let sockets = answers.sockets();
                feed.tell(lookers, &sockets);
            }
        }));
    }

    fn tell(&mut self, lookers: Vec<ChannelKey>, sockets: &HashMap<SessionId, (SocketRow, u32)>) {
        let at = self.clock.now().format(&Rfc3339).unwrap_or_default();
        let mut batches = Vec::new();
        for channel in lookers {
            let counts = counts(&channel, sockets);
            let known = self.told.get(&channel);
            if known.is_some_and(|(told, before)| *before == counts && told.elapsed() < AGAIN) {
                continue;
            }
            let event = json!({"type": "session.sockets", "at": at, "sockets": counts});
            batches.extend(batch(channel.organization, &channel.name, event));
            self.told.insert(channel, (Instant::now(), counts));
        }
        self.hub.publish(
            &batches
                .into_iter()
                .flat_map(Publication::of_batch)
                .collect::<Vec<_>>(),
        );
    }
}

/// What a channel is told of.
fn counts(channel: &ChannelKey, sockets: &HashMap<SessionId, (SocketRow, u32)>) -> Counts {
    let theirs = sockets.values().filter(|(row, _)| {
        row.organization == channel.organization
            && channel
                .name
                .strip_prefix(OF_PERSON)
                .is_none_or(|user| row.user.to_string() == user)
    });
    theirs.map(|(row, count)| (row.session, *count)).collect()
}

fn batch(organization: OrganizationId, channel: &str, event: serde_json::Value) -> Option<Batch> {
    let published = Published {
        event,
        row: String::new(),
        before: None,
        after: None,
    };
    let payload = serde_json::to_vec(&published).ok().map(Bytes::from)?;
    Some(Batch {
        organization,
        channel: channel.to_owned(),
        epoch: String::new(),
        first: 0,
        payloads: vec![payload],
    })
}

impl Actor for Feed {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(PACE, Self::look);
    }
}

impl Supervised for Feed {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
