//! Redis: cache, dispatcher and backplane; never the truth. Whoever needs a script keeps it beside the keys it uses.

use crate::kernel::error::{Error, Result};
use bb8_redis::{RedisConnectionManager, bb8};
use std::sync::Arc;
use std::time::Duration;

pub mod control;
pub mod keys;
mod link;
pub mod nodes;
pub mod orders;
pub mod questions;
mod rate;
mod rights;
mod subscription;
pub use keys::Keys;
use link::{Address, Link};
pub use subscription::{Signal, Subscription};

/// A command that has not answered by then is treated as an outage. redis' own default, 500 ms, is shorter than an AOF
/// sync on a slow disk.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The connection to Redis. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    address: Address,
    pool: bb8::Pool<RedisConnectionManager>,
    shared: Link,
    keys: Arc<Keys>,
    /// The server offers sharded pub/sub.
    sharded: bool,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bus")
    }
}

impl Bus {
    /// Connects to `url` (`redis://`, `rediss://`, `redis+unix://`, and for a Redis Cluster `redis+cluster://one:6379,two:6379`);
    /// every key and channel begins with `prefix`.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        let mut shared = address.connect().await?;
        let pool = bb8::Pool::builder()
            .max_size(16)
            .connection_timeout(Duration::from_secs(3))
            .build(RedisConnectionManager::new(address.first()?)?)
            .await?;
        let info = shared
            .ask_any(redis::cmd("INFO").arg("server").to_owned())
            .await?;
        Ok(Self {
            sharded: offers_sharded(version(&info)),
            address,
            pool,
            shared,
            keys: Arc::new(Keys::new(prefix)),
        })
    }

    /// The names of everything in Redis.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// One connection for all: multiplexed, reconnecting. For single commands and scripts.
    pub(crate) fn shared(&self) -> Link {
        self.shared.clone()
    }

    /// A connection of one's own, for MULTI and for blocking commands; of a cluster, to the first server that is named.
    pub(crate) async fn own(&self) -> Result<bb8::PooledConnection<'_, RedisConnectionManager>> {
        self.pool
            .get()
            .await
            .map_err(|error| Error::unavailable("bus", error))
    }

    /// Answers when Redis does.
    pub async fn ping(&self) -> Result<()> {
        redis::cmd("PING").query_async::<()>(&mut self.shared()).await?;
        Ok(())
    }

    /// The server's version, such as `7.0.15`.
    pub async fn server_version(&self) -> Result<String> {
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut *self.own().await?)
            .await?;
        Ok(version(&info).to_owned())
    }

    /// Sends `message` to whoever listens on pub/sub channel `channel` now.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<()> {
        redis::cmd(self.publish_command(channel))
            .arg(channel)
            .arg(message)
            .query_async::<()>(&mut self.shared())
            .await?;
        Ok(())
    }

    /// The command that publishes on `channel`: fans are sharded where the server offers it (Redis 7.0), so that in a
    /// Redis Cluster a publication stays on the shard of its keys. Every node decides by the server's version alone, and
    /// so alike. In a script the pub/sub channel is passed as a key.
    pub(crate) fn publish_command(&self, channel: &str) -> &'static str {
        if self.sharded && self.keys.is_fan(channel) {
            "SPUBLISH"
        } else {
            "PUBLISH"
        }
    }

    /// Listens on pub/sub `channels` until the subscription is dropped, across reconnects.
    pub async fn subscribe(&self, channels: &[String]) -> Result<Subscription> {
        let (sharded, plain) = channels
            .iter()
            .cloned()
            .partition(|channel| self.publish_command(channel) == "SPUBLISH");
        Subscription::open(&self.address, sharded, plain).await
    }
}

fn version(info: &str) -> &str {
    let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    line.unwrap_or("unknown").trim()
}

/// Sharded pub/sub came with 7.0.
fn offers_sharded(version: &str) -> bool {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 7)
}

#[cfg(test)]
mod tests;
