//! The keys that sign tokens: Ed25519, kept sealed, the newest signs, all that are not retired verify.

use super::token::{Claims, ISSUER, Refused, Use};
use crate::Store;
use crate::kernel::error::{Error, Result};
use crate::kernel::seal::random;
use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use time::OffsetDateTime;

/// PKCS#8 version 1 of an Ed25519 seed (RFC 8410 §7); the 32 bytes of the seed follow.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PURPOSE: &[u8] = b"signing key";
/// Another node may have made a key; whoever sends unknown ones must not make us look each time.
const LOOK_AGAIN_SECONDS: i64 = 5;

/// The keys this node knows.
pub struct Keys {
    ring: ArcSwap<Ring>,
    looked: AtomicI64,
}

struct Ring {
    kid: String,
    signing: EncodingKey,
    verifying: HashMap<String, DecodingKey>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads them, or makes the first.
    pub(super) async fn load(store: &Store) -> Result<Self> {
        let ring = match read(store).await? {
            Some(ring) => ring,
            None => make(store).await?,
        };
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            looked: AtomicI64::new(store.clock.now().unix_timestamp()),
        })
    }

    /// Reads them again, unless that was done a moment ago; true when it was done now.
    pub(super) async fn renew(&self, store: &Store) -> Result<bool> {
        let now = store.clock.now().unix_timestamp();
        if self.looked.swap(now, Ordering::AcqRel) + LOOK_AGAIN_SECONDS > now {
            return Ok(false);
        }
        if let Some(ring) = read(store).await? {
            self.ring.store(Arc::new(ring));
        }
        Ok(true)
    }

    /// Signs `claims`.
    pub fn sign(&self, claims: &Claims, r#use: Use) -> Result<String> {
        let ring = self.ring.load();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(r#use.kind().to_owned());
        header.kid = Some(ring.kid.clone());
        jsonwebtoken::encode(&header, claims, &ring.signing).map_err(Error::internal)
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
        let key = ring.verifying.get(&kid).ok_or(Refused::UnknownKey)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.algorithms = vec![Algorithm::EdDSA];
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[r#use.audience()]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_exp = false;
        let token = jsonwebtoken::decode::<Claims>(token, key, &rules).map_err(|_| Refused::Wrong)?;
        if token.claims.exp <= now.unix_timestamp() {
            return Err(Refused::Expired);
        }
        Ok(token.claims)
    }
}

async fn read(store: &Store) -> Result<Option<Ring>> {
    let mut tx = store.db.snapshot().await?;
    let rows = sqlx::query!(
        "SELECT kid, private_key FROM signing_keys WHERE retired_at IS NULL AND algorithm = 'EdDSA' ORDER BY created_at, kid"
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut ring: Option<Ring> = None;
    for row in rows {
        let der = store
            .sealer
            .open_bytes(PURPOSE, &row.private_key)
            .ok_or_else(|| {
                Error::internal(
                    "a signing key cannot be opened: this is not the secret the installation was made with",
                )
            })?;
        let (signing, verifying, _) = pair(&der)?;
        let mut all = ring.map(|ring| ring.verifying).unwrap_or_default();
        all.insert(row.kid.clone(), verifying);
        ring = Some(Ring {
            kid: row.kid,
            signing,
            verifying: all,
        });
    }
    Ok(ring)
}

/// Makes the installation's first key. Of nodes that start together one makes it and the others read it.
async fn make(store: &Store) -> Result<Ring> {
    let mut der = PKCS8.to_vec();
    let mut seed = [0; 32];
    random(&mut seed)?;
    der.extend_from_slice(&seed);
    let (_, _, jwk) = pair(&der)?;
    let kid = jwk.common.key_id.clone().unwrap_or_default();
    let mut tx = store.db.bookkeeping().await?;
    sqlx::query_scalar!(
        r#"SELECT pg_advisory_xact_lock(hashtext('signalbox signing key'))::text AS "locked""#
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO signing_keys (kid, algorithm, private_key, public_jwk, created_at)
         SELECT $1, 'EdDSA', $2, $3, $4 WHERE NOT EXISTS (SELECT FROM signing_keys WHERE retired_at IS NULL)",
        kid,
        store.sealer.seal_bytes(PURPOSE, &der)?,
        serde_json::to_value(&jwk)?,
        store.clock.now(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    read(store)
        .await?
        .ok_or_else(|| Error::internal("there is no signing key"))
}

fn pair(der: &[u8]) -> Result<(EncodingKey, DecodingKey, Jwk)> {
    let signing = EncodingKey::from_ed_der(der);
    let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::EdDSA).map_err(Error::internal)?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(Error::internal)?);
    let verifying = DecodingKey::from_jwk(&jwk).map_err(Error::internal)?;
    Ok((signing, verifying, jwk))
}
