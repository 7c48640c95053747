//! Requests of a key in a minute, where it has a limit: counted in Redis for all nodes together, and by this node alone
//! while Redis is away.

use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Kind, Result};
use signalbox_core::kernel::id::ApiKeyId;
use signalbox_core::sessions::standing::Standing;
use std::collections::HashMap;
use std::time::Duration;

/// A count that takes longer is not waited for.
const COUNT_WITHIN: Duration = Duration::from_millis(50);

/// Counts of this node, of the present minute.
#[derive(Debug, Default)]
pub struct KeyPace(Mutex<(i64, HashMap<ApiKeyId, u64>)>);

/// How a key stands to its limit.
#[derive(Clone, Copy, Debug)]
pub struct Paced {
    /// In a minute.
    pub most: u32,
    /// In the present minute, with this one.
    made: u64,
    /// Seconds until the next minute.
    pub reset: u64,
}

impl Paced {
    /// How many more may be made.
    pub fn left(&self) -> u32 {
        let left = u64::from(self.most).saturating_sub(self.made);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Passes, unless it is one too many.
    ///
    /// # Errors
    /// That, with the seconds until the next minute.
    pub fn admit(&self) -> Result<()> {
        let most = self.most;
        if self.made <= u64::from(most) {
            return Ok(());
        }
        let detail =
            format!("This API key may make {most} requests in a minute. Wait, or have its limit raised.");
        let mut error = Error::new(Kind::TooMany, "api_key.too_many_requests", detail);
        error.retry_after = Some(self.reset);
        Err(error)
    }
}

impl KeyPace {
    /// Counts one request; `None` for whoever has no limit.
    pub async fn keep(&self, store: &Store, standing: &Standing) -> Option<Paced> {
        let most = standing.key.as_ref().and_then(|key| key.requests_per_minute);
        let (Some(most), Credential::ApiKey(key)) = (most, standing.credential) else {
            return None;
        };
        let second = store.clock.now().unix_timestamp();
        let minute = second / 60;
        let name = key.to_string();
        let counting = store.bus.count_in_minute("api_key", &name, minute);
        let made = match tokio::time::timeout(COUNT_WITHIN, counting).await {
            Ok(Ok(made)) => made,
            _ => self.count_here(key, minute),
        };
        Some(Paced {
            most,
            made,
            reset: 60 - second.rem_euclid(60) as u64,
        })
    }

    fn count_here(&self, key: ApiKeyId, minute: i64) -> u64 {
        let mut counts = self.0.lock();
        if counts.0 != minute {
            *counts = (minute, HashMap::new());
        }
        let made = counts.1.entry(key).or_default();
        *made += 1;
        *made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_alone_counts_each_key_for_itself_and_forgets_with_the_minute() {
        let (pace, one, other) = (KeyPace::default(), ApiKeyId::new(), ApiKeyId::new());
        assert_eq!([pace.count_here(one, 1), pace.count_here(one, 1)], [1, 2]);
        assert_eq!(pace.count_here(other, 1), 1);
        assert_eq!(pace.count_here(one, 2), 1);
        assert_eq!(pace.0.lock().1.len(), 1);
    }
}
