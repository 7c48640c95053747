//! Sealing personal values with the person's own key.
//!
//! Audit, activity and outbox are append-only, so a person's values in them stand sealed: AES-256-GCM under a key
//! derived from the installation's secret and the person's random salt. Erasing a person replaces the salt; what was
//! sealed before can then be opened by nobody, and no row had to change.
//!
//! Invariant: a sealed text is `sealed:1:<person>:<base64url(nonce, ciphertext, tag)>` of the value's JSON.

use super::error::{Error, Result};
use super::id::UserId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

const MARK: &str = "sealed:1:";

/// Fields of a person that are personal: sealed wherever a change is recorded.
pub const PERSONAL: &[&str] = &[
    "email",
    "name",
    "phone",
    "profile_image",
    "employment_equity",
    "metadata",
    "ban_reason",
];

/// Whose key seals a value: the person and the random part of their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    /// The person.
    pub id: UserId,
    /// `users.seal_salt`.
    pub salt: Uuid,
}

/// The installation's secret, from which persons' keys are derived.
#[derive(Clone)]
pub struct Sealer(Arc<hmac::Key>);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// From the 32 bytes of the installation's secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Seals one value.
    pub fn seal(&self, person: Person, value: &Value) -> Result<String> {
        let sealed = self.seal_bytes(&context(person), &serde_json::to_vec(value)?)?;
        Ok(format!("{MARK}{}:{}", person.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Seals those top-level fields of `row` that are personal.
    pub fn seal_row(&self, person: Person, row: &mut Value) -> Result<()> {
        let Some(map) = row.as_object_mut() else {
            return Ok(());
        };
        for field in PERSONAL {
            if let Some(value) = map.get_mut(*field)
                && !value.is_null()
            {
                *value = Value::String(self.seal(person, value)?);
            }
        }
        Ok(())
    }

    /// Opens every sealed text in `value`; what cannot be opened any more (the person was erased) becomes null.
    pub fn open(&self, salts: &HashMap<UserId, Uuid>, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(person) = owner(text) {
                    *value = salts
                        .get(&person)
                        .and_then(|salt| {
                            self.open_text(
                                Person {
                                    id: person,
                                    salt: *salt,
                                },
                                text,
                            )
                        })
                        .unwrap_or(Value::Null);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.open(salts, item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.open(salts, item)),
            _ => {}
        }
    }

    fn open_text(&self, person: Person, text: &str) -> Option<Value> {
        let sealed = URL_SAFE_NO_PAD.decode(text.rsplit(':').next()?).ok()?;
        serde_json::from_slice(&self.open_bytes(&context(person), &sealed)?).ok()
    }

    /// Seals bytes that belong to no person (signing keys, token successors) under a named purpose.
    pub fn seal_bytes(&self, purpose: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        random(&mut nonce)?;
        let mut sealed = plain.to_vec();
        self.key(purpose)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut sealed,
            )
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Sealer::seal_bytes`] sealed for the same purpose; `None` when it is not that.
    pub fn open_bytes(&self, purpose: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self
            .key(purpose)
            .ok()?
            .open_in_place(nonce, Aad::from(purpose), &mut body)
            .ok()?;
        Some(plain.to_vec())
    }

    /// A keyed hash for a named purpose, for values that must be compared and never read (CSRF, cursors).
    pub fn mac(&self, purpose: &str, message: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(message);
        context.sign().as_ref().to_vec()
    }

    fn key(&self, purpose: &[u8]) -> Result<LessSafeKey> {
        let derived = hmac::sign(&self.0, purpose);
        let key =
            UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| Error::internal("no sealing key"))?;
        Ok(LessSafeKey::new(key))
    }
}

/// The persons whose values are sealed somewhere in `value`.
pub fn owners(value: &Value, found: &mut BTreeSet<UserId>) {
    match value {
        Value::String(text) => found.extend(owner(text)),
        Value::Array(items) => items.iter().for_each(|item| owners(item, found)),
        Value::Object(map) => map.values().for_each(|item| owners(item, found)),
        _ => {}
    }
}

/// Fills `bytes` from the system's source of randomness.
pub fn random(bytes: &mut [u8]) -> Result<()> {
    use ring::rand::SecureRandom;
    ring::rand::SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Error::internal("the system gives no randomness"))
}

/// The person whose value stands sealed in `text`; `None` where it is none.
pub fn owner(text: &str) -> Option<UserId> {
    text.strip_prefix(MARK)?.split(':').next()?.parse().ok()
}

fn context(person: Person) -> Vec<u8> {
    [
        b"person".as_slice(),
        person.id.0.as_bytes(),
        person.salt.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn person() -> Person {
        Person {
            id: UserId::new(),
            salt: Uuid::new_v4(),
        }
    }

    #[test]
    fn a_sealed_row_hides_every_personal_field_and_opens_again() {
        let (sealer, person) = (Sealer::new(&[7; 32]), person());
        let row =
            json!({"email": "a@example.com", "name": "Ada", "department": "Ops", "metadata": {"k": [1]}});
        let mut hidden = row.clone();
        sealer.seal_row(person, &mut hidden).unwrap();
        let text = hidden.to_string();
        assert!(!text.contains("example.com") && !text.contains("Ada") && text.contains("Ops"));
        let mut found = BTreeSet::new();
        owners(&hidden, &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [person.id]);
        sealer.open(&HashMap::from([(person.id, person.salt)]), &mut hidden);
        assert_eq!(hidden, row);
    }

    #[test]
    fn after_the_salt_is_replaced_nothing_opens() {
        let (sealer, person) = (Sealer::new(&[7; 32]), person());
        let mut row = json!({"email": "a@example.com"});
        sealer.seal_row(person, &mut row).unwrap();
        sealer.open(&HashMap::from([(person.id, Uuid::new_v4())]), &mut row);
        assert_eq!(row, json!({"email": null}));
    }
}
