//! The checks that a client owes an ID token (OpenID Connect Core 1.0 §3.1.3.7), and a logout token (Back-Channel Logout 1.0
//! §2.6).

use super::claims::Claims;
use super::jwt::{self, Signed, Wrong};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// An ID token that was issued longer ago, in seconds, belongs to another sign-in.
const OLDEST: f64 = 600.0;
/// What a logout token is about.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Whether it says so.
pub(super) fn check(token: &Signed, expected: &Expected<'_>) -> Result<(), Wrong> {
    let claims = &token.claims;
    jwt::require_in_time(claims, expected.issuer, expected.now)?;
    require_for(claims, expected.client_id)?;
    let issued = jwt::seconds(claims, "iat").ok_or(Wrong::Invalid("it does not say when it was issued"))?;
    if issued < expected.now as f64 - OLDEST {
        return Err(Wrong::Invalid("it was issued too long ago"));
    }
    let nonce = jwt::text(claims, "nonce").unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(Wrong::Invalid("its nonce is another"));
    }
    match (jwt::text(claims, "at_hash"), expected.access_token) {
        (Some(hash), Some(access)) if hash != half_hash(token.algorithm, access) => {
            Err(Wrong::Invalid("its access token is another"))
        }
        _ => Ok(()),
    }
}

/// For this client: among others only where it says that it was made for it.
fn require_for(claims: &Claims, client_id: &str) -> Result<(), Wrong> {
    let audience = jwt::audience(claims);
    let authorized = claims.get("azp");
    let is_ours = authorized.is_some_and(|party| party == client_id);
    if !audience.contains(&client_id) || (authorized.is_some() && !is_ours) {
        return Err(Wrong::Invalid("it is for another client"));
    }
    if audience.len() > 1 && !is_ours {
        return Err(Wrong::Invalid(
            "it is for several and does not say for whom it was made",
        ));
    }
    Ok(())
}

/// The left half of the hash that goes with the algorithm (§3.1.3.6); of EdDSA by Ed25519 that is SHA-512.
pub(super) fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(text).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => Sha512::digest(text).to_vec(),
        _ => Sha256::digest(text).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}

/// Whether an ID token, or a token of an external issuer, says that two factors of different kinds were shown (`amr` of OpenID Connect Core 1.0 §2, with the names
/// of RFC 8176 §2). One that says nothing of it is the word of one.
pub(super) fn tells_two_factors(claims: &Claims) -> bool {
    const KNOWN: &[&str] = &["pwd", "pin", "kba"];
    const HELD: &[&str] = &[
        "otp", "hwk", "swk", "sc", "sms", "tel", "fpt", "face", "iris", "retina", "vbm",
    ];
    let said: Vec<&str> = match claims.get("amr") {
        Some(serde_json::Value::Array(said)) => said.iter().filter_map(serde_json::Value::as_str).collect(),
        _ => Vec::new(),
    };
    let any = |names: &[&str]| said.iter().any(|name| names.contains(name));
    any(&["mfa"]) || (any(KNOWN) && any(HELD))
}

/// What a good logout token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logout {
    pub jti: String,
    /// Its end, in seconds since 1970.
    pub expires: i64,
    pub subject: Option<String>,
    pub sid: Option<String>,
}

/// Checks a logout token's claims. An ID token is none: it has no such event, and a nonce.
pub(super) fn logout(claims: &Claims, issuer: &str, client_id: &str, now: i64) -> Result<Logout, Wrong> {
    jwt::require_in_time(claims, issuer, now)?;
    require_for(claims, client_id)?;
    if jwt::seconds(claims, "iat").is_none() {
        return Err(Wrong::Invalid("it does not say when it was issued"));
    }
    let is_logout = claims
        .get("events")
        .and_then(|events| events.get(LOGOUT_EVENT))
        .is_some_and(serde_json::Value::is_object);
    if !is_logout || claims.contains_key("nonce") {
        return Err(Wrong::Invalid("it is no logout token"));
    }
    let fits = |text: &&str| (1..=255).contains(&text.chars().count()) && jwt::is_plain(text);
    let short = |name| jwt::text(claims, name).filter(fits);
    let (subject, sid) = (short("sub"), short("sid"));
    if subject.is_none() && sid.is_none() {
        return Err(Wrong::Invalid("it does not say who has signed out"));
    }
    Ok(Logout {
        jti: short("jti").ok_or(Wrong::Invalid("it has no id"))?.to_owned(),
        expires: jwt::seconds(claims, "exp").unwrap_or_default() as i64,
        subject: subject.map(str::to_owned),
        sid: sid.map(str::to_owned),
    })
}
