//! Who is connected to this node, and how to reach them.
//!
//! Invariant: an order reaches exactly the connections it is about, and whoever comes after it was carried out is not touched by it.

use std::collections::{HashMap, HashSet, hash_map};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use signalbox_core::kernel::id::OrganizationId;
use time::OffsetDateTime;

use super::connections::Transport;
use super::outlet::Outlet;

/// What is known of a connection when it signs in.
#[derive(Debug)]
pub struct Arrival {
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
}

/// A connection that has signed in.
#[derive(Debug)]
pub struct Present {
    /// As it was then.
    pub arrival: Arrival,
    /// Its queue.
    pub outlet: Arc<Outlet>,
    latency: AtomicU32,
    channels: Mutex<Vec<Arc<str>>>,
}

impl Present {
    fn new(arrival: Arrival, outlet: Arc<Outlet>) -> Self {
        Self {
            arrival,
            outlet,
            latency: AtomicU32::new(u32::MAX),
            channels: Mutex::default(),
        }
    }

    fn whose(&self) -> (OrganizationId, Box<str>) {
        (self.arrival.organization, self.arrival.user.as_str().into())
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

/// How many connections of one kind a node takes; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// Of one user. Somebody without a name is no user.
    pub of_user: usize,
    /// From one address.
    pub of_address: usize,
}

/// Everybody who has signed in on this node.
#[derive(Debug, Default)]
pub(super) struct Roster {
    everybody: Mutex<Everybody>,
}

#[derive(Debug, Default)]
struct Everybody {
    by_client: HashMap<Box<str>, Arc<Present>>,
    /// Kept only while a limit is set: whoever enters is counted, and whoever was counted is taken off.
    of_user: HashMap<(OrganizationId, Box<str>), usize>,
    of_address: HashMap<Box<str>, usize>,
}

impl Everybody {
    fn has_room_for(&self, present: &Present, most: Most) -> bool {
        let user = self.of_user.get(&present.whose()).copied().unwrap_or_default();
        let address = self
            .of_address
            .get(&*present.arrival.address)
            .copied()
            .unwrap_or_default();
        (most.of_user == 0 || present.arrival.user.is_empty() || user < most.of_user)
            && (most.of_address == 0 || present.arrival.address.is_empty() || address < most.of_address)
    }

    fn count(&mut self, present: &Present, most: Most) {
        if most.of_user > 0 {
            *self.of_user.entry(present.whose()).or_default() += 1;
        }
        if most.of_address > 0 {
            *self
                .of_address
                .entry(present.arrival.address.as_str().into())
                .or_default() += 1;
        }
    }

    fn take_off(&mut self, present: &Present) {
        self.by_client.remove(&*present.arrival.client);
        one_less(&mut self.of_user, present.whose());
        one_less(&mut self.of_address, present.arrival.address.as_str().into());
    }
}

fn one_less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Roster {
    /// `None` when there are as many of the same user, or from the same address, as `most` allows.
    pub(super) fn enter(
        self: &Arc<Self>,
        arrival: Arrival,
        outlet: &Arc<Outlet>,
        most: Most,
    ) -> Option<Entry> {
        let present = Arc::new(Present::new(arrival, outlet.clone()));
        let mut everybody = self.everybody.lock();
        if !everybody.has_room_for(&present, most) {
            return None;
        }
        everybody.count(&present, most);
        everybody
            .by_client
            .insert(present.arrival.client.as_str().into(), present.clone());
        Some(Entry {
            present: present.clone(),
            roster: self.clone(),
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<Present>> {
        self.everybody.lock().by_client.values().cloned().collect()
    }

    /// Those that `wanted` holds for.
    pub(super) fn matching(&self, wanted: impl Fn(&Present) -> bool) -> Vec<Arc<Present>> {
        let everybody = self.everybody.lock();
        everybody
            .by_client
            .values()
            .filter(|present| wanted(present))
            .cloned()
            .collect()
    }

    /// How many users, those without a name being one each.
    pub(super) fn users(&self) -> usize {
        let everybody = self.everybody.lock();
        let everybody = &everybody.by_client;
        let named: HashSet<_> = everybody
            .values()
            .filter(|present| !present.arrival.user.is_empty())
            .map(|present| (present.arrival.organization, present.arrival.user.as_str()))
            .collect();
        let nameless = everybody
            .values()
            .filter(|present| present.arrival.user.is_empty())
            .count();
        named.len() + nameless
    }

    pub(super) fn one(&self, client: &str) -> Option<Arc<Present>> {
        self.everybody.lock().by_client.get(client).cloned()
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
        self.roster.everybody.lock().take_off(&self.present);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(n: usize, user: &str, address: &str) -> Arrival {
        Arrival {
            client: format!("client {n}"),
            organization: OrganizationId(uuid::Uuid::nil()),
            user: user.to_owned(),
            session: String::new(),
            transport: Transport::WebSocket,
            protobuf: false,
            name: String::new(),
            version: String::new(),
            address: address.to_owned(),
            connected_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_user_and_an_address_have_as_many_connections_as_is_allowed_and_room_again_when_one_ends() {
        let (roster, outlet) = (Arc::new(Roster::default()), Outlet::new(1024));
        let most = Most {
            of_user: 2,
            of_address: 3,
        };
        let enter = |n, user, address| roster.enter(arrival(n, user, address), &outlet, most);
        let mut ada = vec![enter(1, "ada", "1").unwrap(), enter(2, "ada", "2").unwrap()];
        assert!(enter(3, "ada", "3").is_none(), "of one user");
        let nameless = [enter(4, "", "1").unwrap(), enter(5, "", "1").unwrap()];
        assert!(enter(6, "", "1").is_none(), "from one address");
        assert!(enter(7, "", "").is_some() && enter(8, "bob", "2").is_some());
        ada.pop();
        let again = enter(9, "ada", "4");
        assert!(again.is_some() && enter(10, "ada", "4").is_none());
        drop((ada, nameless, again));
        assert!(roster.all().is_empty());
        let everybody = roster.everybody.lock();
        assert!(
            everybody.of_user.is_empty() && everybody.of_address.is_empty(),
            "nobody is counted for ever"
        );
    }

    #[test]
    fn without_limits_nobody_is_counted_or_turned_away() {
        let (roster, outlet) = (Arc::new(Roster::default()), Outlet::new(1024));
        let all: Vec<_> = (0..100)
            .map(|n| {
                roster
                    .enter(arrival(n, "ada", "1"), &outlet, Most::default())
                    .unwrap()
            })
            .collect();
        assert!(roster.everybody.lock().of_user.is_empty());
        assert_eq!((roster.all().len(), roster.users()), (all.len(), 1));
    }
}
