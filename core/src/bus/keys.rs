//! The only place where names in Redis are built. Keys used by one script share a hash tag, for Redis Cluster.

use crate::kernel::id::{OrganizationId, UserId};

/// Pub/sub channels over which live publications fan out; a channel's is chosen by its name.
pub const FANS: u64 = 16;

/// Builds names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// All names begin with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Hash `{epoch, top}` of a live channel.
    pub fn live_meta(&self, organization: OrganizationId, channel: &str) -> String {
        self.of_channel("meta", organization, channel)
    }

    /// Stream of a live channel; entry ids are `<position>-0`.
    pub fn live_history(&self, organization: OrganizationId, channel: &str) -> String {
        self.of_channel("history", organization, channel)
    }

    /// A key of a live channel, in the same slot as every other of its keys and as its [`Keys::fan`]: one script may use
    /// them together and publish. `what` stands before the channel's name, which may hold anything.
    pub(crate) fn of_channel(&self, what: &str, organization: OrganizationId, channel: &str) -> String {
        let fan = fan_of(organization, channel);
        format!("{}:live:{what}:{{f{fan}}}:{organization}/{channel}", self.prefix)
    }

    /// Result of a publication under an idempotency key, 5 min; `digest` is of one length, so that no channel's name can
    /// be read as another's with a key.
    pub(crate) fn live_result(&self, organization: OrganizationId, channel: &str, digest: &str) -> String {
        format!("{}/{digest}", self.of_channel("result", organization, channel))
    }

    /// Keys of a map: hash key -> entry, sorted set of keys for pages, sorted set of keys by when they lapse, and hash of how
    /// many clients a user of a map of users has.
    pub(crate) fn live_map(&self, organization: OrganizationId, channel: &str) -> [String; 4] {
        ["map", "map_keys", "map_lapse", "map_users"].map(|what| self.of_channel(what, organization, channel))
    }

    /// Channels of one [`Keys::fan`] by when the first key of their map lapses, in milliseconds of Redis' clock; beside the
    /// channels' own keys.
    pub(crate) fn live_lapse(&self, organization: OrganizationId, channel: &str) -> String {
        self.nth_lapse(fan_of(organization, channel))
    }

    /// All of [`Keys::live_lapse`].
    pub(crate) fn live_lapses(&self) -> Vec<String> {
        (0..FANS).map(|n| self.nth_lapse(n)).collect()
    }

    fn nth_lapse(&self, n: u64) -> String {
        format!("{}:live:lapse:{{f{n}}}", self.prefix)
    }

    /// Hash of who is in a live channel, by client id.
    pub(crate) fn live_presence(&self, organization: OrganizationId, channel: &str) -> String {
        self.of_channel("presence", organization, channel)
    }

    /// Set for a minute after leaves of `node`'s clients in a channel were told because it was gone. Nodes' names are of one
    /// length, as digests are.
    pub(crate) fn live_buried(&self, organization: OrganizationId, channel: &str, node: &str) -> String {
        format!("{}/{node}", self.of_channel("buried", organization, channel))
    }

    /// Hash of the channels in which `node` has entries of presence.
    pub(crate) fn live_present(&self, node: &str) -> String {
        format!("{}:live:present:{node}", self.prefix)
    }

    /// Who clears away after `node`.
    pub(crate) fn live_burial(&self, node: &str) -> String {
        format!("{}:live:burial:{node}", self.prefix)
    }

    /// Which relay was here last: gone when Redis was flushed.
    pub fn relay_mark(&self) -> String {
        format!("{}:relay:mark", self.prefix)
    }

    /// Pub/sub channel that carries a live channel's publications: sharded where the server can.
    pub fn fan(&self, organization: OrganizationId, channel: &str) -> String {
        self.nth_fan(fan_of(organization, channel))
    }

    /// All of [`Keys::fan`].
    pub fn fans(&self) -> Vec<String> {
        (0..FANS).map(|n| self.nth_fan(n)).collect()
    }

    fn nth_fan(&self, n: u64) -> String {
        format!("{}:fan:{{f{n}}}", self.prefix)
    }

    /// Whether a pub/sub channel is one of [`Keys::fans`].
    pub(super) fn is_fan(&self, channel: &str) -> bool {
        channel
            .strip_prefix(&self.prefix)
            .is_some_and(|rest| rest.starts_with(":fan:"))
    }

    /// Pub/sub channel between nodes: revocations, hints, heartbeats.
    pub fn control(&self) -> String {
        format!("{}:control", self.prefix)
    }

    /// Pub/sub channel of one node alone: answers to what it asked, and orders for it only.
    pub fn node(&self, node: &str) -> String {
        format!("{}:node:{node}", self.prefix)
    }

    /// Which nodes live: a sorted set by the end of their lease, in milliseconds of Redis' clock.
    pub fn live_nodes(&self) -> String {
        format!("{}:live:nodes", self.prefix)
    }

    /// A queue's waiting job ids, a sorted set by priority and time.
    pub fn queue_ready(&self, queue: &str) -> String {
        format!("{}:queue:{{{queue}}}:ready", self.prefix)
    }

    /// Set while a queue is paused.
    pub fn queue_paused(&self, queue: &str) -> String {
        format!("{}:queue:{{{queue}}}:paused", self.prefix)
    }

    /// Effective permissions of a person, 10 min.
    pub fn user_perms(&self, user: UserId) -> String {
        // `rights`, not `perms` as before teams carried roles: what a node of then keeps there lacks them, and is for its like
        format!("{}:user:rights:{{{user}}}", self.prefix)
    }

    /// Counter of a rate limit window, 1 min unless the limit says otherwise.
    pub fn rate(&self, limit: &str, key: &str) -> String {
        format!("{}:rate:{{{limit}:{key}}}", self.prefix)
    }
}

/// FNV-1a: the same on every node and build.
fn fan_of(organization: OrganizationId, channel: &str) -> u64 {
    let bytes = organization.0.as_bytes().iter().copied().chain(channel.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % FANS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis Cluster hashes: what stands between the first `{` and the next `}`.
    fn tag(key: &str) -> &str {
        let (_, rest) = key.split_once('{').unwrap();
        rest.split_once('}').unwrap().0
    }

    #[test]
    fn all_keys_of_a_channel_and_its_fan_stand_in_one_slot_whatever_the_channel_is_called() {
        let keys = Keys::new("signalbox");
        let organization = OrganizationId::new();
        for channel in ["feed:users", "{x}", "a}b{c", "", ":meta"] {
            let (fan, lapse) = (
                keys.fan(organization, channel),
                keys.live_lapse(organization, channel),
            );
            let mut of = vec![
                keys.live_meta(organization, channel),
                keys.live_history(organization, channel),
                keys.live_presence(organization, channel),
                fan.clone(),
                lapse.clone(),
            ];
            of.extend(keys.live_map(organization, channel));
            assert!(of.iter().all(|key| tag(key) == tag(&of[0])), "{of:?}");
            assert!(keys.fans().contains(&fan) && keys.is_fan(&fan) && keys.live_lapses().contains(&lapse));
        }
        assert!(!keys.is_fan(&keys.control()));
    }
}
