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

mod device;
mod failures;

pub use device::Device;

use super::super::Problem;
use crate::config::Auth;
use actix_web::http::header::HeaderMap;
use failures::Failures;
use parking_lot::Mutex;
use signalbox_core::bus::Bus;
use signalbox_core::kernel::error::Error;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;
use uuid::Uuid;

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

    /// Somebody within what they have come in with, such as their session. It is counted for itself, wherever they are: nobody who
    /// types its id as an address uses it up.
    pub fn within(id: Uuid) -> Self {
        Self {
            device: Some(Device(id.into_bytes())),
            ..Self::of(&id.to_string(), None, None)
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
    /// From places where the account was not used before; `None`: nobody is counted so.
    strangers: Option<Failures<Account>>,
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
            strangers: Some(Failures::new("strangers", auth.failures_of_strangers, window)),
            familiar: Mutex::default(),
        }
    }

    /// Of asking for links in mail, which are counted whatever comes of them: a few for one mailbox. Whoever has the mailbox is as
    /// strange as all others, so that strangers are not counted: how many links it gets is bounded where they are made.
    pub fn of_links(auth: &Auth) -> Self {
        let window = Duration::from_secs(auth.failure_window_seconds);
        Self {
            places: Failures::new("mailbox", LINKS_PER_MAILBOX, window),
            strangers: None,
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
        if let Some(strangers) = &self.strangers {
            strangers.owe(&trier.account, account);
        }
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
        if let Some(strangers) = self.strangers_of(trier) {
            strangers.look(&trier.account)?;
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

    /// Where this trier is counted as a stranger, if they are one.
    fn strangers_of(&self, trier: &Trier) -> Option<&Failures<Account>> {
        let known = trier.device.is_some() || self.familiar.lock().contains(&(trier.account, trier.address));
        self.strangers.as_ref().filter(|_| !known)
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
        if let Some(strangers) = limits.strangers_of(trier) {
            self.cost[2] = strangers.count(&trier.account)?;
        }
        Ok(())
    }

    /// It did not fail, or not by the fault of whoever tried.
    pub fn take_back(self) {
        let (limits, trier) = (self.limits, &self.trier);
        let [place, address, account] = self.cost;
        limits.places.take_back(&(trier.account, trier.place()), place);
        limits.addresses.take_back(&trier.address, address);
        if let Some(strangers) = &limits.strangers {
            strangers.take_back(&trier.account, account);
        }
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

#[cfg(test)]
mod tests;
