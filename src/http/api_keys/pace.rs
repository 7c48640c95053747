//! Requests of a key in a minute, where it has a limit: counted in Redis for all nodes together, and by this node alone
//! while Redis is away.

use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Kind, Result};
use signalbox_core::sessions::standing::Standing;
use std::collections::HashMap;
use std::time::Duration;

/// A count that takes longer is not waited for.
const COUNT_WITHIN: Duration = Duration::from_millis(50);

/// Counts of this node, of the present minute: by key, and by what is counted of it.
#[derive(Debug, Default)]
pub struct KeyPace(Mutex<(i64, HashMap<String, u64>)>);

/// How a key stands to a limit of its own.
#[derive(Clone, Debug)]
pub struct Paced {
    /// The resource that it limits requests to; `None` for all of them.
    pub resource: Option<String>,
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
        let to = self
            .resource
            .as_ref()
            .map(|name| format!(" to {name}"))
            .unwrap_or_default();
        let detail =
            format!("This API key may make {most} requests{to} in a minute. Wait, or have its limit raised.");
        let mut error = Error::new(Kind::TooMany, "api_key.too_many_requests", detail);
        error.retry_after = Some(self.reset);
        Err(error)
    }
}

impl KeyPace {
    /// Counts one request to `resource`, against the limit over all and that of the resource, of those that there are.
    pub async fn keep(&self, store: &Store, standing: &Standing, resource: &str) -> Vec<Paced> {
        let (Some(terms), Credential::ApiKey(key)) = (&standing.key, standing.credential) else {
            return Vec::new();
        };
        let of_resource = terms.resource_limits.get(resource).copied();
        let limits = [
            terms.requests_per_minute.map(|most| (None, most)),
            of_resource.map(|most| (Some(resource.to_owned()), most)),
        ];
        let mut paced = Vec::new();
        for (resource, most) in limits.into_iter().flatten() {
            let name = match &resource {
                Some(resource) => format!("{key}:{resource}"),
                None => key.to_string(),
            };
            paced.push(self.count(store, name, resource, most).await);
        }
        paced
    }

    async fn count(&self, store: &Store, name: String, resource: Option<String>, most: u32) -> Paced {
        let second = store.clock.now().unix_timestamp();
        let minute = second / 60;
        let counting = store.bus.count_in_minute("api_key", &name, minute);
        let made = match tokio::time::timeout(COUNT_WITHIN, counting).await {
            Ok(Ok(made)) => made,
            _ => self.count_here(name, minute),
        };
        Paced {
            resource,
            most,
            made,
            reset: 60 - second.rem_euclid(60) as u64,
        }
    }

    fn count_here(&self, name: String, minute: i64) -> u64 {
        let mut counts = self.0.lock();
        if counts.0 != minute {
            *counts = (minute, HashMap::new());
        }
        let made = counts.1.entry(name).or_default();
        *made += 1;
        *made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_alone_counts_each_key_for_itself_and_forgets_with_the_minute() {
        let pace = KeyPace::default();
        let count = |name: &str, minute| pace.count_here(name.to_owned(), minute);
        assert_eq!([count("one", 1), count("one", 1)], [1, 2]);
        assert_eq!(count("other", 1), 1);
        assert_eq!(count("one", 2), 1);
        assert_eq!(pace.0.lock().1.len(), 1);
    }
}
