//! A key set (RFC 7517) at an address: fetched when it is first needed, kept, and fetched again when it has aged or a token
//! names a key that is not in it.
//!
//! Invariant: tokens can make the hub ask once in [`Pace::pause`], whatever they name and however many come at once.
//! Invariant: a set outlives an outage of whoever serves it for [`Pace::stale`], and no longer.

use super::Refused;
use crate::kernel::error::Result;
use crate::outbound::Outbound;
use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A key set is a few kilobytes, whoever's it is.
const LONGEST: usize = 262_144;
/// Keys of one set at most: each is tried where a token does not say which.
const MOST_KEYS: usize = 32;

/// How long what is held, and how often it may be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A set younger than this is taken as it is.
    pub(crate) fresh: Duration,
    /// One older than this is not believed any more.
    pub(crate) stale: Duration,
    /// Between two questions at least, answered or not.
    pub(crate) pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            fresh: Duration::from_mins(10),
            stale: Duration::from_hours(24),
            pause: Duration::from_secs(1),
        }
    }
}

/// The key set of one address.
pub(crate) struct Jwks {
    url: String,
    outbound: Outbound,
    pace: Pace,
    set: ArcSwapOption<Set>,
    /// When was last asked, and whether that was answered. Held while asking, so that all wait for one answer.
    asked: Mutex<Option<(Instant, bool)>>,
}

struct Set {
    keys: Vec<(Jwk, DecodingKey)>,
    at: Instant,
}

impl Jwks {
    /// At `url`, to be asked for by `outbound`. Nothing is fetched yet.
    pub(crate) fn at(url: &str, outbound: Outbound) -> Self {
        Self {
            url: url.to_owned(),
            outbound,
            pace: Pace::default(),
            set: ArcSwapOption::empty(),
            asked: Mutex::new(None),
        }
    }

    /// Asked for at another pace.
    #[cfg(test)]
    pub(crate) fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Keys that a token of `algorithm` may be checked with: the one it names, or all of its kind. None is an answer.
    pub(crate) async fn of(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> std::result::Result<Vec<DecodingKey>, Refused> {
        self.found(kid, algorithm).await.map(|(found, _)| found)
    }

    /// As [`Jwks::of`]; and whether the set was read after the question, so that a key which is not there is none.
    pub(crate) async fn found(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> std::result::Result<(Vec<DecodingKey>, bool), Refused> {
        if let Some(set) = self.younger_than(self.pace.fresh) {
            let found = set.of(kid, algorithm);
            if !found.is_empty() {
                return Ok((found, false));
            }
        }
        let came = Instant::now();
        let answered = self.ask().await;
        let set = self.younger_than(self.pace.stale).ok_or(Refused::Unavailable)?;
        let found = set.of(kid, algorithm);
        if found.is_empty() && !answered {
            // it may be a new key
            return Err(Refused::Unavailable);
        }
        Ok((found, set.at >= came))
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<Set>> {
        self.set.load_full().filter(|set| set.at.elapsed() < age)
    }

    /// Asks, unless that was done a moment ago. Whether the set is now as new as it can be.
    async fn ask(&self) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((at, answered)) = *asked
            && at.elapsed() < self.pace.pause
        {
            return answered;
        }
        let at = Instant::now();
        // should this be given up half way, it counts as not answered
        *asked = Some((at, false));
        match self.fetch().await {
            Ok(keys) => {
                self.set.store(Some(Arc::new(Set { keys, at })));
                *asked = Some((Instant::now(), true));
                true
            }
            Err(error) => {
                tracing::warn!(%error, cause = error.source.as_deref().map(tracing::field::display), "a key set cannot be fetched");
                *asked = Some((Instant::now(), false));
                false
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<(Jwk, DecodingKey)>> {
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(&self.outbound.get(&self.url, LONGEST).await?)?;
        // a key of a kind that is not known here is no reason to do without the others
        let keys = document.keys.into_iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            let usable = DecodingKey::from_jwk(&key).ok()?;
            is_public(&key).then_some((key, usable))
        });
        Ok(keys.take(MOST_KEYS).collect())
    }
}

impl Set {
    fn of(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &Jwk, usable: &DecodingKey| {
            let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
            let declared = key.common.key_algorithm.map(|declared| declared.to_string());
            named
                && usable.family() == algorithm.family()
                && declared.is_none_or(|declared| declared == format!("{algorithm:?}"))
        };
        let found = self.keys.iter().filter(|(key, usable)| fits(key, usable));
        found.map(|(_, usable)| usable.clone()).collect()
    }
}

/// For signatures, and nothing that a stranger could sign with as well.
fn is_public(key: &Jwk) -> bool {
    let for_signatures = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    for_signatures && !matches!(key.algorithm, AlgorithmParameters::OctetKey(_))
}
