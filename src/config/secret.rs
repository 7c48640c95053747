//! Secrets as settings: empty means not set, and printing says only whether there is one.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer};

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
pub(super) fn serialize<S: Serializer>(value: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if value.is_some() { "(set, not shown)" } else { "" })
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    let secret = SecretString::deserialize(from)?;
    Ok(if secret.expose_secret().is_empty() {
        None
    } else {
        Some(secret)
    })
}

/// Several. Empty ones are none at all: an empty key must let nobody in.
pub(super) mod list {
    use super::{Deserialize, Deserializer, ExposeSecret, SecretString, Serializer};

    pub fn serialize<S: Serializer>(values: &[SecretString], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|_| "(set, not shown)"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SecretString>, D::Error> {
        let mut secrets = Vec::<SecretString>::deserialize(from)?;
        secrets.retain(|secret| !secret.expose_secret().is_empty());
        Ok(secrets)
    }
}
