//! Counting failures, by governor's reckoning (GCRA).

use super::{LONGEST, SWEEP_AT};
use actix_web::http::header::HeaderMap;
use governor::clock::{Clock, QuantaClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use signalbox_core::kernel::error::{Error, Kind};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Failures by key: how many each may still have.
pub(super) struct Failures<K: std::hash::Hash + Eq + Clone> {
    name: &'static str,
    most: u32,
    window: Duration,
    /// What one failure costs.
    each: Duration,
    kept: Kept<K>,
    clock: QuantaClock,
    start: QuantaInstant,
    counting: RateLimiter<K, Kept<K>, QuantaClock, NoOpMiddleware<QuantaInstant>>,
    looking: RateLimiter<K, Looked<K>, QuantaClock, NoOpMiddleware<QuantaInstant>>,
}

impl<K: std::hash::Hash + Eq + Clone> Failures<K> {
    pub(super) fn new(name: &'static str, most: u32, window: Duration) -> Self {
        let most = NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN);
        let each = (window / most.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each)
            .unwrap_or(Quota::per_second(most))
            .allow_burst(most);
        let (kept, clock) = (Kept(Arc::default()), QuantaClock::default());
        Self {
            name,
            most: most.get(),
            window,
            each,
            counting: RateLimiter::new(quota, kept.clone(), clock.clone()),
            looking: RateLimiter::new(quota, Looked(kept.clone()), clock.clone()),
            start: clock.now(),
            kept,
            clock,
        }
    }

    fn now(&self) -> Nanos {
        self.clock.now().duration_since_start(self.start)
    }

    pub(super) fn look(&self, key: &K) -> Result<(), Error> {
        self.looking
            .check_key(key)
            .map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }

    /// Counts one; what it costs, beyond what each does where nothing is left.
    pub(super) fn count(&self, key: &K) -> Result<Duration, Error> {
        self.sweep();
        self.counting
            .check_key(key)
            .map_err(|until| refusal(until.wait_time_from(self.clock.now())))?;
        Ok(self.each + self.grown(key))
    }

    /// Whoever has used up everything waits twice as long for the next attempt than they did for this.
    fn grown(&self, key: &K) -> Duration {
        let (now, mut kept) = (self.now(), self.kept.0.lock());
        let Some(state) = kept.get_mut(key) else {
            return Duration::ZERO;
        };
        let owed = Duration::from(state.full_at.saturating_sub(now));
        if owed + self.each <= self.window {
            state.strikes = if owed * 2 <= self.window { 0 } else { state.strikes };
            return Duration::ZERO;
        }
        let more = self
            .each
            .saturating_mul((1 << state.strikes.min(16)) - 1)
            .min(LONGEST);
        state.strikes = state.strikes.saturating_add(1);
        state.full_at = state.full_at + Nanos::from(more);
        more
    }

    /// Raises what is owed to what another node says.
    pub(super) fn owe(&self, key: &K, owed: Duration) {
        if owed.is_zero() {
            return;
        }
        self.sweep();
        let at = self.now() + Nanos::from(owed.min(LONGEST * 2));
        let mut kept = self.kept.0.lock();
        let state = kept.entry(key.clone()).or_default();
        state.full_at = state.full_at.max(at);
    }

    pub(super) fn take_back(&self, key: &K, cost: Duration) {
        if let Some(state) = self.kept.0.lock().get_mut(key) {
            state.full_at = state.full_at.saturating_sub(Nanos::from(cost));
            state.strikes -= u8::from(cost >= self.each && state.strikes > 0);
        }
    }

    /// The rest of the window's failures, and when all are free again (IETF httpapi-ratelimit-headers).
    pub(super) fn describe(&self, key: &K, headers: &mut HeaderMap) {
        use actix_web::http::header::{HeaderName, HeaderValue};
        let now = self.now();
        let full_at = self.kept.0.lock().get(key).map_or(now, |state| state.full_at);
        let owed = Duration::from(full_at.saturating_sub(now));
        let used = owed.as_nanos().div_ceil(self.each.as_nanos()) as u32;
        let (name, most, window) = (self.name, self.most, self.window.as_secs());
        let left = most.saturating_sub(used);
        let reset = owed.as_secs_f64().ceil() as u64;
        for (header, value) in [
            ("ratelimit-policy", format!("\"{name}\";q={most};w={window}")),
            ("ratelimit", format!("\"{name}\";r={left};t={reset}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(header), value);
            }
        }
    }

    fn sweep(&self) {
        let mut kept = self.kept.0.lock();
        if kept.len() >= SWEEP_AT {
            let now = self.now();
            kept.retain(|_, state| state.full_at > now);
        }
    }
}

fn refusal(wait: Duration) -> Error {
    let seconds = wait.as_secs() + 1;
    let mut error = Error::new(
        Kind::TooMany,
        "auth.too_many_attempts",
        format!("Too many sign-ins have failed. Wait {seconds} s, then try again."),
    );
    error.retry_after = Some(seconds);
    error
}

trait SinceStart {
    fn duration_since_start(self, start: Self) -> Nanos;
}

impl SinceStart for QuantaInstant {
    fn duration_since_start(self, start: Self) -> Nanos {
        governor::clock::Reference::duration_since(&self, start)
    }
}

/// How one key stands, by governor's reckoning.
#[derive(Clone, Copy, Default)]
struct State {
    /// When it is as if it had never failed.
    full_at: Nanos,
    /// Failures since nothing was left.
    strikes: u8,
}

struct Kept<K>(Arc<Mutex<HashMap<K, State>>>);

impl<K> Clone for Kept<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: std::hash::Hash + Eq + Clone> StateStore for Kept<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut kept = self.0.lock();
        let (answer, next) = f(kept.get(key).map(|state| state.full_at))?;
        kept.entry(key.clone()).or_default().full_at = next;
        Ok(answer)
    }
}

/// The same, looked at and left alone.
struct Looked<K>(Kept<K>);

impl<K: std::hash::Hash + Eq + Clone> StateStore for Looked<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        f(self.0.0.lock().get(key).map(|state| state.full_at)).map(|(answer, _)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_on_when_nothing_is_left_waits_longer_each_time() {
        let failures = Failures::new("account", 10, Duration::from_secs(900));
        let key = 1_u8;
        let mut costs: Vec<u64> = (0..10).map(|_| failures.count(&key).unwrap().as_secs()).collect();
        for _ in 0..8 {
            // they wait for as long as they are told to, and fail again
            let owed = failures.kept.0.lock()[&key]
                .full_at
                .saturating_sub(failures.now());
            let wait = Duration::from(owed).saturating_sub(Duration::from_secs(810));
            failures.kept.0.lock().get_mut(&key).unwrap().full_at =
                failures.now() + Nanos::from(Duration::from(owed).saturating_sub(wait));
            costs.push(failures.count(&key).unwrap().as_secs());
        }
        assert_eq!(costs[..10], [90; 10]);
        assert_eq!(costs[10..14], [180, 360, 720, 1_440]);
        assert!(
            costs[14..].iter().all(|cost| *cost <= 90 + LONGEST.as_secs()),
            "{costs:?}"
        );
        assert!(costs.is_sorted());
    }
}
