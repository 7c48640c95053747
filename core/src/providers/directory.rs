//! What this node knows of providers: their configuration, their keys, and tokens of external issuers that it has checked.
//!
//! Invariant: whatever is sent to the hub, a provider is asked for its configuration or its keys once in a few seconds at most.
//! Invariant: all of it is bounded, and nothing of it is believed for longer than it may be.

use super::discovery::{self, Metadata};
use super::external::Verified;
use super::model::{Provider, Tested};
use crate::Store;
use crate::bus::control::RevocationKind;
use crate::kernel::error::{Error, Kind, Result};
use crate::live::application::token::jwks::Jwks;
use crate::outbound::Outbound;
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A configuration is a few kilobytes, whoever's it is; and so is a key set.
const LONGEST: usize = 262_144;
/// Providers that a node knows at a time.
const KNOWN: u64 = 1_000;
/// Tokens of external issuers that a node has checked.
const CHECKED: u64 = 20_000;
/// A configuration is read again after this long.
const FRESH: Duration = Duration::from_mins(10);
/// Between two questions for a configuration, when the first was not answered.
const PAUSE: Duration = Duration::from_secs(5);

/// Shared by all workers of the process.
pub struct Directory {
    pub(super) store: Store,
    pub(super) outbound: Outbound,
    metadata: moka::future::Cache<String, Arc<Asked>>,
    key_sets: Cache<String, Arc<Jwks>>,
    /// By the token's SHA-256.
    checked: Cache<[u8; 32], Verified>,
    /// Counts what was heard that may make a checked token another's.
    heard: Arc<AtomicU64>,
}

struct Asked {
    at: Instant,
    answer: Result<Arc<Metadata>, String>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

impl Directory {
    /// One that knows nothing yet, and hears of changes of providers.
    ///
    /// # Errors
    /// This machine has no usable certificates.
    pub fn start(store: &Store) -> Result<Self> {
        let checked = Cache::builder()
            .max_capacity(CHECKED)
            .time_to_live(Duration::from_hours(1))
            .build();
        let heard = Arc::new(AtomicU64::new(0));
        let (kept, counted): (Cache<[u8; 32], Verified>, _) = (checked.clone(), Arc::clone(&heard));
        store.signals.on_revoked(move |revocation| {
            if revocation.kind == RevocationKind::Organization {
                counted.fetch_add(1, Ordering::AcqRel);
                kept.invalidate_all();
            }
        });
        Ok(Self {
            store: store.clone(),
            outbound: Outbound::straight()?,
            metadata: moka::future::Cache::builder().max_capacity(KNOWN).build(),
            key_sets: Cache::new(KNOWN),
            checked,
            heard,
        })
    }

    /// A provider's configuration, asked for where it is not known or has aged.
    pub(super) async fn metadata(&self, provider: &Provider) -> Result<Arc<Metadata>> {
        let asked = self.asked(&provider.issuer).await;
        asked.answer.clone().map_err(|why| {
            tracing::warn!(provider = %provider.id, why, "a provider's configuration cannot be had");
            unreachable_now()
        })
    }

    async fn asked(&self, issuer: &str) -> Arc<Asked> {
        if let Some(asked) = self.metadata.get(issuer).await {
            let good_for = if asked.answer.is_ok() { FRESH } else { PAUSE };
            if asked.at.elapsed() < good_for {
                return asked;
            }
            self.metadata.invalidate(issuer).await;
        }
        let asking = async {
            Arc::new(Asked {
                answer: self.ask(issuer).await.map(Arc::new),
                at: Instant::now(),
            })
        };
        self.metadata.get_with(issuer.to_owned(), asking).await
    }

    async fn ask(&self, issuer: &str) -> Result<Metadata, String> {
        let document = self.outbound.get(&discovery::place(issuer), LONGEST).await;
        let document = document.map_err(|error| reason(&error))?;
        discovery::read(issuer, &document)
    }

    /// The keys that an address serves.
    pub(super) fn keys(&self, url: &str) -> Arc<Jwks> {
        let new = || Arc::new(Jwks::at(url, self.outbound.clone()));
        self.key_sets.get_with(url.to_owned(), new)
    }

    /// Whether a provider answers as it should, asked now.
    pub(super) async fn test(&self, provider: &Provider) -> Tested {
        match self.tested(provider).await {
            Ok(0) => refused("It answers, but none of its keys is one that the hub can use.".to_owned()),
            Ok(keys) => Tested {
                works: true,
                detail: "It answers as it should.".to_owned(),
                keys,
            },
            Err(why) => refused(why),
        }
    }

    async fn tested(&self, provider: &Provider) -> Result<usize, String> {
        if let Some(url) = &provider.jwks_url {
            return self.count_keys(url).await;
        }
        // what was answered before says nothing about now
        self.metadata.invalidate(&provider.issuer).await;
        let metadata = self.ask(&provider.issuer).await?;
        self.count_keys(&metadata.jwks_uri).await
    }

    async fn count_keys(&self, url: &str) -> Result<usize, String> {
        #[derive(serde::Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document = self.outbound.get(url, LONGEST).await;
        let document = document.map_err(|error| format!("Its keys: {}", reason(&error)))?;
        let document: Document = serde_json::from_slice(&document)
            .map_err(|error| format!("Its keys cannot be read: {error}."))?;
        let usable = |key: &serde_json::Value| {
            let key = serde_json::from_value::<Jwk>(key.clone()).ok()?;
            DecodingKey::from_jwk(&key).ok()
        };
        Ok(document.keys.iter().filter_map(usable).count())
    }

    /// A token that was checked, and may still be believed.
    pub(super) fn checked(&self, hash: &[u8; 32]) -> Option<Verified> {
        self.checked.get(hash)
    }

    /// To be taken before a token is checked, and given to [`Self::keep`].
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Keeps a checked token, unless something was heard meanwhile.
    pub(super) fn keep(&self, hash: [u8; 32], verified: &Verified, heard_before: u64) {
        self.checked.insert(hash, verified.clone());
        if self.heard() != heard_before {
            self.checked.invalidate(&hash);
        }
    }
}

fn refused(detail: String) -> Tested {
    Tested {
        works: false,
        detail,
        keys: 0,
    }
}

/// What went wrong, for whoever set the provider up.
fn reason(error: &Error) -> String {
    let cause = error.source.as_ref().map(|cause| full(cause.as_ref()));
    format!(
        "It cannot be reached: {}.",
        cause.unwrap_or_else(|| error.detail.clone())
    )
}

/// With what lies beneath: the first line alone says "error sending request".
fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        text = format!("{text}: {cause}");
        beneath = cause.source();
    }
    text.chars().take(500).collect()
}

pub(super) fn unreachable_now() -> Error {
    let mut error = Error::new(
        Kind::Unavailable,
        "providers.unreachable",
        "The provider does not answer as it should. Try again in a moment, or sign in another way.",
    );
    error.retry_after = Some(5);
    error
}
