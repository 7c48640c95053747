//! How often signing in may fail: by account and place, by address, and by account from strange places; and how often a key of
//! the server API may be wrong, by address.
//!
//! governor counts (GCRA). A sign-in is counted before the password is looked at and taken back when it succeeds, so that
//! failures count exactly, however many come at once, and successes not at all. Whoever goes on when nothing is left waits
//! twice as long each time, [`LONGEST`] at most. Nodes tell each other of failures through Redis; each counts alone without it.
//!
//! **Strangers lock nobody out.** A browser that somebody has signed in with shows a cookie that says so ([`Device`]): it is
//! counted for itself, whatever others do, behind the same address too. Somebody at an address that the account was used from
//! in the last month is not counted with the strangers who try that account from everywhere else.
//!
//! Invariant: what is kept is bounded: forgotten keys are swept, and an address has one entry per account it tries.

use super::super::Problem;
use crate::config::Auth;
use actix_web::http::header::HeaderMap;
use governor::clock::{Clock, QuantaClock, QuantaInstant};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use signalbox_core::bus::Bus;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::seal::{Sealer, random};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Entries beyond which those that no longer limit anybody are dropped.
const SWEEP_AT: usize = 10_000;
/// Nobody waits for longer after a failure.
const LONGEST: Duration = Duration::from_hours(1);
/// For how long an address that an account was used from is none of a stranger.
const FAMILIAR_SECONDS: u64 = 30 * 86_400;
/// Redis that takes longer is away. Checking a password takes a good part of that anyway.
const WITHIN: Duration = Duration::from_millis(500);

/// Links that are sent to one mailbox, at the wish of one address, in the window of failures.
const LINKS_PER_MAILBOX: u32 = 5;

/// An account as it was typed, hashed.
type Account = [u8; 32];

/// From where an account is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Address(Option<IpAddr>),
    Device([u8; 16]),
}

/// A browser that somebody has signed in with before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device([u8; 16]);

impl Device {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, Error> {
        let mut id = [0; 16];
        random(&mut id)?;
        Ok(Self(id))
    }

    /// What the browser keeps: good for this account alone.
    pub fn shown(self, sealer: &Sealer, email: &str) -> String {
        format!(
            "{}.{}",
            hex::encode(self.0),
            hex::encode(mac(sealer, email, self.0))
        )
    }

    /// The device that a browser shows, if it is one of this account.
    pub fn read(sealer: &Sealer, email: &str, shown: &str) -> Option<Self> {
        let (id, proof) = shown.split_once('.')?;
        let id: [u8; 16] = hex::decode(id).ok()?.try_into().ok()?;
        let proof = hex::decode(proof).ok()?;
        bool::from(mac(sealer, email, id).ct_eq(&proof)).then_some(Self(id))
    }
}

fn mac(sealer: &Sealer, email: &str, id: [u8; 16]) -> Vec<u8> {
    sealer.mac("device", &[account(email).as_slice(), &id].concat())
}

fn account(email: &str) -> Account {
    use sha2::{Digest, Sha256};
    Sha256::digest(email.trim().to_lowercase().as_bytes()).into()
}

/// Who tries to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Trier {
    account: Account,
    address: Option<IpAddr>,
    device: Option<Device>,
}

impl Trier {
    /// Somebody who gives `email`, from that address and with that device.
    pub fn of(email: &str, ip: Option<IpAddr>, device: Option<Device>) -> Self {
        Self {
            account: account(email),
            address: address(ip),
            device,
        }
    }

    fn place(&self) -> Place {
        let device = self.device.map(|device| Place::Device(device.0));
        device.unwrap_or(Place::Address(self.address))
    }

    /// What it is called in Redis.
    fn names(&self) -> [String; 3] {
        let account = hex::encode(self.account);
        let place = match self.place() {
            Place::Device(id) => hex::encode(id),
            Place::Address(address) => named(address),
        };
        [
            format!("place:{account}:{place}"),
            format!("address:{}", named(self.address)),
            format!("account:{account}"),
        ]
    }
}

fn named(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// The limits of signing in.
pub struct LoginLimits {
    places: Failures<(Account, Place)>,
    addresses: Failures<Option<IpAddr>>,
    /// From places where the account was not used before.
    strangers: Failures<Account>,
    /// Addresses that accounts were used from.
    familiar: Mutex<HashSet<(Account, Option<IpAddr>)>>,
}

/// An attempt that counts as failed until it succeeds.
#[must_use = "an attempt that is dropped has failed, and other nodes do not hear of it"]
pub struct Attempt<'a> {
    limits: &'a LoginLimits,
    trier: Trier,
    /// What it cost by place, address and account.
    cost: [Duration; 3],
}

impl LoginLimits {
    /// As the settings say.
    pub fn of(auth: &Auth) -> Self {
        let window = Duration::from_secs(auth.failure_window_seconds);
        Self {
            places: Failures::new("account", auth.failures_per_account, window),
            addresses: Failures::new(
                "address",
                auth.failures_per_address_per_minute,
                Duration::from_secs(60),
            ),
            strangers: Failures::new("strangers", auth.failures_of_strangers, window),
            familiar: Mutex::default(),
        }
    }

    /// Of asking for links in mail, which are counted whatever comes of them: a few for one mailbox.
    pub fn of_links(auth: &Auth) -> Self {
        let window = Duration::from_secs(auth.failure_window_seconds);
        Self {
            places: Failures::new("mailbox", LINKS_PER_MAILBOX, window),
            ..Self::of(auth)
        }
    }

    /// Learns what other nodes know of this trier.
    pub async fn hear(&self, bus: &Bus, trier: &Trier) {
        let names = trier.names();
        let asking = async {
            let [place, address, account] = &names;
            let familiar = format!("{account}:{}", named(trier.address));
            tokio::try_join!(
                bus.owed("logins", place),
                bus.owed("logins", address),
                bus.owed("logins", account),
                bus.is_marked("familiar", &familiar),
            )
        };
        let Ok(Ok((place, address, account, familiar))) = tokio::time::timeout(WITHIN, asking).await else {
            return;
        };
        self.places.owe(&(trier.account, trier.place()), place);
        self.addresses.owe(&trier.address, address);
        self.strangers.owe(&trier.account, account);
        if familiar {
            self.note_familiar(trier);
        }
    }

    /// Passes when an attempt may be made now, without counting it.
    ///
    /// # Errors
    /// `auth.too_many_attempts`, with the seconds to wait.
    pub fn admit(&self, trier: &Trier) -> Result<(), Error> {
        if trier.device.is_none() {
            self.addresses.look(&trier.address)?;
        }
        self.places.look(&(trier.account, trier.place()))?;
        if self.is_strange(trier) {
            self.strangers.look(&trier.account)?;
        }
        Ok(())
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// As [`LoginLimits::admit`].
    pub fn begin(&self, trier: &Trier) -> Result<Attempt<'_>, Error> {
        let mut attempt = Attempt {
            limits: self,
            trier: *trier,
            cost: [Duration::ZERO; 3],
        };
        match attempt.count() {
            Ok(()) => Ok(attempt),
            Err(refused) => {
                attempt.take_back();
                Err(refused)
            }
        }
    }

    /// `error` with the headers of [`LoginLimits::describe`].
    pub fn described(&self, error: Error, trier: &Trier) -> Problem {
        let mut headers = HeaderMap::new();
        self.describe(trier, &mut headers);
        let headers = headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_str().ok()?.to_owned())));
        Problem::WithHeaders(Box::new(error), headers.collect())
    }

    /// `RateLimit-Policy` and `RateLimit` of this account and place.
    pub fn describe(&self, trier: &Trier, headers: &mut HeaderMap) {
        self.places.describe(&(trier.account, trier.place()), headers);
    }

    fn is_strange(&self, trier: &Trier) -> bool {
        trier.device.is_none() && !self.familiar.lock().contains(&(trier.account, trier.address))
    }

    fn note_familiar(&self, trier: &Trier) {
        let mut familiar = self.familiar.lock();
        if familiar.len() >= SWEEP_AT {
            // Redis knows them still
            familiar.clear();
        }
        familiar.insert((trier.account, trier.address));
    }
}

impl Attempt<'_> {
    fn count(&mut self) -> Result<(), Error> {
        let (limits, trier) = (self.limits, &self.trier);
        if trier.device.is_none() {
            self.cost[1] = limits.addresses.count(&trier.address)?;
        }
        self.cost[0] = limits.places.count(&(trier.account, trier.place()))?;
        if limits.is_strange(trier) {
            self.cost[2] = limits.strangers.count(&trier.account)?;
        }
        Ok(())
    }

    /// It did not fail, or not by the fault of whoever tried.
    pub fn take_back(self) {
        let (limits, trier) = (self.limits, &self.trier);
        let [place, address, account] = self.cost;
        limits.places.take_back(&(trier.account, trier.place()), place);
        limits.addresses.take_back(&trier.address, address);
        limits.strangers.take_back(&trier.account, account);
    }

    /// The password was right: from now on this address is none of a stranger.
    pub async fn succeeded(self, bus: &Bus) {
        let trier = self.trier;
        self.limits.note_familiar(&trier);
        self.take_back();
        let [_, _, account] = trier.names();
        let familiar = format!("{account}:{}", named(trier.address));
        // without Redis this node alone knows
        let marking = bus.mark("familiar", &familiar, FAMILIAR_SECONDS);
        let _ = tokio::time::timeout(WITHIN, marking).await;
    }

    /// It failed: other nodes are told.
    pub async fn failed(self, bus: &Bus) {
        let names = self.trier.names();
        let telling = names.iter().zip(self.cost).filter(|(_, cost)| !cost.is_zero());
        let telling = telling.map(|(name, cost)| bus.owe("logins", name, cost, LONGEST * 2));
        // without Redis each node counts alone
        let _ = tokio::time::timeout(WITHIN, futures::future::join_all(telling)).await;
    }
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
        counted
            .map(drop)
            .map_err(|refused| refused.retry_after.unwrap_or(1))
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

    fn now(&self) -> Nanos {
        self.clock.now().duration_since_start(self.start)
    }

    fn look(&self, key: &K) -> Result<(), Error> {
        self.looking
            .check_key(key)
            .map_err(|until| refusal(until.wait_time_from(self.clock.now())))
    }

    /// Counts one; what it costs, beyond what each does where nothing is left.
    fn count(&self, key: &K) -> Result<Duration, Error> {
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
    fn owe(&self, key: &K, owed: Duration) {
        if owed.is_zero() {
            return;
        }
        self.sweep();
        let at = self.now() + Nanos::from(owed.min(LONGEST * 2));
        let mut kept = self.kept.0.lock();
        let state = kept.entry(key.clone()).or_default();
        state.full_at = state.full_at.max(at);
    }

    fn take_back(&self, key: &K, cost: Duration) {
        if let Some(state) = self.kept.0.lock().get_mut(key) {
            state.full_at = state.full_at.saturating_sub(Nanos::from(cost));
            state.strikes -= u8::from(cost >= self.each && state.strikes > 0);
        }
    }

    /// The rest of the window's failures, and when all are free again (IETF httpapi-ratelimit-headers).
    fn describe(&self, key: &K, headers: &mut HeaderMap) {
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
    use proptest::prelude::*;

    fn limits(per_account: u32, per_address: u32, strangers: u32) -> LoginLimits {
        LoginLimits {
            places: Failures::new("account", per_account, Duration::from_secs(900)),
            addresses: Failures::new("address", per_address, Duration::from_secs(60)),
            strangers: Failures::new("strangers", strangers, Duration::from_secs(900)),
            familiar: Mutex::default(),
        }
    }

    fn from(email: &str, ip: &str) -> Trier {
        Trier::of(email, ip.parse().ok(), None)
    }

    fn ada() -> Trier {
        from("ada@example.com", "127.0.0.1")
    }

    fn fail(limits: &LoginLimits, trier: &Trier) -> Result<(), u64> {
        let attempt = limits.begin(trier);
        attempt.map(drop).map_err(|refused| refused.retry_after.unwrap())
    }

    #[test]
    fn failures_count_and_successes_do_not() {
        let limits = limits(10, 100, 1_000);
        for _ in 0..50 {
            limits
                .begin(&from("Ada@example.com", "127.0.0.1"))
                .unwrap()
                .take_back();
        }
        for _ in 0..10 {
            fail(&limits, &from("ada@example.com ", "127.0.0.1")).unwrap();
        }
        let refused = limits.admit(&from("ADA@example.com", "127.0.0.1")).unwrap_err();
        assert_eq!(refused.kind, Kind::TooMany);
        assert!((85..=91).contains(&refused.retry_after.unwrap()), "{refused:?}");
        limits.admit(&from("bob@example.com", "127.0.0.1")).unwrap();
        limits.admit(&from("ada@example.com", "10.0.0.1")).unwrap();
    }

    #[test]
    fn an_address_is_limited_over_all_accounts_and_an_ipv6_network_is_one_address() {
        let limits = limits(10, 3, 1_000);
        for n in 0..3 {
            fail(
                &limits,
                &from(&format!("{n}@example.com"), &format!("2001:db8::{n}")),
            )
            .unwrap();
        }
        assert!(limits.admit(&from("new@example.com", "2001:db8::99")).is_err());
        limits.admit(&from("new@example.com", "2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn strangers_who_try_an_account_from_everywhere_keep_only_strangers_out() {
        let limits = limits(10, 100, 20);
        let (home, device) = (from("ada@example.com", "192.0.2.1"), Device([7; 16]));
        limits.note_familiar(&home);
        for n in 0..20 {
            fail(&limits, &from("ada@example.com", &format!("10.0.0.{n}"))).unwrap();
        }
        assert!(
            limits.admit(&from("ada@example.com", "10.0.1.1")).is_err(),
            "a stranger"
        );
        limits.admit(&home).unwrap();
        limits.admit(&from("bob@example.com", "10.0.1.1")).unwrap();
        let travelling = Trier::of("ada@example.com", "10.0.1.1".parse().ok(), Some(device));
        limits.admit(&travelling).unwrap();
        // behind the very address that the strangers come from, too
        for _ in 0..100 {
            let _ = fail(&limits, &from("bob@example.com", "10.0.1.1"));
            let _ = fail(&limits, &from("ada@example.com", "10.0.1.1"));
        }
        limits.admit(&travelling).unwrap();
        for _ in 0..10 {
            fail(&limits, &travelling).unwrap();
        }
        assert!(
            limits.admit(&travelling).is_err(),
            "a device is no way around its own limit"
        );
    }

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

    #[test]
    fn wrong_keys_are_counted_by_address_and_the_wait_is_told() {
        let limit = KeyLimit(Failures::new("address", 3, Duration::from_secs(60)));
        let here = "127.0.0.1".parse().ok();
        for _ in 0..3 {
            limit.count(here).unwrap();
        }
        assert!((19..=21).contains(&limit.count(here).unwrap_err()));
        limit.count("10.0.0.1".parse().ok()).unwrap();
        limit.count(None).unwrap();
    }

    #[test]
    fn the_headers_tell_what_is_left() {
        let limits = limits(10, 100, 1_000);
        fail(&limits, &ada()).unwrap();
        let mut headers = HeaderMap::new();
        limits.describe(&ada(), &mut headers);
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"account\";q=10;w=900");
        assert_eq!(headers.get("ratelimit").unwrap(), "\"account\";r=9;t=90");
    }

    #[test]
    fn a_device_is_one_of_the_account_it_was_made_for() {
        let (sealer, device) = (Sealer::new(&[1; 32]), Device::new().unwrap());
        let shown = device.shown(&sealer, "Ada@example.com");
        assert_eq!(Device::read(&sealer, "ada@example.com ", &shown), Some(device));
        assert_eq!(Device::read(&sealer, "bob@example.com", &shown), None);
        assert_eq!(
            Device::read(&Sealer::new(&[2; 32]), "ada@example.com", &shown),
            None
        );
    }

    proptest! {
        #[test]
        fn whatever_a_browser_shows_is_read_without_a_panic(shown in ".{0,200}") {
            prop_assert!(Device::read(&Sealer::new(&[1; 32]), "ada@example.com", &shown).is_none());
        }
    }
}
