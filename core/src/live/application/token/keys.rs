//! Which keys are believed, and the check of a signature.

use super::Refused;
use super::claims::Registered;
use super::jwks::Jwks;
use crate::outbound::Outbound;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16_384;

/// Where keys come from, as configured. Texts are empty where they are not set.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// For HS256, HS384 and HS512; several while one takes another's place.
    pub hmac_secrets: Vec<SecretString>,
    /// PEM, for RS256, RS384 and RS512.
    pub rsa_public_key: String,
    /// PEM, for ES256 and ES384.
    pub ecdsa_public_key: String,
    /// PEM, for EdDSA.
    pub eddsa_public_key: String,
    /// Where public keys of all these kinds are fetched.
    pub jwks_url: String,
    /// What `aud` must hold, if set.
    pub audience: String,
    /// What `iss` must be, if set.
    pub issuer: String,
}

/// Keys of one kind of token.
pub struct Keys {
    own: Vec<DecodingKey>,
    fetched: Option<Jwks>,
    audience: String,
    issuer: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads what is configured. Nothing is fetched yet.
    ///
    /// # Errors
    /// The name of the source that is not what it should be.
    pub fn read(sources: &Sources) -> Result<Self, &'static str> {
        type FromPem = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
        let secrets = sources.hmac_secrets.iter();
        let mut own: Vec<DecodingKey> = secrets
            .map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()))
            .collect();
        let pems: [(&str, &str, FromPem); 3] = [
            (
                "rsa_public_key",
                &sources.rsa_public_key,
                DecodingKey::from_rsa_pem,
            ),
            (
                "ecdsa_public_key",
                &sources.ecdsa_public_key,
                DecodingKey::from_ec_pem,
            ),
            (
                "eddsa_public_key",
                &sources.eddsa_public_key,
                DecodingKey::from_ed_pem,
            ),
        ];
        for (name, pem, read) in pems {
            if !pem.is_empty() {
                own.push(read(pem.as_bytes()).map_err(|_| name)?);
            }
        }
        let fetched = (!sources.jwks_url.is_empty())
            .then(|| Outbound::new().map(|outbound| Jwks::at(&sources.jwks_url, outbound)));
        Ok(Self {
            own,
            fetched: fetched.transpose().map_err(|_| "jwks_url")?,
            audience: sources.audience.clone(),
            issuer: sources.issuer.clone(),
        })
    }

    #[cfg(test)]
    pub(super) fn paced(mut self, pace: super::jwks::Pace) -> Self {
        self.fetched = self.fetched.map(|jwks| jwks.paced(pace));
        self
    }

    /// What a token says, once its signature, audience and issuer are found good. Its times are not looked at.
    pub(super) async fn verify<C: Registered>(&self, token: &str) -> Result<C, Refused> {
        let refused = |reason| super::told(Err((Refused::Invalid, reason)));
        if token.len() > LONGEST {
            return refused("it is too long");
        }
        let Ok(header) = decode_header(token) else {
            return refused("its header cannot be read");
        };
        if !is_plain(&header) {
            return refused("its header names a type or a condition that is not known");
        }
        let own = self.own.iter().filter(|key| key.family() == header.alg.family());
        let mut claims = own.into_iter().find_map(|key| check(token, key, header.alg));
        if claims.is_none()
            && let Some(jwks) = &self.fetched
            && header.alg.family() != AlgorithmFamily::Hmac
        {
            let (keys, newest) = jwks.found(header.kid.as_deref(), header.alg).await?;
            if keys.is_empty() && !newest {
                // a client that is told no stays away for good, and the key may have been published since the set was read
                return Err(Refused::Unavailable);
            }
            claims = keys.iter().find_map(|key| check(token, key, header.alg));
        }
        match claims {
            None => refused("its signature is by none of the keys, or its claims cannot be read"),
            Some(claims) if self.is_for_us(&claims) => Ok(claims),
            Some(_) => refused("its audience or issuer is another"),
        }
    }

    fn is_for_us(&self, claims: &impl Registered) -> bool {
        (self.audience.is_empty() || claims.audience().contains(&self.audience))
            && (self.issuer.is_empty() || claims.issuer() == self.issuer)
    }
}

/// A token of the kind that applications make, or an access token of an identity provider (RFC 9068): never one of another
/// type (RFC 8725 §3.11), nor one with conditions (RFC 7515 §4.1.11).
fn is_plain(header: &Header) -> bool {
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    matches!(kind, "jwt" | "at+jwt") && header.crit.is_none()
}

fn check<C: Registered>(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<C> {
    let mut signature_only = Validation::new(algorithm);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    decode(token, key, &signature_only).ok().map(|data| data.claims)
}

/// Whether `mac` is the HMAC-SHA256 of `message` under `secret`; compared in constant time.
pub(in crate::live::application) fn hmac_is(secret: &str, message: &[u8], mac: &[u8]) -> bool {
    let key = DecodingKey::from_secret(secret.as_bytes());
    let mac = BASE64_URL_SAFE_NO_PAD.encode(mac);
    jsonwebtoken::crypto::verify(&mac, message, &key, Algorithm::HS256).unwrap_or(false)
}
