//! How fast others may carry commands to a stream. Each post is a message on the bus where another node holds the stream, whether or
//! not the stream still lives, so the node that takes it counts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use signalbox_core::kernel::error::{Error, Kind};

/// Posts a second for one stream, all that a client of the protocol sends together being one post.
const A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);
/// As many may come at once, from a stream that was quiet before.
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);
/// Streams kept beyond which those that have been quiet are forgotten.
const SWEEP_AT: usize = 10_000;

/// One for all workers.
pub struct Posts(DefaultKeyedRateLimiter<u64>);

impl Default for Posts {
    fn default() -> Self {
        Self(RateLimiter::keyed(
            Quota::per_second(A_SECOND).allow_burst(AT_ONCE),
        ))
    }
}

impl Posts {
    /// Counts a post for the stream of `session`, which has been found to be one of the hub's.
    ///
    /// # Errors
    /// It is too fast, and when to come back.
    pub fn count(&self, session: &str) -> Result<(), Error> {
        if self.0.len() >= SWEEP_AT {
            self.0.retain_recent();
        }
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        self.0.check_key(&hasher.finish()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let detail = "Too many posts for one stream. Send several commands in one post.";
            let mut error = Error::new(Kind::TooMany, "live.too_many_posts", detail);
            error.retry_after = Some(wait.as_secs() + 1);
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_that_is_posted_to_too_fast_is_held_back_and_no_other() {
        let posts = Posts::default();
        let held: Vec<_> = (0..5_000).filter_map(|_| posts.count("one").err()).collect();
        // as many more get through as come back while this thread is kept waiting
        assert!((1..=4_500).contains(&held.len()), "{}", held.len());
        let error = &held[0];
        assert_eq!((error.kind, error.retry_after), (Kind::TooMany, Some(1)));
        assert!(posts.count("another").is_ok());
    }

    #[test]
    fn what_is_kept_is_bounded_by_those_that_posted_lately() {
        let posts = Posts::default();
        for n in 0..SWEEP_AT {
            posts.count(&n.to_string()).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
        posts.count("one more").unwrap();
        assert!(posts.0.len() < SWEEP_AT, "{}", posts.0.len());
    }
}
