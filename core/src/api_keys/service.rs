//! What may be done with keys. Every act: permission, lock, reach, write, record, cut off where it bites, commit.

use super::input::{self, ApiKeyChange, NewApiKey, Rotation};
use super::model::{ApiKey, ApiKeyItem, ApiKeyList, KeyState, OneApiKey, Revealed};
use super::store::{self, Which};
use super::{CHANNEL, MOST, policy, secret};
use crate::Store;
use crate::audit::search::{self, AuditList};
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{ApiKeyId, UserId};
use crate::kernel::page;
use crate::live::position::{self, Cursor};
use crate::people;
use crate::users::find::{Found, MOST_FOUND};
use crate::users::{self, rights};
use secrecy::ExposeSecret;

use serde_json::{Value, json};

/// Which keys are listed, newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only this person's.
    pub owner: Option<UserId>,
    /// Rows of a page.
    pub limit: Option<u32>,
    /// End of the page before.
    pub cursor: Option<String>,
}

/// Reads one page of the list.
pub async fn list(store: &Store, ctx: &Ctx, query: &Query) -> Result<ApiKeyList> {
    ctx.require("api_keys:read")?;
    let limit = page::limit(query.limit)? as usize;
    let after: Option<Cursor> = query.cursor.as_deref().map(page::decode_cursor).transpose()?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = match &after {
        Some(after) => after.position.clone(),
        None => position::told(&mut tx, ctx, CHANNEL).await?,
    };
    let which = Which {
        id: None,
        owner: query.owner,
        hint: None,
        before: after.map(|end| (page::instant(end.micros), end.id)),
    };
    let mut keys = store::select(&mut tx, ctx.organization, which, limit as i64 + 1).await?;
    let next_cursor = page::cut(&mut keys, limit, |end| Cursor {
        micros: page::micros(end.created_at),
        id: end.id.0,
        position: position.clone(),
    })?;
    Ok(ApiKeyList {
        items: shown(store, &mut tx, ctx, &keys).await?,
        next_cursor,
        position,
    })
}

/// Reads one key.
pub async fn get(store: &Store, ctx: &Ctx, id: ApiKeyId) -> Result<OneApiKey> {
    ctx.require("api_keys:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let key = store::one(&mut tx, ctx.organization, id).await?;
    let key = key.ok_or_else(|| Error::not_found("api_key"))?;
    Ok(OneApiKey {
        key: one(store, &mut tx, ctx, &key).await?,
        position,
    })
}

/// Keys whose secret begins as `q` does, for whoever may see keys; nothing for anybody else. `q` may be more of the secret than lists
/// show, of which no more is looked at.
pub async fn by_prefix(store: &Store, ctx: &Ctx, q: &str) -> Result<Vec<Found>> {
    let Some(hint) = secret::shown_of(q) else {
        return Ok(Vec::new());
    };
    if !ctx.permissions.has("api_keys:read") {
        return Ok(Vec::new());
    }
    let mut tx = store.db.read(ctx.organization).await?;
    let which = Which {
        hint: Some(hint),
        ..Which::default()
    };
    let keys = store::select(&mut tx, ctx.organization, which, i64::from(MOST_FOUND)).await?;
    Ok(keys
        .into_iter()
        .map(|key| Found {
            kind: "api_key",
            id: key.id.0,
            user: key.owner,
            label: key.name,
        })
        .collect())
}

/// Reads one page of a key's life, from the audit log, newest first.
pub async fn life(
    store: &Store,
    ctx: &Ctx,
    id: ApiKeyId,
    limit: Option<u32>,
    cursor: Option<String>,
) -> Result<AuditList> {
    get(store, ctx, id).await?;
    search::life_of(store, ctx, id.0, limit, cursor).await
}

/// Makes a key that acts as whoever makes it.
pub async fn create(store: &Store, ctx: &Ctx, environment: &str, new: &NewApiKey) -> Result<Revealed> {
    ctx.require("api_keys:manage")?;
    ctx.require_session()?;
    let owner = ctx
        .actor
        .user()
        .ok_or_else(|| Error::internal("a key needs a person"))?;
    let secret = secret::generate(environment)?;
    let mut change = Change::begin(store, ctx).await?;
    let at = change.at();
    let longest = policy::longest(change.tx(), ctx.organization).await?;
    let scopes = input::scopes(ctx, &new.scopes)?;
    let key = ApiKey {
        id: ApiKeyId::new(),
        name: input::name(&new.name)?,
        owner,
        hint: secret::hint(&secret),
        generation: 1,
        previous_until: None,
        resource_limits: input::resource_limits(&new.resource_limits, &scopes)?,
        scopes,
        addresses: input::addresses(&new.addresses)?,
        requests_per_minute: input::requests(new.requests_per_minute)?,
        created_at: at,
        rotated_at: None,
        expires_at: input::end(new.expires_at, (at, at), longest)?,
        first_used_at: None,
        last_used_at: None,
        last_used_ip: None,
        revoked_at: None,
        revoked_reason: None,
        version: 1,
    };
    input::require_proof(ctx, &key.scopes, at)?;
    // one after the other, so that no more come of many at once
    users::store::lock(change.tx(), ctx.organization, owner).await?;
    if store::count(change.tx(), ctx.organization, owner).await? >= MOST {
        return Err(Error::new(
            Kind::Conflict,
            "api_key.too_many",
            format!("You have {MOST} keys that are not revoked, which is the most. Revoke one first."),
        ));
    }
    store::insert(change.tx(), ctx.organization, &key, &secret::hash(&secret)).await?;
    let mut event = event(
        "api_key.created",
        "api_keys.create",
        &key,
        "{actor} made an API key",
    )
    .patch(key.patch(at)?, key.acts(at))
    .scope(None, Some(key.scope()));
    for (field, value) in told(&key) {
        event = event.changed(field, Value::Null, value);
    }
    let event = of_owner(&mut change, owner, event).await?;
    change.record(event).await?;
    let answer = Revealed {
        key: one(store, change.tx(), ctx, &key).await?,
        secret: secret.expose_secret().to_owned(),
    };
    change.answer(201, &answer).await?;
    change.commit().await?;
    Ok(answer)
}

/// Changes what a key is called and may do. What it may do no longer ends at once, on every open stream of it too.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: ApiKeyId,
    if_match: Option<i64>,
    wanted: &ApiKeyChange,
) -> Result<ApiKeyItem> {
    ctx.require("api_keys:manage")?;
    let mut act = Act::begin(store, ctx, id).await?;
    act.require_version(if_match)?;
    let (before, at) = (act.key.clone(), act.change.at());
    let key = &mut act.key;
    if let Some(name) = &wanted.name {
        key.name = input::name(name)?;
    }
    if let Some(scopes) = &wanted.scopes {
        let more = scopes.iter().filter(|scope| !key.scopes.contains(scope));
        input::require_proof(ctx, more, at)?;
        key.scopes = input::scopes(ctx, scopes)?;
        input::keep_resource_limits(&mut key.resource_limits, &key.scopes);
    }
    if let Some(limits) = &wanted.resource_limits {
        key.resource_limits = input::resource_limits(limits, &key.scopes)?;
    }
    if let Some(addresses) = &wanted.addresses {
        key.addresses = input::addresses(addresses)?;
    }
    if let Some(requests) = wanted.requests_per_minute {
        key.requests_per_minute = input::requests(requests)?;
    }
    if let Some(end) = wanted.expires_at {
        let longest = policy::longest(act.change.tx(), ctx.organization).await?;
        let made = act.key.rotated_at.unwrap_or(act.key.created_at);
        act.key.expires_at = input::end(end, (made, at), longest)?;
    }
    if input::loosens(&before, &act.key) {
        input::require_proof(ctx, &act.key.scopes, at)?;
    }
    let mut event = event(
        "api_key.updated",
        "api_keys.update",
        &before,
        "{actor} changed an API key",
    );
    for ((field, was), (_, is)) in told(&before).into_iter().zip(told(&act.key)) {
        event = event.changed(field, was, is);
    }
    if event.changes.is_empty() {
        return one(store, act.change.tx(), ctx, &before).await;
    }
    store::write(act.change.tx(), ctx.organization, &act.key, at).await?;
    act.finish(event, Looked::Again).await?;
    act.answered(store).await
}

/// Gives one's own key another secret. The present one works for as long as is asked for.
pub async fn rotate(
    store: &Store,
    ctx: &Ctx,
    environment: &str,
    id: ApiKeyId,
    rotation: Rotation,
) -> Result<Revealed> {
    ctx.require("api_keys:manage")?;
    let grace = rotation.grace()?;
    ctx.require_recent_proof(store.clock.now())?;
    let secret = secret::generate(environment)?;
    let mut act = Act::begin(store, ctx, id).await?;
    if !ctx.is_oneself(act.key.owner) {
        return Err(Error::new(
            Kind::Forbidden,
            "api_key.not_yours",
            "Whoever has a key's secret acts as its owner, so only they can replace it. Revoke it instead.",
        ));
    }
    let at = act.change.at();
    let longest = policy::longest(act.change.tx(), ctx.organization).await?;
    // an end that lies behind is moved on where the organization has a longest life, and must be set first otherwise
    let end = match (act.key.expires_at, longest) {
        (Some(end), Some(longest)) if end <= at => Some(at + longest),
        (Some(end), None) if end <= at => {
            return Err(Error::new(
                Kind::Conflict,
                "api_key.expired",
                "This key has reached its end. Set a later one first.",
            ));
        }
        (end, _) => end,
    };
    // its time does not begin anew with the other secret's
    let over = longest.map(|longest| act.key.rotated_at.unwrap_or(act.key.created_at) + longest);
    let until = over.map_or(at + grace, |over| over.min(at + grace));
    let until = (until > at).then_some(until);
    let (hint, hash) = (secret::hint(&secret), secret::hash(&secret));
    let organization = ctx.organization;
    store::rotate(
        act.change.tx(),
        organization,
        id,
        (&hint, &hash),
        until,
        (end, at),
    )
    .await?;
    let event = event(
        "api_key.rotated",
        "api_keys.rotate",
        &act.key,
        "{actor} gave an API key another secret",
    )
    .changed("hint", act.key.hint.as_str(), hint.as_str())
    .detail("grace_seconds", rotation.grace_seconds);
    act.finish(event, Looked::Again).await?;
    let answer = Revealed {
        key: one(store, act.change.tx(), ctx, &act.key).await?,
        secret: secret.expose_secret().to_owned(),
    };
    act.change.answer(200, &answer).await?;
    act.change.commit().await?;
    Ok(answer)
}

/// Takes a key back: one's own, or with `api_keys:manage` anybody's who holds no more than the actor. What is open by it
/// ends with the commit. A revoked key stays revoked, and that is no error.
pub async fn revoke(store: &Store, ctx: &Ctx, id: ApiKeyId, reason: &str) -> Result<ApiKeyItem> {
    let reason = reason.trim();
    if reason.chars().count() > 2_000 || reason.contains('\0') {
        return Err(Error::field("reason", "too_long", "At most 2000 characters."));
    }
    let mut act = Act::begin_any(store, ctx, id).await?;
    let at = act.change.at();
    if act.key.state(at) == KeyState::Revoked {
        return one(store, act.change.tx(), ctx, &act.key).await;
    }
    store::revoke(act.change.tx(), ctx.organization, id, (reason, at)).await?;
    let event = event(
        "api_key.revoked",
        "api_keys.revoke",
        &act.key,
        "{actor} revoked an API key",
    )
    .severity(Severity::Warn);
    act.finish(event, Looked::Ended).await?;
    act.answered(store).await
}

/// What other nodes do with what is open by a key.
#[derive(Clone, Copy)]
enum Looked {
    /// It is looked at again.
    Again,
    /// It ends.
    Ended,
}

/// One act on one key, which is locked.
struct Act {
    change: Change,
    key: ApiKey,
}

impl Act {
    /// On a key that is not revoked.
    async fn begin(store: &Store, ctx: &Ctx, id: ApiKeyId) -> Result<Self> {
        let act = Self::begin_any(store, ctx, id).await?;
        if act.key.revoked_at.is_none() {
            return Ok(act);
        }
        Err(Error::new(
            Kind::Conflict,
            "api_key.revoked",
            "This key was revoked, which cannot be undone. Make another.",
        ))
    }

    async fn begin_any(store: &Store, ctx: &Ctx, id: ApiKeyId) -> Result<Self> {
        ctx.require_session()?;
        let mut change = Change::begin(store, ctx).await?;
        let key = store::lock(change.tx(), ctx.organization, id).await?;
        let key = key.filter(|key| ctx.is_oneself(key.owner) || ctx.permissions.has("api_keys:read"));
        let key = key.ok_or_else(|| Error::not_found("api_key"))?;
        if !ctx.is_oneself(key.owner) {
            ctx.require("api_keys:manage")?;
            let held = rights::of(change.tx(), ctx.organization, key.owner).await?;
            ctx.require_over(&held)?;
        }
        Ok(Self { change, key })
    }

    fn require_version(&self, if_match: Option<i64>) -> Result<()> {
        if if_match.is_none_or(|version| version == self.key.version) {
            return Ok(());
        }
        let (ctx, at) = (self.change.ctx().clone(), self.change.at());
        let mut error = Error::new(
            Kind::Stale,
            "api_key.stale",
            "Somebody else has changed this key meanwhile. Look at it as it is now, then decide.",
        );
        error.current = Some(Box::new(self.key.row(&ctx, at)?));
        Err(error)
    }

    /// Reads the key as it is now, records what was done, and has every node know.
    async fn finish(&mut self, event: Event, looked: Looked) -> Result<()> {
        let (organization, at) = (self.change.ctx().organization, self.change.at());
        let before = self.key.scope();
        let key = store::one(self.change.tx(), organization, self.key.id).await?;
        self.key = key.ok_or_else(|| Error::internal("a locked key is not there"))?;
        let mut event = event
            .patch(self.key.patch(at)?, self.key.acts(at))
            .scope(Some(before), Some(self.key.scope()));
        event.subject = self.key.subject();
        event.reason = self
            .key
            .revoked_reason
            .clone()
            .filter(|reason| !reason.is_empty());
        let event = of_owner(&mut self.change, self.key.owner, event).await?;
        self.change.record(event).await?;
        let (version, reason) = match looked {
            Looked::Again => (Some(self.key.version), "api_key_changed"),
            Looked::Ended => (None, "API key revoked"),
        };
        self.change
            .revoke(Revocation {
                organization,
                kind: RevocationKind::Key,
                subject: self.key.id.0,
                access_version: version,
                reason: reason.to_owned(),
            })
            .await
    }

    async fn answered(mut self, store: &Store) -> Result<ApiKeyItem> {
        let ctx = self.change.ctx().clone();
        let item = one(store, self.change.tx(), &ctx, &self.key).await?;
        self.change.answer(200, &item).await?;
        self.change.commit().await?;
        Ok(item)
    }
}

fn event(kind: &'static str, action: &'static str, key: &ApiKey, text: &'static str) -> Event {
    Event::new(kind, action, key.subject(), CHANNEL, text).detail("name", key.name.as_str())
}

/// Has what `event` tells in people's words sealed with the key of `owner`: what they call their key, and why it was taken back. The
/// logs stay when they are erased.
pub(super) async fn of_owner(change: &mut Change, owner: UserId, mut event: Event) -> Result<Event> {
    let owner = people::person(change.tx(), owner).await?;
    let reason = event
        .patch
        .as_mut()
        .and_then(|patch| patch.get_mut("revoked_reason"));
    // a name among the changes and in the row, and the event's own reason, are sealed as a person's are
    let told = [event.details.get_mut("name"), event.data.get_mut("name"), reason];
    for value in told.into_iter().flatten().filter(|value| !value.is_null()) {
        *value = Value::String(change.sealer().seal(owner, value)?);
    }
    Ok(event.person(owner))
}

/// What the audit log keeps of a key's terms.
fn told(key: &ApiKey) -> Vec<(&'static str, Value)> {
    let end = key.expires_at.map(time::OffsetDateTime::unix_timestamp);
    let end = end.and_then(|end| time::OffsetDateTime::from_unix_timestamp(end).ok());
    let end = end.and_then(|end| end.format(&time::format_description::well_known::Rfc3339).ok());
    let addresses: Vec<String> = key.addresses.iter().map(ToString::to_string).collect();
    vec![
        ("name", json!(key.name)),
        ("scopes", json!(key.scopes)),
        ("addresses", json!(addresses)),
        ("requests_per_minute", json!(key.requests_per_minute)),
        ("resource_limits", json!(key.resource_limits)),
        ("expires_at", json!(end)),
    ]
}

async fn one(store: &Store, connection: &mut PgConnection, ctx: &Ctx, key: &ApiKey) -> Result<ApiKeyItem> {
    let mut items = shown(store, connection, ctx, std::slice::from_ref(key)).await?;
    items
        .pop()
        .ok_or_else(|| Error::internal("a key was lost while it was shown"))
}

/// Keys as the actor of `ctx` sees them, with their owners' names.
async fn shown(
    store: &Store,
    connection: &mut PgConnection,
    ctx: &Ctx,
    keys: &[ApiKey],
) -> Result<Vec<ApiKeyItem>> {
    let now = store.clock.now();
    let mut rows = keys
        .iter()
        .map(|key| key.row(ctx, now))
        .collect::<Result<Vec<_>>>()?;
    people::open(connection, &store.sealer, &mut rows).await?;
    rows.into_iter()
        .map(|row| Ok(serde_json::from_value(row)?))
        .collect()
}
