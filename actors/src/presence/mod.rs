//! Presence: who is in which channel, told truly by every node whatever becomes of the others.
//!
//! What this node says stands in Redis under the node's own lease ([`crate::nodes`]), not a client's: nothing is renewed per
//! client, and a node that is gone takes all of its clients along.
//!
//! Invariant: what is asked of one client of a channel is done in the order it was asked, and nothing of it is lost with the
//! actor: the list outlives it. A client that enters and leaves at once leaves nothing.
//! Invariant: who is gone is never shown, from the moment their node's lease lapses (3 s), and their leave is told within 2 s
//! of it, once, by whichever node clears away.
//! Invariant: when this node finds its lease gone (Redis lost everything, or this node was taken for dead), it writes all
//! of its clients again.

mod list;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Message;
use signalbox_core::Store;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::live::application::map::Presences;
use signalbox_core::live::application::{ClientInfo, Namespaces};
use signalbox_core::live::presence;

use crate::live_hub::ChannelKey;
use crate::nodes::Nodes;
use crate::supervision::{Handle, Spec, StartError, Tree};
use list::List;
use worker::Worker;

/// How long a client that enters may wait for Redis.
const ENTER_WITHIN: Duration = Duration::from_secs(5);

/// Something is to be done.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

/// Asks who is there, and says who is here. Cheap to clone.
#[derive(Clone)]
pub struct Presence {
    store: Store,
    list: Arc<List>,
    handle: Handle<Worker>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presence")
    }
}

impl Presence {
    /// Adds the actor to the tree. `namespaces` tells which channels' presence shows in maps.
    ///
    /// # Errors
    /// When the tree already has one.
    pub fn supervise(
        tree: &Tree,
        store: &Store,
        nodes: &Nodes,
        namespaces: Arc<Namespaces>,
    ) -> std::result::Result<Self, StartError> {
        let list = Arc::new(List::default());
        let (kept, with, nodes) = (Arc::clone(&list), store.clone(), nodes.clone());
        let maps = Presences::new(namespaces);
        let handle = tree.child(Spec::named("presence").order(45), move || {
            Worker::new(with.clone(), maps.clone(), Arc::clone(&kept), &nodes)
        })?;
        Ok(Self {
            store: store.clone(),
            list,
            handle,
        })
    }

    /// The client `info` speaks of is in the channel until the [`Attendance`] is dropped. Answered once that is written, so
    /// that the client finds itself. `listed`: shown to who asks; one that is not can still be announced.
    ///
    /// # Errors
    /// Unavailable: Redis does not answer, or too many wait. The client is not there.
    pub async fn enter(&self, channel: &ChannelKey, info: ClientInfo, listed: bool) -> Result<Attendance> {
        let busy = || Error::unavailable("presence", "too many wait");
        let (stamp, entered) = self.list.enter(channel, &info, listed).ok_or_else(busy)?;
        // from here on its end is seen to, however this comes out
        let attendance = Attendance {
            presence: self.clone(),
            channel: channel.clone(),
            client: info.client,
            stamp,
        };
        self.wake();
        match tokio::time::timeout(ENTER_WITHIN, entered).await {
            Ok(Ok(written)) => written.map(|()| attendance),
            _ => Err(Error::unavailable("presence", "not written in time")),
        }
    }

    /// Who is in the channel, on all nodes, by client id.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn of(&self, channel: &ChannelKey) -> Result<BTreeMap<String, ClientInfo>> {
        Ok(self.members(channel).await?.present)
    }

    /// How many clients are in the channel, on all nodes, and how many different users.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn stats(&self, channel: &ChannelKey) -> Result<(usize, usize)> {
        Ok(self.members(channel).await?.count())
    }

    /// Waits until everything asked so far is done, at most `within`. Whether nobody is here any more, so that the node's
    /// lease can be given back; if not, others clear away when it lapses.
    pub async fn settle(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            let (here, waiting) = self.list.sizes();
            if waiting == 0 || Instant::now() >= until {
                return here == 0 && waiting == 0;
            }
            self.wake();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn members(&self, channel: &ChannelKey) -> Result<presence::Members> {
        let members = presence::members(&self.store.bus, channel.organization, &channel.name).await?;
        for node in &members.strays {
            self.list.note_stray(channel, node);
        }
        Ok(members)
    }

    fn wake(&self) {
        // busy or down: the actor looks by itself, too
        let _ = self.handle.try_send(Wake);
    }
}

/// A client's being in a channel. Dropped, it has left.
pub struct Attendance {
    presence: Presence,
    channel: ChannelKey,
    client: String,
    stamp: u64,
}

impl std::fmt::Debug for Attendance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Attendance").field(&self.client).finish()
    }
}

impl Attendance {
    /// Others see this of the client from now on. Nothing is told of it. Never waits.
    pub fn show(&self, info: &ClientInfo) {
        self.presence.list.show(&self.channel, info, self.stamp);
        self.presence.wake();
    }

    /// Tells the channel that the client has come; that it has left is then told at its end. Never waits.
    pub fn announce(&self) {
        self.presence
            .list
            .announce(&self.channel, &self.client, self.stamp);
        self.presence.wake();
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.presence.list.leave(&self.channel, &self.client, self.stamp);
        self.presence.wake();
    }
}
