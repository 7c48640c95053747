//! A key as it is kept, and as people see it.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Scope, Subject};
use crate::kernel::id::{ApiKeyId, UserId};
use crate::live::position::Position;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// How long before its end a key counts as expiring.
pub(super) const EXPIRING: Duration = Duration::days(7);

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Works.
    Active,
    /// Works for less than a week.
    Expiring,
    /// Reached its end.
    Expired,
    /// Was taken back.
    Revoked,
}

/// Requests in a minute by resource, such as `users`.
pub type ResourceLimits = BTreeMap<String, i32>;

/// A row of `api_keys` without its hashes.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// As whom it acts.
    pub owner: UserId,
    /// How its secret begins.
    pub hint: String,
    /// Counts its secrets.
    pub generation: i32,
    /// Until when the secret before works.
    pub previous_until: Option<OffsetDateTime>,
    /// What of its owner's rights it may use, sorted.
    pub scopes: Vec<String>,
    /// Networks it may be used from; empty: any.
    pub addresses: Vec<IpNet>,
    /// Requests in a minute.
    pub requests_per_minute: Option<i32>,
    /// Requests in a minute to one resource, by its name.
    pub resource_limits: ResourceLimits,
    /// Made.
    pub created_at: OffsetDateTime,
    /// When it got its present secret, if that is not its first.
    pub rotated_at: Option<OffsetDateTime>,
    /// Its end.
    pub expires_at: Option<OffsetDateTime>,
    /// First used; not known of keys that were used before this was noted.
    pub first_used_at: Option<OffsetDateTime>,
    /// Last used.
    pub last_used_at: Option<OffsetDateTime>,
    /// From where.
    pub last_used_ip: Option<IpNet>,
    /// Taken back.
    pub revoked_at: Option<OffsetDateTime>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// Grows by one with each change.
    pub version: i64,
}

/// Whose a key is.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyOwner {
    /// The person.
    pub id: UserId,
    /// Their name.
    pub name: Option<String>,
}

/// A key as one viewer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyItem {
    /// Id.
    pub id: ApiKeyId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// As whom it acts: the person who made it.
    pub created_by: KeyOwner,
    /// How its secret begins.
    #[schema(example = "sbx_live_4fQz")]
    pub hint: String,
    /// How it stands.
    pub state: KeyState,
    /// What of its owner's rights it may use, sorted.
    #[schema(example = json!(["users:read"]))]
    pub scopes: Vec<String>,
    /// Networks it may be used from; empty: any.
    #[schema(example = json!(["192.0.2.0/24"]))]
    pub addresses: Vec<String>,
    /// Requests in a minute; null: as many as it likes.
    pub requests_per_minute: Option<i32>,
    /// Requests in a minute to one resource: by the part of its scopes, and of an operation's id, before the separator.
    #[schema(value_type = HashMap<String, i32>, example = json!({"users": 60}))]
    pub resource_limits: ResourceLimits,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it got its present secret, if that is not its first.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rotated_at: Option<OffsetDateTime>,
    /// Until when the secret before works.
    #[serde(with = "time::serde::rfc3339::option")]
    pub previous_until: Option<OffsetDateTime>,
    /// Its end; null: none.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// First used, to about a minute; null where it never was, or before this was noted.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub first_used_at: Option<OffsetDateTime>,
    /// Last used, to about a minute.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// From where.
    #[serde(default)]
    pub last_used_ip: Option<String>,
    /// Taken back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// For `If-Match`; grows by one with each change.
    pub version: i64,
    /// What this viewer may do to it: `api_keys.update`, `api_keys.rotate`, `api_keys.revoke`.
    #[serde(default)]
    pub can: Vec<String>,
}

/// A page of keys.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ApiKeyList {
    /// Keys, newest first.
    pub items: Vec<ApiKeyItem>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Where `feed:api_keys` stood when the first page was read.
    #[serde(flatten)]
    pub position: Position,
}

/// One key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OneApiKey {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyItem,
    /// Where `feed:api_keys` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// A key with its secret, shown once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Revealed {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKeyItem,
    /// For `Authorization: Bearer`. Nobody can show it again.
    pub secret: String,
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revealed")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl ApiKey {
    /// How it stands at `now`.
    pub fn state(&self, now: OffsetDateTime) -> KeyState {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => KeyState::Revoked,
            (_, Some(end)) if end <= now => KeyState::Expired,
            (_, Some(end)) if end <= now + EXPIRING => KeyState::Expiring,
            _ => KeyState::Active,
        }
    }

    /// What the row's state allows.
    pub(super) fn acts(&self, now: OffsetDateTime) -> Vec<&'static str> {
        match self.state(now) {
            KeyState::Revoked => Vec::new(),
            _ => vec!["api_keys.update", "api_keys.rotate", "api_keys.revoke"],
        }
    }

    /// What the actor of `ctx` may do.
    pub(super) fn can(&self, ctx: &Ctx, now: OffsetDateTime) -> Vec<String> {
        let (mine, manages) = (ctx.is_oneself(self.owner), ctx.permissions.has("api_keys:manage"));
        let may = |act: &str| match act {
            "api_keys.revoke" => mine || manages,
            "api_keys.rotate" => mine && manages,
            _ => manages,
        };
        let acts = self.acts(now).into_iter();
        acts.filter(|act| ctx.require_session().is_ok() && may(act))
            .map(str::to_owned)
            .collect()
    }

    /// The post-image that events carry: without what the machine notes by itself, and nobody named yet.
    pub(super) fn patch(&self, now: OffsetDateTime) -> Result<Value> {
        Ok(json!({
            "id": self.id,
            "name": self.name,
            "created_by": {"id": self.owner, "name": null},
            "hint": self.hint,
            "state": self.state(now),
            "scopes": self.scopes,
            "addresses": self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "requests_per_minute": self.requests_per_minute,
            "resource_limits": self.resource_limits,
            "created_at": text(Some(self.created_at))?,
            "rotated_at": text(self.rotated_at)?,
            "previous_until": text(self.previous_until)?,
            "expires_at": text(self.expires_at)?,
            "revoked_at": text(self.revoked_at)?,
            "revoked_reason": self.revoked_reason,
            "version": self.version,
        }))
    }

    /// All of it as the actor of `ctx` sees it; nobody is named yet.
    pub(super) fn row(&self, ctx: &Ctx, now: OffsetDateTime) -> Result<Value> {
        let mut row = self.patch(now)?;
        row["can"] = serde_json::to_value(self.can(ctx, now))?;
        for (field, value) in uses(self.first_used_at, self.last_used_at, self.last_used_ip)? {
            row[field] = value;
        }
        Ok(row)
    }

    /// For events.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            kind: "api_key".into(),
            id: self.id.0,
            version: self.version,
        }
    }

    /// Facts that decide who may see the row.
    pub(super) fn scope(&self) -> Scope {
        Scope {
            teams: Vec::new(),
            owner: Some(self.owner.0),
        }
    }
}

/// What the machine notes of a key's use.
pub(super) fn uses(
    first: Option<OffsetDateTime>,
    last: Option<OffsetDateTime>,
    from: Option<IpNet>,
) -> Result<Map<String, Value>> {
    Ok(Map::from_iter([
        ("first_used_at".to_owned(), text(first)?.into()),
        ("last_used_at".to_owned(), text(last)?.into()),
        (
            "last_used_ip".to_owned(),
            from.map(|ip| ip.addr().to_string()).into(),
        ),
    ]))
}

fn text(at: Option<OffsetDateTime>) -> Result<Option<String>> {
    let text = at.map(|at| at.format(&Rfc3339));
    text.transpose().map_err(Error::internal)
}
