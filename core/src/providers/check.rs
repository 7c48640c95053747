//! What somebody may set of a provider.

use super::model::{ClaimNames, Mapping};
use crate::kernel::error::{Error, Result};
use crate::outbound::address;

/// Algorithms a signature may have: by keys that stay with whoever signs. No `none`, and none by a shared secret, with which
/// whoever checks could sign too (RFC 8725 §3.1).
pub(super) const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

const MOST_SCOPES: usize = 30;
const MOST_DOMAINS: usize = 50;
const MOST_MAPPINGS: usize = 100;

pub(super) fn name(raw: &str) -> Result<String> {
    text("name", raw, 100)
}

/// A text of 1 to `most` characters, without the space around it.
pub(super) fn text(field: &str, raw: &str, most: usize) -> Result<String> {
    let text = raw.trim();
    if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        let detail = format!("1 to {most} characters, without line breaks.");
        return Err(Error::field(field, "out_of_range", detail));
    }
    Ok(text.to_owned())
}

/// An address that the hub may ask; kept as it is written.
pub(super) fn url(field: &str, raw: &str) -> Result<String> {
    if address::may_be_asked(raw) {
        return Ok(raw.to_owned());
    }
    Err(Error::field(
        field,
        "unsafe",
        "An https:// address without name, password and fragment. Plain http is for this machine alone (localhost).",
    ))
}

/// An issuer: such an address without a query (OpenID Connect Discovery 1.0 §3).
pub(super) fn issuer(raw: &str) -> Result<String> {
    if raw.contains('?') {
        return Err(Error::field("issuer", "unsafe", "An issuer has no query."));
    }
    url("issuer", raw)
}

pub(super) fn algorithms(raw: Vec<String>) -> Result<Vec<String>> {
    let known = raw.iter().all(|name| ALGORITHMS.contains(&name.as_str()));
    if raw.is_empty() || raw.len() > ALGORITHMS.len() || !known {
        let detail = format!("One or more of {}.", ALGORITHMS.join(", "));
        return Err(Error::field("algorithms", "unknown", detail));
    }
    Ok(raw)
}

/// What is asked for: `openid` always is. A scope is printable ASCII without space, quote and backslash (RFC 6749 §3.3).
pub(super) fn scopes(raw: Vec<String>) -> Result<Vec<String>> {
    let is_scope = |scope: &String| {
        (1..=200).contains(&scope.len())
            && scope
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    if raw.len() > MOST_SCOPES || !raw.iter().all(is_scope) {
        let detail = format!("At most {MOST_SCOPES} scopes, each a word.");
        return Err(Error::field("scopes", "unreadable", detail));
    }
    let mut scopes = raw;
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    Ok(scopes)
}

pub(super) fn domains(raw: Vec<String>) -> Result<Vec<String>> {
    let domains: Vec<String> = raw.iter().map(|domain| domain.trim().to_lowercase()).collect();
    let is_domain = |domain: &String| {
        (1..=253).contains(&domain.len())
            && domain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
    };
    if domains.len() > MOST_DOMAINS || !domains.iter().all(is_domain) {
        let detail = format!("At most {MOST_DOMAINS} domains, such as example.com.");
        return Err(Error::field("email_domains", "unreadable", detail));
    }
    Ok(domains)
}

pub(super) fn claims(raw: ClaimNames) -> Result<ClaimNames> {
    let named = [
        ("claims.subject", &raw.subject),
        ("claims.email", &raw.email),
        ("claims.email_verified", &raw.email_verified),
        ("claims.name", &raw.name),
    ];
    for (field, name) in named {
        text(field, name, 200)?;
    }
    Ok(raw)
}

pub(super) fn mappings(raw: Vec<Mapping>) -> Result<Vec<Mapping>> {
    if raw.len() > MOST_MAPPINGS {
        let detail = format!("At most {MOST_MAPPINGS} mappings.");
        return Err(Error::field("mappings", "too_many", detail));
    }
    for mapping in &raw {
        text("mappings", &mapping.claim, 200)?;
        text("mappings", &mapping.value, 200)?;
    }
    let mut mappings = raw;
    mappings.sort();
    mappings.dedup();
    Ok(mappings)
}

/// Where in the console somebody goes on: a path of it and nothing else, whatever a browser makes of slashes.
pub(super) fn next(raw: Option<&str>) -> Result<Option<String>> {
    let Some(path) = raw.filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let own = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.len() <= 1_000
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if own {
        return Ok(Some(path.to_owned()));
    }
    Err(Error::field(
        "next",
        "not_a_path",
        "A path of the console, such as /users.",
    ))
}
