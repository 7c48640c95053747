//! Counting for limits that hold for all nodes together.

use super::Bus;
use crate::kernel::error::Result;
use std::time::Duration;

/// How long a minute's count is kept: for twice as long, since a node's clock may be behind.
const KEEP_SECONDS: u64 = 120;

/// KEYS[1] the count; ARGV seconds, how many more. How many there are then.
const COUNT: &str = r"
local n = redis.call('INCRBY', KEYS[1], ARGV[2])
if n == tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n";

/// KEYS[1] until when something is owed, in milliseconds; ARGV how much more, and how much at most. How much is owed then.
const OWE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
if tonumber(ARGV[1]) > 0 then
  at = math.min(at + ARGV[1], now + ARGV[2])
  redis.call('SET', KEYS[1], string.format('%.0f', at), 'PX', string.format('%.0f', at - now))
end
return at - now";

impl Bus {
    /// Has `key` owe so much more time under `limit`, `most` in all; what is owed passes by itself.
    pub async fn owe(&self, limit: &str, key: &str, more: Duration, most: Duration) -> Result<Duration> {
        let owed: u64 = redis::Script::new(OWE)
            .key(self.keys().rate(limit, key))
            .arg(more.as_millis() as u64)
            .arg(most.as_millis() as u64)
            .invoke_async(&mut self.shared())
            .await?;
        Ok(Duration::from_millis(owed))
    }

    /// What `key` owes under `limit` now.
    pub async fn owed(&self, limit: &str, key: &str) -> Result<Duration> {
        self.owe(limit, key, Duration::ZERO, Duration::ZERO).await
    }

    /// Remembers `key` under `limit` for so many seconds.
    pub async fn mark(&self, limit: &str, key: &str, seconds: u64) -> Result<()> {
        redis::cmd("SET")
            .arg(self.keys().rate(limit, key))
            .arg(1)
            .arg("EX")
            .arg(seconds)
            .query_async::<()>(&mut self.shared())
            .await?;
        Ok(())
    }

    /// Whether `key` is remembered under `limit`.
    pub async fn is_marked(&self, limit: &str, key: &str) -> Result<bool> {
        Ok(redis::cmd("EXISTS")
            .arg(self.keys().rate(limit, key))
            .query_async(&mut self.shared())
            .await?)
    }

    /// Counts one more of `key` under `limit` in `minute` (since 1970); how many there are with it.
    pub async fn count_in_minute(&self, limit: &str, key: &str, minute: i64) -> Result<u64> {
        self.count_in_window(limit, key, minute, KEEP_SECONDS / 2, 1)
            .await
    }

    /// Counts `more` of `key` under `limit` in the window of that number, each of `seconds`; how many there are with them.
    pub async fn count_in_window(
        &self,
        limit: &str,
        key: &str,
        window: i64,
        seconds: u64,
        more: u32,
    ) -> Result<u64> {
        Ok(redis::Script::new(COUNT)
            .key(self.keys().rate(limit, &format!("{key}:{window}")))
            .arg(seconds * 2)
            .arg(more)
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
        let many = test.store.bus.count_in_window("test", "a", 1, 60, 5).await;
        assert_eq!(many.unwrap(), 7);
        let key = test.store.bus.keys().rate("test", "a:1");
        let mut left = redis::cmd("TTL");
        let left: i64 = left
            .arg(key)
            .query_async(&mut test.store.bus.shared())
            .await
            .unwrap();
        assert!((1..=120).contains(&left), "{left}");
    }

    #[tokio::test]
    async fn what_is_owed_adds_up_to_the_most_and_passes() {
        use super::Duration;
        let test = testing::store().await;
        let bus = &test.store.bus;
        let seconds = Duration::from_secs;
        assert_eq!(bus.owed("test", "a").await.unwrap(), Duration::ZERO);
        bus.owe("test", "a", seconds(30), seconds(100)).await.unwrap();
        let owed = bus.owe("test", "a", seconds(30), seconds(100)).await.unwrap();
        assert!((seconds(55)..=seconds(60)).contains(&owed), "{owed:?}");
        assert!(bus.owed("test", "a").await.unwrap() <= owed);
        let most = bus.owe("test", "a", seconds(300), seconds(100)).await.unwrap();
        assert!((seconds(95)..=seconds(100)).contains(&most), "{most:?}");
        assert_eq!(bus.owed("test", "b").await.unwrap(), Duration::ZERO);
        bus.owe("test", "b", Duration::from_millis(20), seconds(1))
            .await
            .unwrap();
        testing::eventually("it has passed", async || {
            bus.owed("test", "b").await.unwrap().is_zero()
        })
        .await;
        bus.mark("test", "c", 10).await.unwrap();
        assert!(bus.is_marked("test", "c").await.unwrap() && !bus.is_marked("test", "d").await.unwrap());
    }
}
