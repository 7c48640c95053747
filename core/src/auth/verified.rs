//! Tokens that were found good, by their hash: checking a signature costs more than all the rest of a request.
//!
//! What is remembered is that the token *is* one of ours and what it says. Whether its session or key is still good is asked
//! for each request all the same (`sessions::standing`), so a revocation bites as before.
//!
//! Invariant: a token is good here only until it expires, and as long as the key that signed it is one of the ring.
//! Invariant: memory is bounded by [`MOST`].

use super::token::{Claims, Use};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Tokens remembered, at most.
const MOST: usize = 32_768;
/// Parts with a lock each. A power of two.
const PARTS: usize = 16;

type Hash = [u8; 32];

struct Good {
    claims: Claims,
    r#use: Use,
    kid: String,
}

/// See the module.
#[derive(Default)]
pub(super) struct Verified([Mutex<HashMap<Hash, Good>>; PARTS]);

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified")
    }
}

impl Verified {
    /// What `token` says, if it was found good for one of `uses`, has not expired at `now` (seconds since 1970), and its key is
    /// still `known`.
    pub(super) fn get(
        &self,
        token: &str,
        uses: &[Use],
        now: i64,
        known: impl Fn(&str) -> bool,
    ) -> Option<Claims> {
        let hash = hash(token);
        let part = self.part(&hash).lock();
        let good = part.get(&hash)?;
        let fits = uses.contains(&good.r#use) && good.claims.exp > now && known(&good.kid);
        fits.then(|| good.claims.clone())
    }

    /// Remembers a token that has just been found good.
    pub(super) fn keep(&self, token: &str, claims: &Claims, now: i64) {
        let Ok(header) = jsonwebtoken::decode_header(token) else {
            return;
        };
        let r#use = [Use::Access, Use::Live, Use::Acting, Use::ActingLive]
            .into_iter()
            .find(|r#use| header.typ.as_deref() == Some(r#use.kind()));
        let (Some(r#use), Some(kid)) = (r#use, header.kid) else {
            return;
        };
        let hash = hash(token);
        let mut part = self.part(&hash).lock();
        if part.len() >= MOST / PARTS {
            part.retain(|_, good| good.claims.exp > now);
        }
        if part.len() >= MOST / PARTS {
            // all of them again, one by one, costs less than keeping account of their use
            part.clear();
        }
        let claims = claims.clone();
        part.insert(hash, Good { claims, r#use, kid });
    }

    fn part(&self, hash: &Hash) -> &Mutex<HashMap<Hash, Good>> {
        &self.0[usize::from(hash[0]) % PARTS]
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use uuid::Uuid;

    fn claims(exp: i64) -> Claims {
        Claims {
            iss: "signalbox".into(),
            aud: "signalbox:api".into(),
            sub: Uuid::nil(),
            sid: Uuid::nil(),
            key: None,
            act: None,
            org: Uuid::nil(),
            iat: 0,
            exp,
        }
    }

    fn token(kind: &str, tail: usize) -> String {
        let header = format!(r#"{{"alg":"EdDSA","typ":"{kind}","kid":"k1"}}"#);
        format!("{}.x.{tail}", URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn a_token_is_good_until_it_expires_for_what_it_is_and_while_its_key_is_known() {
        let verified = Verified::default();
        let access = token("at+jwt", 0);
        verified.keep(&access, &claims(100), 50);
        let get = |token: &str, uses: &[Use], now, known: bool| {
            verified.get(token, uses, now, |kid| known && kid == "k1")
        };
        assert!(get(&access, &[Use::Access], 99, true).is_some());
        assert!(get(&access, &[Use::Access], 100, true).is_none(), "expired");
        assert!(get(&access, &[Use::Live], 99, true).is_none(), "of another type");
        assert!(
            get(&access, &[Use::Access], 99, false).is_none(),
            "its key is retired"
        );
        assert!(
            get(&token("at+jwt", 1), &[Use::Access], 99, true).is_none(),
            "another token"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let verified = Verified::default();
        for n in 0..MOST * 2 {
            verified.keep(&token("at+jwt", n), &claims(100), 50);
        }
        let kept: usize = verified.0.iter().map(|part| part.lock().len()).sum();
        assert!((MOST / 4..=MOST).contains(&kept), "{kept}");
    }
}
