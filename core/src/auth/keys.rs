//! The keys that sign tokens: Ed25519 (or, where the operator wants it, P-256), kept sealed.
//!
//! A new key is made known before it signs ([`AHEAD`]), and one that no longer signs verifies until the last token that it
//! signed has run out: so nobody is signed out by a rotation, on whichever node. Each node reads the keys again every
//! [`FRESH`], before it verifies or signs with what it has.
//!
//! Invariant: which algorithm a token is verified by is the key's, never the token's word (RFC 8725 §3.1).

use super::token::{Claims, ISSUER, Refused, Use};
use crate::Store;
use crate::kernel::error::{Error, Result};
use crate::kernel::seal::random;
use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use time::{Duration, OffsetDateTime};

/// PKCS#8 version 1 of an Ed25519 seed (RFC 8410 §7); the 32 bytes of the seed follow.
const ED25519: &[u8] = &[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The same of a P-256 scalar (RFC 5915 in RFC 5958, without the public key); its 32 bytes follow.
const P256: &[u8] = &[
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
    0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04,
    0x20,
];
pub(super) const PURPOSE: &[u8] = b"signing key";
/// Another node may have made a key; whoever sends unknown ones must not make us look each time.
const LOOK_AGAIN_SECONDS: i64 = 5;
/// Keys are read again after this long.
pub const FRESH: Duration = Duration::seconds(10);
/// So long before it signs a new key is known: six times as long as a node may not have looked.
pub const AHEAD: Duration = Duration::seconds(60);

/// How tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDSA,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    ES256,
}

impl Algorithm {
    /// As it stands in the database and in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::EdDSA, Self::ES256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }

    fn of_header(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// The keys this node knows.
pub struct Keys {
    ring: ArcSwap<Ring>,
    looked: AtomicI64,
}

/// In the order they were made.
struct Ring(Vec<Key>);

struct Key {
    kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Jwk,
    active_from: Option<OffsetDateTime>,
    verifies_until: Option<OffsetDateTime>,
}

impl Key {
    fn verifies(&self, now: OffsetDateTime) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads them, or makes the first, for `algorithm`.
    pub(super) async fn load(store: &Store, algorithm: Algorithm) -> Result<Self> {
        let ring = match read(store).await? {
            Some(ring) => ring,
            None => make(store, algorithm).await?,
        };
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            looked: AtomicI64::new(store.clock.now().unix_timestamp()),
        })
    }

    /// Reads them again, unless that was done a moment ago; true when it was done now.
    pub(super) async fn renew(&self, store: &Store) -> Result<bool> {
        self.renew_after(store, LOOK_AGAIN_SECONDS).await
    }

    /// Whether a key of this id verifies at `now`.
    pub(super) fn knows(&self, kid: &str, now: OffsetDateTime) -> bool {
        let ring = self.ring.load();
        ring.0.iter().any(|key| key.kid == kid && key.verifies(now))
    }

    /// Reads them again where that was not done for [`FRESH`]. Without the database what is known is used on.
    pub(super) async fn keep_fresh(&self, store: &Store) {
        if let Err(error) = self.renew_after(store, FRESH.whole_seconds()).await {
            tracing::warn!(%error, "signing keys cannot be read again");
        }
    }

    async fn renew_after(&self, store: &Store, seconds: i64) -> Result<bool> {
        let (now, looked) = (
            store.clock.now().unix_timestamp(),
            self.looked.load(Ordering::Acquire),
        );
        let turn = looked + seconds <= now
            && self
                .looked
                .compare_exchange(looked, now, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if turn && let Some(ring) = read(store).await? {
            self.ring.store(Arc::new(ring));
        }
        Ok(turn)
    }

    /// Signs `claims` with the newest key whose time has come.
    pub fn sign(&self, claims: &Claims, r#use: Use, now: OffsetDateTime) -> Result<String> {
        let ring = self.ring.load();
        let signs = |key: &&Key| key.active_from.is_none_or(|from| from <= now);
        let key = ring.0.iter().rev().find(signs).or(ring.0.first());
        let key = key.ok_or_else(|| Error::internal("there is no signing key"))?;
        let mut header = Header::new(key.algorithm.of_header());
        header.typ = Some(r#use.kind().to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.signing).map_err(Error::internal)
    }

    /// Checks signature, algorithm, type, issuer, audience and expiry, by `now` and not by the machine's clock.
    pub fn verify(&self, token: &str, uses: &[Use], now: OffsetDateTime) -> Result<Claims, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Wrong)?;
        let r#use = *uses
            .iter()
            .find(|r#use| header.typ.as_deref() == Some(r#use.kind()))
            .ok_or(Refused::Wrong)?;
        let kid = header.kid.ok_or(Refused::Wrong)?;
        let ring = self.ring.load();
        let key = ring
            .0
            .iter()
            .find(|key| key.kid == kid)
            .ok_or(Refused::UnknownKey)?;
        if !key.verifies(now) {
            return Err(Refused::Wrong);
        }
        let mut rules = Validation::new(key.algorithm.of_header());
        rules.algorithms = vec![key.algorithm.of_header()];
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[r#use.audience()]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_exp = false;
        let token =
            jsonwebtoken::decode::<Claims>(token, &key.verifying, &rules).map_err(|_| Refused::Wrong)?;
        if token.claims.exp <= now.unix_timestamp() {
            return Err(Refused::Expired);
        }
        Ok(token.claims)
    }

    /// The public halves of all keys that verify, or will (RFC 7517 §5).
    pub(super) fn public(&self, now: OffsetDateTime) -> JwkSet {
        let ring = self.ring.load();
        let keys = ring.0.iter().filter(|key| key.verifies(now));
        JwkSet {
            keys: keys.map(|key| key.jwk.clone()).collect(),
        }
    }
}

async fn read(store: &Store) -> Result<Option<Ring>> {
    let mut tx = store.db.snapshot().await?;
    let rows = sqlx::query!(
        "SELECT kid, algorithm, private_key, active_from, verifies_until FROM signing_keys
         WHERE retired_at IS NULL AND (verifies_until IS NULL OR verifies_until > $1)
         ORDER BY coalesce(active_from, created_at), kid",
        store.clock.now(),
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        // of a newer hub
        let Some(algorithm) = Algorithm::parse(&row.algorithm) else {
            continue;
        };
        let der = store
            .sealer
            .open_bytes(PURPOSE, &row.private_key)
            .ok_or_else(|| {
                Error::internal(
                    "a signing key cannot be opened: this is not the secret the installation was made with",
                )
            })?;
        let (signing, verifying, jwk) = pair(&der, algorithm)?;
        keys.push(Key {
            kid: row.kid,
            algorithm,
            signing,
            verifying,
            jwk,
            active_from: row.active_from,
            verifies_until: row.verifies_until,
        });
    }
    Ok((!keys.is_empty()).then_some(Ring(keys)))
}

/// Makes the installation's first key. Of nodes that start together one makes it and the others read it.
async fn make(store: &Store, algorithm: Algorithm) -> Result<Ring> {
    let new = NewKey::generate(algorithm)?;
    let mut tx = store.db.bookkeeping().await?;
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtext('signalbox signing key'))::text AS "locked""#
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO signing_keys (kid, algorithm, private_key, public_jwk, created_at)
         SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM signing_keys WHERE retired_at IS NULL)",
        new.kid,
        algorithm.as_str(),
        store.sealer.seal_bytes(PURPOSE, &new.der)?,
        serde_json::to_value(&new.jwk)?,
        store.clock.now(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    read(store)
        .await?
        .ok_or_else(|| Error::internal("there is no signing key"))
}

/// A key that nobody knows yet.
pub(super) struct NewKey {
    pub(super) kid: String,
    /// PKCS#8, in the clear.
    pub(super) der: Vec<u8>,
    pub(super) jwk: Jwk,
}

impl NewKey {
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self> {
        let mut der = match algorithm {
            Algorithm::EdDSA => ED25519,
            Algorithm::ES256 => P256,
        }
        .to_vec();
        let mut secret = [0; 32];
        random(&mut secret)?;
        der.extend_from_slice(&secret);
        // of 2^32 scalars one is none of the curve; then this fails and is asked for again
        let (_, _, jwk) = pair(&der, algorithm)?;
        let kid = jwk.common.key_id.clone().unwrap_or_default();
        Ok(Self { kid, der, jwk })
    }
}

fn pair(der: &[u8], algorithm: Algorithm) -> Result<(EncodingKey, DecodingKey, Jwk)> {
    let signing = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_der(der),
        Algorithm::ES256 => EncodingKey::from_ec_der(der),
    };
    let mut jwk = Jwk::from_encoding_key(&signing, algorithm.of_header()).map_err(Error::internal)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let verifying = DecodingKey::from_jwk(&jwk).map_err(Error::internal)?;
    Ok((signing, verifying, jwk))
}
