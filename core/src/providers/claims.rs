//! What a provider says of somebody, read by the names that are set for it.

use super::jwt::is_plain;
use super::model::{ClaimNames, Mapping, Provider};
use crate::kernel::id::RoleId;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Claims of a token that was found good.
pub(super) type Claims = Map<String, Value>;

/// Who a provider says that somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Never reassigned by the provider, 1 to 255 characters (OpenID Connect Core 1.0 §2).
    pub subject: String,
    /// Their address, trimmed and lower-case, where the provider has verified it.
    pub verified_email: Option<String>,
    /// Their name, if it says one.
    pub name: Option<String>,
    /// Roles that its claims give, sorted.
    pub roles: Vec<RoleId>,
}

impl Told {
    /// `None` where there is no subject, or one that cannot be kept.
    pub fn read(provider: &Provider, claims: &Claims) -> Option<Self> {
        let names = &provider.claims;
        let subject = text(claims, &names.subject)?;
        if !(1..=255).contains(&subject.chars().count()) || !is_plain(&subject) {
            return None;
        }
        Some(Self {
            subject: subject.into_owned(),
            verified_email: verified_email(names, claims),
            name: text(claims, &names.name)
                .map(|name| plain(&name))
                .filter(|name| !name.is_empty()),
            roles: roles(&provider.mappings, claims),
        })
    }
}

/// A name as it is kept: 200 characters at most, none of them control characters.
fn plain(name: &str) -> String {
    let letters: String = name.chars().filter(|letter| !letter.is_control()).collect();
    letters.trim().chars().take(200).collect()
}

fn verified_email(names: &ClaimNames, claims: &Claims) -> Option<String> {
    let verified = match at(claims, &names.email_verified)? {
        Value::Bool(verified) => *verified,
        // some write it so
        Value::String(text) => text == "true",
        _ => false,
    };
    let email = text(claims, &names.email)?.trim().to_lowercase();
    (verified && !email.is_empty() && is_plain(&email)).then_some(email)
}

fn roles(mappings: &[Mapping], claims: &Claims) -> Vec<RoleId> {
    let gives = |mapping: &&Mapping| match at(claims, &mapping.claim) {
        Some(Value::Array(items)) => items.iter().any(|item| is(item, &mapping.value)),
        Some(value) => is(value, &mapping.value),
        None => false,
    };
    let mut roles: Vec<RoleId> = mappings
        .iter()
        .filter(gives)
        .map(|mapping| mapping.role)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(_) | Value::Number(_) => wanted == value.to_string().as_str(),
        _ => false,
    }
}

/// A subject or name may be a number.
fn text<'a>(claims: &'a Claims, name: &str) -> Option<Cow<'a, str>> {
    match at(claims, name)? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// The claim of this name, or where a JSON Pointer (RFC 6901) leads.
pub(super) fn at<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    let Some(pointer) = name.strip_prefix('/') else {
        return claims.get(name);
    };
    let (first, rest) = match pointer.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (pointer, None),
    };
    let top = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    rest.map_or(Some(top), |rest| top.pointer(&format!("/{rest}")))
}
