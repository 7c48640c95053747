//! How often signing in may fail, per account and address, and per address; and how often a key of the server API may be
//! wrong, per address.
//!
//! governor counts (GCRA). A sign-in is counted before the password is looked at and taken back when it succeeds, so that
//! failures count exactly, however many come at once, and successes not at all.
//!
//! Invariant: what is kept is bounded: forgotten keys are swept, and an address has one entry per account it tries.

use super::Problem;
use crate::config::Auth;
use actix_web::http::header::HeaderMap;
use governor::clock::{Clock, QuantaClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use signalbox_core::kernel::error::{Error, Kind};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Entries beyond which those that no longer limit anybody are dropped.
const SWEEP_AT: usize = 10_000;

/// Links that are sent to one mailbox, at the wish of one address, in the window of failures.
const LINKS_PER_MAILBOX: u32 = 5;

/// An account as it was typed, hashed, and an address.
type AccountKey = ([u8; 32], Option<IpAddr>);

/// Both limits of signing in.
pub struct LoginLimits {
    accounts: Failures<AccountKey>,
    addresses: Failures<Option<IpAddr>>,
}

/// An attempt that counts as failed until it succeeds.
pub struct Attempt<'a> {
    limits: &'a LoginLimits,
    account: AccountKey,
}

impl LoginLimits {
    /// As the settings say.
    pub fn of(auth: &Auth) -> Self {
        let window = Duration::from_secs(auth.failure_window_seconds);
        Self {
            accounts: Failures::new("account", auth.failures_per_account, window),
            addresses: Failures::new(
                "address",
                auth.failures_per_address_per_minute,
                Duration::from_secs(60),
            ),
        }
    }

    /// Of asking for links in mail, which are counted whatever comes of them: a few for one mailbox.
    pub fn of_links(auth: &Auth) -> Self {
        let window = Duration::from_secs(auth.failure_window_seconds);
        Self {
            accounts: Failures::new("mailbox", LINKS_PER_MAILBOX, window),
            ..Self::of(auth)
        }
    }

    /// Passes when an attempt may be made now, without counting it.
    pub fn admit(&self, email: &str, ip: Option<IpAddr>) -> Result<(), Error> {
        let (account, address) = keys(email, ip);
        self.addresses.look(&address)?;
        self.accounts.look(&account)
    }

    /// Counts an attempt.
    pub fn begin(&self, email: &str, ip: Option<IpAddr>) -> Result<Attempt<'_>, Error> {
        let (account, address) = keys(email, ip);
        self.addresses.count(&address)?;
        if let Err(refused) = self.accounts.count(&account) {
            self.addresses.take_back(&address);
            return Err(refused);
        }
        Ok(Attempt {
            limits: self,
            account,
        })
    }

    /// `error` with the headers of [`LoginLimits::describe`].
    pub fn described(&self, error: Error, email: &str, ip: Option<IpAddr>) -> Problem {
        let mut headers = HeaderMap::new();
        self.describe(email, ip, &mut headers);
        let headers = headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_str().ok()?.to_owned())));
        Problem::WithHeaders(Box::new(error), headers.collect())
    }

    /// `RateLimit-Policy` and `RateLimit` of this account and address.
    pub fn describe(&self, email: &str, ip: Option<IpAddr>, headers: &mut HeaderMap) {
        let (account, _) = keys(email, ip);
        self.accounts.describe(&account, headers);
    }
}

impl Attempt<'_> {
    /// It did not fail, or not by the fault of whoever tried.
    pub fn take_back(self) {
        self.limits.accounts.take_back(&self.account);
        self.limits.addresses.take_back(&self.account.1);
    }
}

fn keys(email: &str, ip: Option<IpAddr>) -> (AccountKey, Option<IpAddr>) {
    use sha2::{Digest, Sha256};
    let account = Sha256::digest(email.trim().to_lowercase().as_bytes()).into();
    let address = address(ip);
    ((account, address), address)
}

/// Of IPv6 the network of one customer counts, since its addresses are free to whoever has it.
fn address(ip: Option<IpAddr>) -> Option<IpAddr> {
    ip.map(|ip| match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    })
}

/// The limit of wrong keys. A right one is never asked about, so that nobody behind the same address can lock an
/// application's servers out.
pub struct KeyLimit(Failures<Option<IpAddr>>);

impl KeyLimit {
    /// As many a minute as sign-ins may fail from one address.
    pub fn of(auth: &Auth) -> Self {
        let (most, window) = (auth.failures_per_address_per_minute, Duration::from_secs(60));
        Self(Failures::new("address", most, window))
    }

    /// Counts a wrong key. Too many: in how many seconds the next one is looked at.
    pub fn count(&self, ip: Option<IpAddr>) -> Result<(), u64> {
        let counted = self.0.count(&address(ip));
        counted.map_err(|refused| refused.retry_after.unwrap_or(1))
    }
}

struct Failures<K: std::hash::Hash + Eq + Clone> {
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
    fn new(name: &'static str, most: u32, window: Duration) -> Self {
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

    fn look(&self, key: &K) -> Result<(), Error> {
        self.looking
            .check_key(key)
            .map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }

    fn count(&self, key: &K) -> Result<(), Error> {
        self.sweep();
        self.counting
            .check_key(key)
            .map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }

    fn take_back(&self, key: &K) {
        let each = Nanos::from(self.each);
        if let Some(at) = self.kept.0.lock().get_mut(key) {
            *at = at.saturating_sub(each);
        }
    }

    /// The rest of the window's failures, and when all are free again (IETF httpapi-ratelimit-headers).
    fn describe(&self, key: &K, headers: &mut HeaderMap) {
        use actix_web::http::header::{HeaderName, HeaderValue};
        let now = Nanos::from(self.clock.now().duration_since_start(self.start));
        let full_at = self.kept.0.lock().get(key).copied().unwrap_or(now);
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
            let now = Nanos::from(self.clock.now().duration_since_start(self.start));
            kept.retain(|_, at| *at > now);
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
    fn duration_since_start(self, start: Self) -> Duration;
}

impl SinceStart for QuantaInstant {
    fn duration_since_start(self, start: Self) -> Duration {
        governor::clock::Reference::duration_since(&self, start).into()
    }
}

/// When each key is as if it had never failed, by governor's reckoning.
struct Kept<K>(Arc<Mutex<HashMap<K, Nanos>>>);

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
        let (answer, next) = f(kept.get(key).copied())?;
        kept.insert(key.clone(), next);
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
        f(self.0.0.lock().get(key).copied()).map(|(answer, _)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_account: u32, per_address: u32) -> LoginLimits {
        LoginLimits {
            accounts: Failures::new("account", per_account, Duration::from_secs(900)),
            addresses: Failures::new("address", per_address, Duration::from_secs(60)),
        }
    }

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn failures_count_and_successes_do_not() {
        let limits = limits(10, 100);
        for _ in 0..50 {
            limits.begin("Ada@example.com", HERE).unwrap().take_back();
        }
        for _ in 0..10 {
            limits.begin("ada@example.com ", HERE).unwrap();
        }
        let refused = limits.admit("ADA@example.com", HERE).unwrap_err();
        assert_eq!(refused.kind, Kind::TooMany);
        assert!((85..=91).contains(&refused.retry_after.unwrap()), "{refused:?}");
        limits.admit("bob@example.com", HERE).unwrap();
        limits.admit("ada@example.com", "10.0.0.1".parse().ok()).unwrap();
    }

    #[test]
    fn an_address_is_limited_over_all_accounts_and_an_ipv6_network_is_one_address() {
        let limits = limits(10, 3);
        for n in 0..3 {
            let ip = format!("2001:db8::{n}").parse().ok();
            limits.begin(&format!("{n}@example.com"), ip).unwrap();
        }
        assert!(
            limits
                .admit("new@example.com", "2001:db8::99".parse().ok())
                .is_err()
        );
        limits
            .admit("new@example.com", "2001:db8:0:1::1".parse().ok())
            .unwrap();
    }

    #[test]
    fn wrong_keys_are_counted_by_address_and_the_wait_is_told() {
        let limit = KeyLimit(Failures::new("address", 3, Duration::from_secs(60)));
        for _ in 0..3 {
            limit.count(HERE).unwrap();
        }
        assert!((19..=21).contains(&limit.count(HERE).unwrap_err()));
        limit.count("10.0.0.1".parse().ok()).unwrap();
        limit.count(None).unwrap();
    }

    #[test]
    fn the_headers_tell_what_is_left() {
        let limits = limits(10, 100);
        limits.begin("ada@example.com", HERE).unwrap();
        let mut headers = HeaderMap::new();
        limits.describe("ada@example.com", HERE, &mut headers);
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"account\";q=10;w=900");
        assert_eq!(headers.get("ratelimit").unwrap(), "\"account\";r=9;t=90");
    }
}
