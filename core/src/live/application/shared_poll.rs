//! Shared poll: keys that the operator's own server is asked for, once for all who want them. Which keys a user may ask for is
//! said by that server, with a signature.

use super::span;
use super::token::hmac_is;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a signature is good after its end (the protocol's figure).
const GRACE: i64 = 5;
/// Where the namespace does not say otherwise: between two questions, keys in one, and keys of one connection.
const INTERVAL: Duration = Duration::from_secs(10);
const BATCH: usize = 1_000;
const KEYS: usize = 1_000;

/// What holds for the polled channels of a namespace, under the option names of Centrifugo's `shared_poll` section; `endpoint`
/// stands for the proxy that is named there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharedPollOptions {
    /// Who is asked: a URL.
    pub endpoint: String,
    /// Between two questions; zero is [`INTERVAL`].
    #[serde(with = "span")]
    pub refresh_interval: Duration,
    /// Keys in one question; 0 is [`BATCH`].
    pub refresh_batch_size: usize,
    /// Keys that one connection may track in one channel; 0 is [`KEYS`].
    pub max_keys_per_connection: usize,
    /// Whether answers have versions.
    pub mode: PollMode,
    /// The application may say by itself what a key is, over the server API.
    pub publish_enabled: bool,
}

/// What tells an answer from the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PollMode {
    /// Its data.
    #[default]
    Versionless,
    /// Its version, which only grows.
    Versioned,
}

impl SharedPollOptions {
    /// Between two questions.
    pub fn interval(&self) -> Duration {
        if self.refresh_interval.is_zero() {
            INTERVAL
        } else {
            self.refresh_interval
        }
    }

    /// Keys in one question at most.
    pub fn batch(&self) -> usize {
        if self.refresh_batch_size == 0 {
            BATCH
        } else {
            self.refresh_batch_size
        }
    }

    /// Keys of one connection at most.
    pub fn keys(&self) -> usize {
        if self.max_keys_per_connection == 0 {
            KEYS
        } else {
            self.max_keys_per_connection
        }
    }

    /// What cannot be meant, as option and reason.
    pub(super) fn complaints(&self) -> Vec<(&'static str, &'static str)> {
        let is_http = self.endpoint.starts_with("https://") || self.endpoint.starts_with("http://");
        let reason = ("shared_poll.endpoint", "must begin with https:// or http://");
        let mut found: Vec<_> = (!is_http).then_some(reason).into_iter().collect();
        if self.publish_enabled && self.mode == PollMode::Versionless {
            found.push((
                "shared_poll.publish_enabled",
                "needs shared_poll.mode = \"versioned\": what is published could not be told from what is answered",
            ));
        }
        found
    }
}

/// Why a signature does not open its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It did once.
    Expired,
    /// It is none of ours, or for other keys, another channel or another user.
    Invalid,
}

/// Checks signatures of keys.
#[derive(Clone, Debug, Default)]
pub struct Signatures(Vec<SecretString>);

impl Signatures {
    /// Made with one of `secrets`; with none of them there, none is good.
    pub fn new(secrets: Vec<SecretString>) -> Self {
        Self(secrets)
    }

    /// Whether `signature` lets `user` track `keys` in `channel`: `iat:exp:hex`, an HMAC-SHA256 of iat, exp, user, channel and the
    /// hex SHA-256 of the keys joined by NUL, all joined by NUL. Answers when that ends, seconds since 1970; `None` never.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub fn check(
        &self,
        signature: &str,
        keys: &[&str],
        user: &str,
        channel: &str,
        now: i64,
    ) -> Result<Option<i64>, Unsigned> {
        let mut parts = signature.splitn(3, ':');
        let (Some(iat), Some(exp), Some(mac)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Unsigned::Invalid);
        };
        let digest = hex::encode(Sha256::digest(keys.join("\0")));
        let message = [iat, exp, user, channel, &digest].join("\0");
        let mac = hex::decode(mac).map_err(|_| Unsigned::Invalid)?;
        let is_good = |secret: &SecretString| hmac_is(secret.expose_secret(), message.as_bytes(), &mac);
        if !self.0.iter().any(is_good) {
            return Err(Unsigned::Invalid);
        }
        let exp = exp.parse::<i64>().map_err(|_| Unsigned::Invalid)?;
        if exp > 0 && exp.saturating_add(GRACE) < now {
            return Err(Unsigned::Expired);
        }
        Ok((exp > 0).then_some(exp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // made with Python's hmac, of the keys "a" and "b" for ada in poll:1
    const GOOD: &str = "100:2000000000:76670254da869d569454cde4f786396c6b3a5a1dfc64911e5621ce5d0695f9f7";

    fn signatures() -> Signatures {
        Signatures::new(vec!["another".into(), "secret".into()])
    }

    #[test]
    fn a_signature_is_good_for_its_keys_its_user_and_its_channel_until_its_end() {
        let check = |signature: &str, keys: &[&str], user, channel, now| {
            signatures().check(signature, keys, user, channel, now)
        };
        let keys = ["a", "b"];
        assert_eq!(check(GOOD, &keys, "ada", "poll:1", 100), Ok(Some(2_000_000_000)));
        assert_eq!(
            check(GOOD, &keys, "ada", "poll:1", 2_000_000_005),
            Ok(Some(2_000_000_000))
        );
        assert_eq!(
            check(GOOD, &keys, "ada", "poll:1", 2_000_000_006),
            Err(Unsigned::Expired)
        );
        let later = GOOD.replacen("2000000000", "3000000000", 1);
        for (signature, keys, user, channel) in [
            (GOOD, &["a"][..], "ada", "poll:1"),
            (GOOD, &["b", "a"], "ada", "poll:1"),
            (GOOD, &keys, "bob", "poll:1"),
            (GOOD, &keys, "ada", "poll:2"),
            (&later, &keys, "ada", "poll:1"),
            ("", &keys, "ada", "poll:1"),
            ("1:2", &keys, "ada", "poll:1"),
            ("1:2:", &keys, "ada", "poll:1"),
            ("1:2:zz", &keys, "ada", "poll:1"),
        ] {
            assert_eq!(
                check(signature, keys, user, channel, 100),
                Err(Unsigned::Invalid),
                "{signature}"
            );
        }
        let nobody = Signatures::default().check(GOOD, &keys, "ada", "poll:1", 100);
        assert_eq!(nobody, Err(Unsigned::Invalid));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_and_never_panics(signature in "\\PC{0,40}|[0-9]{0,25}:-?[0-9]{0,25}:[0-9a-f]{0,66}") {
            prop_assert!(signatures().check(&signature, &["a"], "ada", "poll:1", 100).is_err());
        }
    }
}
