//! Counting for limits that hold for all nodes together.

use super::Bus;
use crate::kernel::error::Result;

/// How long a minute's count outlives it: a node's clock may be behind.
const KEEP_SECONDS: u64 = 120;

/// KEYS[1] the count; ARGV seconds. One more, and how many there are then.
const COUNT: &str = r"
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n";

impl Bus {
    /// Counts one more of `key` under `limit` in `minute` (since 1970); how many there are with it.
    pub async fn count_in_minute(&self, limit: &str, key: &str, minute: i64) -> Result<u64> {
        Ok(redis::Script::new(COUNT)
            .key(self.keys().rate(limit, &format!("{key}:{minute}")))
            .arg(KEEP_SECONDS)
            .invoke_async(&mut self.shared())
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_minute_counts_for_itself_and_is_forgotten_by_redis() {
        let test = testing::store().await;
        let count =
            async |key: &str, minute| test.store.bus.count_in_minute("test", key, minute).await.unwrap();
        assert_eq!([count("a", 1).await, count("a", 1).await], [1, 2]);
        assert_eq!([count("b", 1).await, count("a", 2).await], [1, 1]);
        let key = test.store.bus.keys().rate("test", "a:1");
        let mut left = redis::cmd("TTL");
        let left: i64 = left
            .arg(key)
            .query_async(&mut test.store.bus.shared())
            .await
            .unwrap();
        assert!((1..=120).contains(&left), "{left}");
    }
}
