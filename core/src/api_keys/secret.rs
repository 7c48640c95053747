//! What a key looks like: `sbx_live_` + 43 characters + 6 characters.
//!
//! The prefix names product and environment, so that people and secret scanners know what they have found. The 43 are 32
//! random bytes in base 62, the 6 a checksum over all before them: what was mistyped or cut off is refused without a look
//! into the database.
//!
//! Only a SHA-256 of the whole is kept. That is right for a secret of 256 random bits, where it would be wrong for a
//! password: whoever has stolen the hashes must try 2^256 secrets, and no slower hash adds anything to that; but a slow one
//! would cost every request of a program a tenth of a second.

use crate::kernel::error::Result;
use crate::kernel::seal::random;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// What every key begins with.
pub const PRODUCT: &str = "sbx_";

/// Of 32 bytes in base 62: 62^43 is the first power beyond 2^256.
const BODY: usize = 43;
/// Of 4 bytes in base 62.
const CHECKSUM: usize = 6;
/// Characters of the body that are shown in lists: 24 of 256 bits.
const SHOWN: usize = 4;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a key.
pub type Hash = [u8; 32];

/// Why something that begins like a key is none of this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Mistyped, cut off, or made up.
    #[error("this is not a whole API key: copy it again")]
    Garbled,
    /// Of another environment, such as a test key on the live hub.
    #[error("this API key is of another environment than this hub")]
    Foreign,
}

/// Whether `text` is meant to be a key, however wrong it is.
pub fn looks_like(text: &str) -> bool {
    text.starts_with(PRODUCT)
}

/// Makes a key of `environment`.
pub fn generate(environment: &str) -> Result<SecretString> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Ok(of(environment, &bytes).into())
}

/// The hash of a whole key of `environment`.
pub fn read(text: &str, environment: &str) -> Result<Hash, NotAKey> {
    let rest = text.strip_prefix(PRODUCT).ok_or(NotAKey::Garbled)?;
    let (of, rest) = rest.split_once('_').ok_or(NotAKey::Garbled)?;
    let whole = rest.len() == BODY + CHECKSUM && rest.bytes().all(|byte| DIGITS.contains(&byte));
    if !whole {
        return Err(NotAKey::Garbled);
    }
    let (said, sum) = text.split_at(text.len() - CHECKSUM);
    if checksum(said) != sum {
        return Err(NotAKey::Garbled);
    }
    if of != environment {
        return Err(NotAKey::Foreign);
    }
    Ok(Sha256::digest(text.as_bytes()).into())
}

/// The hash of a key that was just made.
pub(super) fn hash(secret: &SecretString) -> Hash {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

/// How a key begins, for people to know it again.
pub(super) fn hint(secret: &SecretString) -> String {
    let text = secret.expose_secret();
    text.chars().take(text.len() - BODY - CHECKSUM + SHOWN).collect()
}

/// As much of `text`, a key or how one begins, as lists show; `None` where it is less than that, or no key's.
pub(super) fn shown_of(text: &str) -> Option<&str> {
    let (environment, body) = text.strip_prefix(PRODUCT)?.split_once('_')?;
    let whole = body.len() >= SHOWN
        && text
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    whole.then(|| &text[..PRODUCT.len() + environment.len() + 1 + SHOWN])
}

fn of(environment: &str, bytes: &[u8; 32]) -> String {
    let said = format!("{PRODUCT}{environment}_{}", base62(bytes, BODY));
    let sum = checksum(&said);
    said + &sum
}

fn checksum(said: &str) -> String {
    base62(&Sha256::digest(said.as_bytes())[..4], CHECKSUM)
}

/// `bytes` as one big number, in as many digits.
fn base62(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_has_its_prefix_and_its_length_and_the_largest_number_fits() {
        let key = of("live", &[0xff; 32]);
        assert!(
            key.starts_with("sbx_live_") && key.len() == 9 + BODY + CHECKSUM,
            "{key}"
        );
        assert_eq!(base62(&[0; 32], BODY), "0".repeat(BODY));
        assert_eq!(base62(&[61], 1), "z");
        let made = generate("live").unwrap();
        assert_eq!(hint(&made).len(), 9 + SHOWN);
        assert_eq!(read(made.expose_secret(), "live").unwrap(), hash(&made));
        assert_ne!(hash(&made), hash(&generate("live").unwrap()));
    }

    #[test]
    fn a_key_of_another_environment_is_told_from_a_mistyped_one() {
        let key = of("test", &[7; 32]);
        assert_eq!(read(&key, "live"), Err(NotAKey::Foreign));
        assert_eq!(read(&key[..key.len() - 1], "test"), Err(NotAKey::Garbled));
        assert!(looks_like(&key) && !looks_like("eyJhbGciOi"));
    }

    #[test]
    fn of_whatever_is_pasted_no_more_is_looked_at_than_lists_show() {
        let key = generate("live").unwrap();
        let shown = hint(&key);
        assert_eq!(shown_of(key.expose_secret()), Some(shown.as_str()));
        assert_eq!(shown_of(&shown), Some(shown.as_str()));
        for text in [
            "sbx_live_4fQ",
            "sbx_",
            "sbx_live",
            "live_4fQz9",
            "sbx_live_ä\u{0}zz",
            "",
        ] {
            assert_eq!(shown_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_made_is_read(bytes: [u8; 32], environment in "[a-z]{1,12}") {
            prop_assert!(read(&of(&environment, &bytes), &environment).is_ok());
        }

        #[test]
        fn one_character_changed_is_refused(bytes: [u8; 32], at in 9_usize..58, with in 0_usize..62) {
            let mut key = of("live", &bytes).into_bytes();
            prop_assume!(key[at] != DIGITS[with]);
            key[at] = DIGITS[with];
            // two of 2^32 have the same checksum: none of the seeds that are tried here
            prop_assert_eq!(read(std::str::from_utf8(&key).unwrap(), "live"), Err(NotAKey::Garbled));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), tail in "[0-9A-Za-z_]{0,80}") {
            let _ = read(&text, "live");
            let _ = read(&format!("sbx_{tail}"), "live");
            let _ = read(&format!("sbx_live_{tail}"), "live");
        }
    }
}
