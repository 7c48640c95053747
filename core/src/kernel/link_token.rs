//! Tokens that stand in links: whoever holds one has read the mail it stood in.
//!
//! Invariant: 32 random bytes, kept as a SHA-256 alone: there is nothing to guess, so nothing to slow a guesser down with.

use super::error::Result;
use super::seal::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// Characters of a token.
const LENGTH: usize = 43;

/// A new token, and the hash that is kept of it.
///
/// # Errors
/// The system gives no randomness.
pub fn generate() -> Result<(SecretString, [u8; 32])> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let hash = Sha256::digest(text.as_bytes()).into();
    Ok((text.into(), hash))
}

/// The hash by which a token that somebody sends is found; `None` for what cannot be one.
pub fn hash(text: &str) -> Option<[u8; 32]> {
    let can_be = text.len() == LENGTH
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    can_be.then(|| Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_token_is_found_by_its_hash_and_no_two_are_alike() {
        let (one, kept) = generate().unwrap();
        let (other, _) = generate().unwrap();
        assert_eq!(hash(one.expose_secret()), Some(kept));
        assert_ne!(hash(other.expose_secret()), Some(kept));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_a_token_or_none(text in any::<String>()) {
            prop_assert!(hash(&text).is_none() || text.len() == LENGTH);
        }
    }
}
