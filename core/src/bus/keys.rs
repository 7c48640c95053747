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
        format!("{}:live:{{{organization}/{channel}}}:meta", self.prefix)
    }

    /// Stream of a live channel; entry ids are `<position>-0`.
    pub fn live_history(&self, organization: OrganizationId, channel: &str) -> String {
        format!("{}:live:{{{organization}/{channel}}}:history", self.prefix)
    }

    /// Which relay was here last: gone when Redis was flushed.
    pub fn relay_mark(&self) -> String {
        format!("{}:relay:mark", self.prefix)
    }

    /// Pub/sub channel that carries a live channel's publications. FNV-1a: the same on every node and build.
    pub fn fan(&self, organization: OrganizationId, channel: &str) -> String {
        let bytes = organization.0.as_bytes().iter().copied().chain(channel.bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{}:fan:{}", self.prefix, hash % FANS)
    }

    /// All of [`Keys::fan`].
    pub fn fans(&self) -> Vec<String> {
        (0..FANS).map(|n| format!("{}:fan:{n}", self.prefix)).collect()
    }

    /// Pub/sub channel between nodes: revocations, hints, heartbeats.
    pub fn control(&self) -> String {
        format!("{}:control", self.prefix)
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
        format!("{}:user:perms:{{{user}}}", self.prefix)
    }

    /// Counter of a rate limit window, 1 min unless the limit says otherwise.
    pub fn rate(&self, limit: &str, key: &str) -> String {
        format!("{}:rate:{{{limit}:{key}}}", self.prefix)
    }
}
