//! Tokens that others sign: whether the signature is by a key of theirs, with an algorithm that is allowed.
//!
//! Invariant: a token is believed by a public key of its algorithm's own family that the issuer's key set holds, never by one
//! that it brings along, and only with an algorithm of the list; `none` and shared secrets are on no list (RFC 8725 §3.1).

use super::check::ALGORITHMS;
use super::claims::Claims;
use crate::live::application::token::{Refused, jwks::Jwks};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::Value;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16_384;

/// Clocks of others may be off by so many seconds.
pub(super) const SKEW: f64 = 60.0;

/// Why a token is not believed; the words are for the log, never for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It never was good, for this reason.
    Invalid(&'static str),
    /// It was good once.
    Expired,
    /// The keys cannot be fetched.
    Unavailable,
}

/// What a token with a good signature says.
#[derive(Debug)]
pub(super) struct Signed {
    pub claims: Claims,
    pub algorithm: Algorithm,
}

/// Checks the signature of `token`. `allowed` are names of algorithms, `kinds` the `typ` it may have, in small letters; none
/// at all counts as `jwt`.
pub(super) async fn read(
    token: &str,
    keys: &Jwks,
    allowed: &[String],
    kinds: &[&str],
) -> Result<Signed, Wrong> {
    if token.len() > LONGEST {
        return Err(Wrong::Invalid("it is too long"));
    }
    let header = decode_header(token).map_err(|_| Wrong::Invalid("its header cannot be read"))?;
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    if !kinds.contains(&kind) || header.crit.is_some() {
        return Err(Wrong::Invalid(
            "its header names a type or a condition that is not known",
        ));
    }
    let name = format!("{:?}", header.alg);
    if !allowed.contains(&name) || !ALGORITHMS.contains(&name.as_str()) {
        return Err(Wrong::Invalid("its algorithm is not allowed"));
    }
    let keys = keys.of(header.kid.as_deref(), header.alg).await;
    let keys = keys.map_err(|refused| match refused {
        Refused::Unavailable => Wrong::Unavailable,
        Refused::Expired | Refused::Invalid => Wrong::Invalid("no key can be had"),
    })?;
    let mut signature_only = Validation::new(header.alg);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let claims = keys
        .iter()
        .find_map(|key| decode::<Claims>(token, key, &signature_only).ok());
    Ok(Signed {
        claims: claims
            .ok_or(Wrong::Invalid("its signature is by none of the keys"))?
            .claims,
        algorithm: header.alg,
    })
}

/// What a token says before anybody knows whether it is true: only to find out whom to ask.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    if token.len() > LONGEST || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return None;
    }
    let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token)
        .ok()?
        .claims;
    let issuer = claims.get("iss")?.as_str()?;
    is_plain(issuer).then(|| issuer.to_owned())
}

/// Whether a text may be looked for and kept: the database takes no zero byte, and nobody needs other control characters.
pub(super) fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// A text.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// Seconds since 1970, which may have a fraction.
pub(super) fn seconds(claims: &Claims, name: &str) -> Option<f64> {
    claims.get(name)?.as_f64()
}

/// Whom a token is for: one, or several.
pub(super) fn audience(claims: &Claims) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Checks issuer, expiry, beginning and time of issue, which every token has to get right.
pub(super) fn require_in_time(claims: &Claims, issuer: &str, now: i64) -> Result<(), Wrong> {
    let now = now as f64;
    if text(claims, "iss") != Some(issuer) {
        return Err(Wrong::Invalid("its issuer is another"));
    }
    let expires = seconds(claims, "exp").ok_or(Wrong::Invalid("it has no end"))?;
    if now >= expires {
        return Err(Wrong::Expired);
    }
    if claims.contains_key("nbf") && seconds(claims, "nbf").is_none_or(|begins| begins > now + SKEW) {
        return Err(Wrong::Invalid("it is not valid yet"));
    }
    if claims.contains_key("iat") && seconds(claims, "iat").is_none_or(|issued| issued > now + SKEW) {
        return Err(Wrong::Invalid("it was issued in the future"));
    }
    Ok(())
}
