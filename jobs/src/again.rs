//! Work that nobody waits for and that must not end: a panic in it is counted and said, and it begins again.

use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Between a panic and the next beginning.
const PAUSE: Duration = Duration::from_secs(1);

/// Does `work` until it ends by itself. What it shares with others must be as good after a panic as before: rows and locks
/// that know no poison.
pub(crate) async fn again<F: Future<Output = ()>>(what: &'static str, mut work: impl FnMut() -> F) {
    while AssertUnwindSafe(async { work().await })
        .catch_unwind()
        .await
        .is_err()
    {
        metrics::counter!("signalbox_jobs_panics_total", "what" => what).increment(1);
        tracing::error!(what, "it panicked, and begins again");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_at_its_beginning_or_later_begins_again_until_it_ends() {
        let mut begun = 0;
        again("a test", || {
            begun += 1;
            let n = begun;
            assert_ne!(n, 1, "at the beginning");
            async move {
                tokio::task::yield_now().await;
                assert_ne!(n, 2, "later");
            }
        })
        .await;
        assert_eq!(begun, 3);
    }
}
