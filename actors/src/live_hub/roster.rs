//! Who is connected to this node, and how to reach them.
//!
//! Invariant: an order reaches exactly the connections it is about, and whoever comes after it was carried out is not touched by it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use signalbox_core::kernel::id::OrganizationId;
use time::OffsetDateTime;

use super::connections::Transport;
use super::outlet::Outlet;

/// A connection that has signed in.
#[derive(Debug)]
pub struct Present {
    /// Its id, known to others.
    pub client: String,
    /// Whose; [`signalbox_core::live::application::APPLICATION`] for the application's users.
    pub organization: OrganizationId,
    /// Who; empty for somebody without a name.
    pub user: String,
    /// The stream's secret, on transports that have one; empty elsewhere.
    pub session: String,
    /// What carries it.
    pub transport: Transport,
    /// Speaks Protobuf.
    pub protobuf: bool,
    /// The SDK's name and version, as it says.
    pub name: String,
    /// See `name`.
    pub version: String,
    /// Where it comes from.
    pub address: String,
    /// Since when.
    pub connected_at: OffsetDateTime,
    /// Its queue.
    pub outlet: Arc<Outlet>,
    latency: AtomicU32,
    channels: Mutex<Vec<Arc<str>>>,
}

/// What is known of a connection when it signs in.
#[derive(Debug)]
pub struct Arrival {
    /// See [`Present`].
    pub client: String,
    /// See [`Present`].
    pub organization: OrganizationId,
    /// See [`Present`].
    pub user: String,
    /// See [`Present`].
    pub session: String,
    /// See [`Present`].
    pub transport: Transport,
    /// See [`Present`].
    pub protobuf: bool,
    /// See [`Present`].
    pub name: String,
    /// See [`Present`].
    pub version: String,
    /// See [`Present`].
    pub address: String,
    /// See [`Present`].
    pub connected_at: OffsetDateTime,
}

impl Present {
    fn new(arrival: Arrival, outlet: Arc<Outlet>) -> Self {
        Self {
            client: arrival.client,
            organization: arrival.organization,
            user: arrival.user,
            session: arrival.session,
            transport: arrival.transport,
            protobuf: arrival.protobuf,
            name: arrival.name,
            version: arrival.version,
            address: arrival.address,
            connected_at: arrival.connected_at,
            outlet,
            latency: AtomicU32::new(u32::MAX),
            channels: Mutex::default(),
        }
    }

    /// Milliseconds from the last ping to its pong; `None` before the first.
    pub fn latency_ms(&self) -> Option<u32> {
        Some(self.latency.load(Ordering::Relaxed)).filter(|latency| *latency != u32::MAX)
    }

    /// A pong came so many milliseconds after its ping.
    pub fn answered_after(&self, milliseconds: u32) {
        self.latency.store(milliseconds, Ordering::Relaxed);
    }

    /// The channels it follows.
    pub fn channels(&self) -> Vec<Arc<str>> {
        self.channels.lock().clone()
    }

    /// How many channels it follows.
    pub fn channel_count(&self) -> usize {
        self.channels.lock().len()
    }

    /// It follows a channel now.
    pub fn follows(&self, channel: &Arc<str>) {
        self.channels.lock().push(channel.clone());
    }

    /// It no longer follows a channel.
    pub fn leaves(&self, channel: &str) {
        self.channels.lock().retain(|held| &**held != channel);
    }
}

/// Everybody who has signed in on this node.
#[derive(Debug, Default)]
pub(super) struct Roster {
    by_client: Mutex<HashMap<Box<str>, Arc<Present>>>,
}

impl Roster {
    /// `None` when the user has `most` connections already; 0 is no limit.
    pub(super) fn enter(
        self: &Arc<Self>,
        arrival: Arrival,
        outlet: &Arc<Outlet>,
        most: usize,
    ) -> Option<Entry> {
        let present = Arc::new(Present::new(arrival, outlet.clone()));
        let mut everybody = self.by_client.lock();
        let same =
            |other: &&Arc<Present>| other.user == present.user && other.organization == present.organization;
        if most > 0 && !present.user.is_empty() && everybody.values().filter(same).count() >= most {
            return None;
        }
        everybody.insert(present.client.as_str().into(), present.clone());
        Some(Entry {
            present: present.clone(),
            roster: self.clone(),
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<Present>> {
        self.by_client.lock().values().cloned().collect()
    }

    /// Those that `wanted` holds for.
    pub(super) fn matching(&self, wanted: impl Fn(&Present) -> bool) -> Vec<Arc<Present>> {
        let everybody = self.by_client.lock();
        everybody
            .values()
            .filter(|present| wanted(present))
            .cloned()
            .collect()
    }

    /// How many users, those without a name being one each.
    pub(super) fn users(&self) -> usize {
        let everybody = self.by_client.lock();
        let named: HashSet<_> = everybody
            .values()
            .filter(|present| !present.user.is_empty())
            .map(|present| (present.organization, present.user.as_str()))
            .collect();
        let nameless = everybody
            .values()
            .filter(|present| present.user.is_empty())
            .count();
        named.len() + nameless
    }

    pub(super) fn one(&self, client: &str) -> Option<Arc<Present>> {
        self.by_client.lock().get(client).cloned()
    }
}

/// A place on the roster, until this is dropped.
#[derive(Debug)]
pub struct Entry {
    /// As others see it.
    pub present: Arc<Present>,
    roster: Arc<Roster>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.by_client.lock().remove(&*self.present.client);
    }
}
