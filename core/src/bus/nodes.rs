//! Which nodes live: each holds a lease on Redis' clock and renews it every second.

use super::Bus;
use crate::kernel::error::Result;
use redis::Script;
use std::sync::LazyLock;

/// How long a node counts as living after it was last heard of, in milliseconds.
pub const LEASE_MS: u64 = 3_000;

// KEYS nodes. ARGV node, lease in ms. Whether the lease still stood, and everybody with the time they have left.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local all = redis.call('ZRANGE', KEYS[1], 0, 999, 'WITHSCORES')
local nodes = {}
for i = 1, #all, 2 do
  nodes[#nodes + 1] = all[i]
  nodes[#nodes + 1] = math.floor(all[i + 1] - now)
end
return {(before and tonumber(before) > now) and 1 or 0, nodes}",
    )
});

// KEYS nodes. ARGV node. Takes a node off whose lease has lapsed; 1 when it was there and had.
static BURY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) > now then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])",
    )
});

/// The nodes there are, at one instant of Redis' clock. At most 1,000 are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The lease that was renewed still stood. False at a node's first renewal, after it came too late, and after Redis
    /// lost what it had: whatever else the node keeps in Redis is then gone too, or about to be taken away.
    pub held: bool,
    /// Nodes whose lease stands, whoever renewed included.
    pub living: Vec<String>,
    /// Nodes whose lease has lapsed and that nobody has buried yet.
    pub lapsed: Vec<String>,
}

impl Bus {
    /// Renews `node`'s lease, and sees who else is there.
    pub async fn renew_lease(&self, node: &str) -> Result<Census> {
        let (held, nodes): (bool, Vec<(String, i64)>) = RENEW
            .key(self.keys().live_nodes())
            .arg(node)
            .arg(LEASE_MS)
            .invoke_async(&mut self.shared())
            .await?;
        let (living, lapsed): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|(_, left)| *left > 0);
        let names = |nodes: Vec<(String, i64)>| nodes.into_iter().map(|(node, _)| node).collect();
        Ok(Census {
            held,
            living: names(living),
            lapsed: names(lapsed),
        })
    }

    /// Gives `node`'s lease back: it is known to be gone at once.
    pub async fn end_lease(&self, node: &str) -> Result<()> {
        redis::cmd("ZREM")
            .arg(self.keys().live_nodes())
            .arg(node)
            .query_async::<()>(&mut self.shared())
            .await?;
        Ok(())
    }

    /// Takes a lapsed node off, after everything it left was cleared away. False when it has come back, or when another
    /// was faster.
    pub async fn bury(&self, node: &str) -> Result<bool> {
        let buried: bool = BURY
            .key(self.keys().live_nodes())
            .arg(node)
            .invoke_async(&mut self.shared())
            .await?;
        Ok(buried)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{eventually, store};

    #[tokio::test]
    async fn a_node_lives_while_it_renews_and_has_lapsed_three_seconds_later() {
        let test = store().await;
        let bus = &test.store.bus;
        assert!(!bus.renew_lease("one").await.unwrap().held, "the first time");
        let census = bus.renew_lease("two").await.unwrap();
        assert_eq!(census.living, ["one", "two"]);
        assert!(bus.renew_lease("one").await.unwrap().held);
        assert!(!bus.bury("one").await.unwrap(), "it lives");
        let started = std::time::Instant::now();
        eventually("the one that is silent has lapsed", async || {
            let census = bus.renew_lease("two").await.unwrap();
            assert!(census.held, "the other renews in time");
            census.lapsed == ["one"]
        })
        .await;
        assert!(started.elapsed().as_millis() > 2_500, "{:?}", started.elapsed());
        assert!(bus.bury("one").await.unwrap());
        assert!(!bus.bury("one").await.unwrap(), "once");
        bus.end_lease("two").await.unwrap();
        assert!(!bus.renew_lease("two").await.unwrap().held);
    }
}
