//! Seeing, changing and wiping a profile: one's own, or with a permission somebody's.

use super::check::ProfileChange;
use super::model::{ProfileItem, seen};
use super::privacy::Viewer;
use super::store;
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::UserId;
use crate::users::{self, User, rights};
use serde_json::json;

/// One profile as the actor of `ctx` sees it: their own, or with `profiles:read` that of somebody whom they see.
pub async fn get(store: &Store, ctx: &Ctx, user: UserId) -> Result<ProfileItem> {
    if !ctx.is_oneself(user) {
        ctx.require_some("profiles:read")?;
    }
    let mut tx = store.db.read(ctx.organization).await?;
    let user = users::store::find(&mut tx, ctx.organization, user).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    if !ctx.is_oneself(user.id) {
        require(&user, ctx, "profiles:read")?;
    }
    shown(&mut tx, ctx, &user).await
}

/// Changes a profile: one's own, or with `profiles:update` that of somebody who may do no more.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    user: UserId,
    if_match: Option<i64>,
    wanted: &ProfileChange,
) -> Result<ProfileItem> {
    let (mut change, user) = begin(store, ctx, user).await?;
    let before = store::profile(change.tx(), ctx.organization, user.id).await?;
    if if_match.is_some_and(|version| version != before.version) {
        return Err(stale(&mut change, &user).await?);
    }
    let after = wanted.applied_to(&before)?;
    let (was, is) = (serde_json::to_value(&before)?, serde_json::to_value(&after)?);
    let fields: Vec<&String> = is
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, value)| was[field.as_str()] != **value)
        .map(|(field, _)| field)
        .collect();
    if fields.is_empty() {
        return shown(change.tx(), ctx, &user).await;
    }
    let at = change.at();
    store::write(change.tx(), ctx.organization, user.id, &after, at).await?;
    let text = "{actor} changed the profile of {subject}";
    let event = event("profile.updated", "profiles.update", &user, text)
        .data("fields", json!(fields))
        .detail("fields", json!(fields));
    change.record(event).await?;
    let item = shown(change.tx(), ctx, &user).await?;
    change.answer(200, &item).await?;
    change.commit().await?;
    Ok(item)
}

async fn stale(change: &mut Change, user: &User) -> Result<Error> {
    let why = "Somebody changed this profile meanwhile. Look at current and decide again.";
    let mut error = Error::new(Kind::Stale, "profile.stale", why);
    let ctx = change.ctx().clone();
    let current = shown(change.tx(), &ctx, user).await?;
    error.current = Some(Box::new(serde_json::to_value(current)?));
    Ok(error)
}

/// Wipes a profile with all that hangs on it: privacy and wallets. Nothing there is no error.
pub async fn remove(store: &Store, ctx: &Ctx, user: UserId, if_match: Option<i64>) -> Result<()> {
    let (mut change, user) = begin(store, ctx, user).await?;
    let before = store::profile(change.tx(), ctx.organization, user.id).await?;
    if if_match.is_some_and(|version| version != before.version) {
        return Err(stale(&mut change, &user).await?);
    }
    if !store::wipe(change.tx(), ctx.organization, user.id).await? {
        return Ok(());
    }
    let text = "{actor} wiped the profile of {subject}";
    let event = event("profile.deleted", "profiles.delete", &user, text).severity(Severity::Warn);
    change.record(event).await?;
    change.commit().await
}

/// The person, locked, whose profile the actor may change.
pub(super) async fn begin(store: &Store, ctx: &Ctx, user: UserId) -> Result<(Change, User)> {
    let own = ctx.is_oneself(user);
    if !own {
        ctx.require_some("profiles:update")?;
    }
    let mut change = Change::begin(store, ctx).await?;
    let user = users::store::lock(change.tx(), ctx.organization, user).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    if !own {
        require(&user, ctx, "profiles:update")?;
        let held = rights::of(change.tx(), ctx.organization, user.id).await?;
        ctx.require_over(&held)?;
    }
    Ok((change, user))
}

/// Whom the actor may see in no way is not there.
fn require(user: &User, ctx: &Ctx, permission: &str) -> Result<()> {
    if user.is_permitted(ctx, permission) {
        Ok(())
    } else if user.is_permitted(ctx, "users:read") || user.is_permitted(ctx, "profiles:read") {
        Err(Error::forbidden(permission))
    } else {
        Err(Error::not_found("user"))
    }
}

/// Tells that something changed, and no value: values are shown by the one rule.
pub(super) fn event(kind: &'static str, action: &'static str, user: &User, text: &'static str) -> Event {
    Event::new(kind, action, user.subject(), users::CHANNEL, text)
        .also(format!("inbox:{}", user.id))
        .scope(Some(user.scope()), Some(user.scope()))
}

pub(super) async fn shown(connection: &mut PgConnection, ctx: &Ctx, user: &User) -> Result<ProfileItem> {
    let profile = store::profile(connection, ctx.organization, user.id).await?;
    let wallets = store::wallets(connection, ctx.organization, user.id).await?;
    let privacy = store::privacy(connection, ctx.organization, user.id).await?;
    let can = ctx.is_oneself(user.id) || may_change(connection, ctx, user).await?;
    Ok(seen(
        user.id,
        profile,
        wallets,
        &privacy,
        Viewer::of(ctx, user),
        can,
    ))
}

async fn may_change(connection: &mut PgConnection, ctx: &Ctx, user: &User) -> Result<bool> {
    if !user.is_permitted(ctx, "profiles:update") {
        return Ok(false);
    }
    let held = rights::of(connection, ctx.organization, user.id).await?;
    Ok(ctx.permissions.outranks(&held))
}
