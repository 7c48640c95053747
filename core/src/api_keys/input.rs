//! What people say of a key.

use super::model::{ApiKey, ResourceLimits};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::network;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;
use time::{Duration, OffsetDateTime};

/// Networks of one key at most.
const MOST_ADDRESSES: usize = 100;
/// Longest time for which a replaced secret still works.
const LONGEST_GRACE: u32 = 7 * 24 * 3_600;
/// More requests in a minute than any hub answers.
const MOST_REQUESTS: i32 = 1_000_000;

/// A key to be made.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for, 1 to 100 characters.
    #[schema(example = "Nightly export")]
    pub name: String,
    /// Permissions it may use, of those that you hold now.
    #[schema(example = json!(["users:read"]))]
    pub scopes: Vec<String>,
    /// Addresses and networks it may be used from; absent or empty: any.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Requests in a minute; absent: as many as it likes.
    pub requests_per_minute: Option<i32>,
    /// Requests in a minute to one resource, of those that its scopes are about.
    #[serde(default)]
    #[schema(value_type = HashMap<String, i32>, example = json!({"users": 60}))]
    pub resource_limits: ResourceLimits,
    /// Its end; absent: none, unless the organization has a longest life.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// What changes of a key. What is absent stays, null takes a limit away.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyChange {
    /// What it is for.
    pub name: Option<String>,
    /// Permissions it may use, of those that you hold now.
    pub scopes: Option<Vec<String>>,
    /// Addresses and networks it may be used from; empty: any.
    pub addresses: Option<Vec<String>>,
    /// Requests in a minute.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<i32>)]
    pub requests_per_minute: Option<Option<i32>>,
    /// Requests in a minute to one resource: these, no more and no fewer. Those of resources that its scopes are no longer about go by
    /// themselves.
    #[schema(value_type = Option<HashMap<String, i32>>)]
    pub resource_limits: Option<ResourceLimits>,
    /// Its end.
    #[serde(deserialize_with = "present_time")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub expires_at: Option<Option<OffsetDateTime>>,
}

/// How a secret is replaced.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Seconds for which the secret of now still works, at most a week. 0, when absent: it ends at once, with what is open
    /// by it.
    pub grace_seconds: u32,
}

impl Rotation {
    pub(super) fn grace(self) -> Result<Duration> {
        if self.grace_seconds > LONGEST_GRACE {
            let detail = format!("At most {LONGEST_GRACE} seconds, a week.");
            return Err(Error::field("grace_seconds", "out_of_range", detail));
        }
        Ok(Duration::seconds(i64::from(self.grace_seconds)))
    }
}

#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a PATCH"
)]
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<i32>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a PATCH"
)]
fn present_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(from).map(Some)
}

/// A name as it is kept.
pub(super) fn name(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.contains('\0') {
        return Err(Error::field("name", "length", "1 to 100 characters."));
    }
    Ok(text.to_owned())
}

/// Scopes as they are kept: sorted, and none that the actor does not hold.
pub(super) fn scopes(ctx: &Ctx, asked: &[String]) -> Result<Vec<String>> {
    let asked: BTreeSet<&String> = asked.iter().collect();
    if asked.is_empty() {
        let detail = "Name at least one permission: a key without scopes can do nothing.";
        return Err(Error::field("scopes", "required", detail));
    }
    let errors: Vec<FieldError> = asked
        .iter()
        .filter(|scope| !ctx.permissions.has_some(scope))
        .map(|scope| FieldError {
            field: "scopes".to_owned(),
            code: "not_held".into(),
            detail: format!("You do not hold {scope}, so no key of yours can have it."),
        })
        .collect();
    if !errors.is_empty() {
        return Err(Error::invalid(errors));
    }
    Ok(asked.into_iter().cloned().collect())
}

/// Whoever gives a program more than reading has proved just now who they are: it goes on after the session.
pub(super) fn require_proof<'a>(
    ctx: &Ctx,
    given: impl IntoIterator<Item = &'a String>,
    now: OffsetDateTime,
) -> Result<()> {
    if given.into_iter().all(|scope| scope.ends_with(":read")) {
        return Ok(());
    }
    ctx.require_recent_proof(now)
}

/// Whether a key that was `before` reaches further as `after`, its scopes aside: for longer, from elsewhere, or more often.
pub(super) fn loosens(before: &ApiKey, after: &ApiKey) -> bool {
    let more = |was: Option<i32>, is: Option<i32>| was.is_some_and(|was| is.is_none_or(|is| is > was));
    let longer = before
        .expires_at
        .is_some_and(|was| after.expires_at.is_none_or(|is| is > was));
    let within = |is: &IpNet| before.addresses.iter().any(|was| was.contains(is));
    let wider =
        !before.addresses.is_empty() && (after.addresses.is_empty() || !after.addresses.iter().all(within));
    let mut limits = before.resource_limits.clone();
    keep_resource_limits(&mut limits, &after.scopes);
    let mut limits = limits.into_iter();
    longer
        || wider
        || more(before.requests_per_minute, after.requests_per_minute)
        || limits.any(|(name, was)| more(Some(was), after.resource_limits.get(&name).copied()))
}

/// Networks as they are kept.
pub(super) fn addresses(asked: &[String]) -> Result<Vec<IpNet>> {
    if asked.len() > MOST_ADDRESSES {
        let detail = format!("At most {MOST_ADDRESSES} networks.");
        return Err(Error::field("addresses", "too_many", detail));
    }
    let mut networks = BTreeSet::new();
    for (at, text) in asked.iter().enumerate() {
        let network = network::parse(text)
            .map_err(|error| Error::field(format!("addresses.{at}"), "unreadable", format!("{error}.")))?;
        networks.insert(network);
    }
    Ok(networks.into_iter().collect())
}

/// A limit as it is kept.
pub(super) fn requests(asked: Option<i32>) -> Result<Option<i32>> {
    match asked {
        Some(n) if !(1..=MOST_REQUESTS).contains(&n) => Err(Error::field(
            "requests_per_minute",
            "out_of_range",
            format!("1 to {MOST_REQUESTS}, or null for no limit."),
        )),
        other => Ok(other),
    }
}

/// What a scope is about: `users` of `users:read`.
fn resource(scope: &str) -> &str {
    scope.split(':').next().unwrap_or_default()
}

/// Limits of resources as they are kept: of what `scopes` are about.
pub(super) fn resource_limits(asked: &ResourceLimits, scopes: &[String]) -> Result<ResourceLimits> {
    for (name, most) in asked {
        let field = format!("resource_limits.{name}");
        if !scopes.iter().any(|scope| resource(scope) == name) {
            let detail =
                "The key's scopes are about no such resource: name the part of one before the colon.";
            return Err(Error::field(field, "not_in_scopes", detail));
        }
        if !(1..=MOST_REQUESTS).contains(most) {
            let detail = format!("1 to {MOST_REQUESTS}; leave it out for no limit.");
            return Err(Error::field(field, "out_of_range", detail));
        }
    }
    Ok(asked.clone())
}

/// Takes away the limits of what `scopes` are no longer about.
pub(super) fn keep_resource_limits(limits: &mut ResourceLimits, scopes: &[String]) {
    limits.retain(|name, _| scopes.iter().any(|scope| resource(scope) == name));
}

/// An end as it is kept: in the future, and not beyond `longest` from when the secret was made.
pub(super) fn end(
    asked: Option<OffsetDateTime>,
    (made, now): (OffsetDateTime, OffsetDateTime),
    longest: Option<Duration>,
) -> Result<Option<OffsetDateTime>> {
    if asked.is_some_and(|end| end <= now) {
        return Err(Error::field("expires_at", "past", "Name a time that is to come."));
    }
    let Some(longest) = longest else { return Ok(asked) };
    let latest = made + longest;
    // a minute of slack for whoever reckons with a clock of their own
    let end = asked.unwrap_or(latest);
    if end > latest + Duration::minutes(1) || end <= now {
        let days = longest.whole_days();
        let detail = format!(
            "A secret of a key of this organization lives {days} days at most. Give the key another to go on."
        );
        return Err(Error::field("expires_at", "too_late", detail));
    }
    Ok(Some(end))
}
