//! What people do with views.

use super::input::{NewSavedFilter, SavedFilterChange, Written};
use super::model::{AudienceKind, SavedFilter, SavedFilterList};
use super::{CHANNEL, MOST, SHARE, store};
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{SavedFilterId, UserId};

/// Views of `page` that the caller sees.
pub async fn list(store: &Store, ctx: &Ctx, page: &str) -> Result<SavedFilterList> {
    let user = person(ctx)?;
    let mut tx = store.db.read(ctx.organization).await?;
    let mut items = store::seen(&mut tx, ctx.organization, user, Some(page), None).await?;
    for item in &mut items {
        item.can = can(ctx, user, item);
    }
    Ok(SavedFilterList { items })
}

/// Keeps a view.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewSavedFilter) -> Result<SavedFilter> {
    let user = person(ctx)?;
    let written = Written {
        page: new.page.clone(),
        name: new.name.clone(),
        query: new.query.clone(),
        audience: new.audience,
        audience_id: new.audience_id,
    };
    let written = written.checked()?;
    let (id, mut change) = (SavedFilterId::new(), Change::begin(store, ctx).await?);
    require_audience(change.tx(), ctx, user, &written).await?;
    if store::count(change.tx(), ctx.organization, user).await? >= MOST {
        return Err(Error::new(
            Kind::Conflict,
            "saved_filter.too_many",
            format!("You keep {MOST} views already. Delete one first."),
        ));
    }
    let at = change.at();
    store::insert(change.tx(), ctx.organization, id, user, &written, at).await?;
    let made = one(change.tx(), ctx, user, id).await?;
    change.record(saved(&made, "saved_filters.create", None)).await?;
    change.answer(201, &made).await?;
    change.commit().await?;
    Ok(made)
}

/// Changes a view.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: SavedFilterId,
    if_match: Option<i64>,
    wanted: &SavedFilterChange,
) -> Result<SavedFilter> {
    let user = person(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let before = to_change(&mut change, user, id, if_match).await?;
    let audience = wanted.audience.unwrap_or(before.audience.kind);
    let written = Written {
        page: before.page.clone(),
        name: wanted.name.clone().unwrap_or_else(|| before.name.clone()),
        query: wanted.query.clone().unwrap_or_else(|| before.query.clone()),
        audience,
        audience_id: match wanted.audience {
            Some(_) => wanted.audience_id,
            None => before.audience.id,
        },
    };
    let written = written.checked()?;
    if (written.audience, written.audience_id) != (before.audience.kind, before.audience.id) {
        require_audience(change.tx(), ctx, user, &written).await?;
    }
    let at = change.at();
    store::update(change.tx(), ctx.organization, id, &written, at).await?;
    // whoever shares a view of somebody else with others than themselves does not see it any more
    let after = one(change.tx(), ctx, before.owner_id, id).await?;
    change
        .record(saved(&after, "saved_filters.update", Some(&before)))
        .await?;
    let after = SavedFilter {
        can: can(ctx, user, &after),
        is_default: before.is_default,
        ..after
    };
    change.answer(200, &after).await?;
    change.commit().await?;
    Ok(after)
}

/// Deletes a view.
pub async fn delete(store: &Store, ctx: &Ctx, id: SavedFilterId, if_match: Option<i64>) -> Result<()> {
    let user = person(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let before = to_change(&mut change, user, id, if_match).await?;
    store::delete(change.tx(), ctx.organization, id).await?;
    let mut event = event(
        "saved_filter.deleted",
        "saved_filters.delete",
        &before,
        "{actor} deleted {subject}",
    );
    event.scope_after = None;
    change.record(event).await?;
    change.commit().await
}

/// Has the view's page open with it, or no longer, for the caller alone.
pub async fn set_default(store: &Store, ctx: &Ctx, id: SavedFilterId, on: bool) -> Result<()> {
    let user = person(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let view = one(change.tx(), ctx, user, id).await?;
    let chosen = on.then_some(id);
    store::set_default(change.tx(), ctx.organization, user, &view.page, chosen).await?;
    let event = event(
        "saved_filter.default_set",
        "saved_filters.set_default",
        &view,
        "{actor} chose a view to begin with",
    );
    let event = Event {
        channels: vec![format!("inbox:{user}")],
        ..event.unaudited()
    };
    change.record(event).await?;
    change.commit().await
}

/// Views are people's: a program has none.
fn person(ctx: &Ctx) -> Result<UserId> {
    ctx.require_person()
}

/// A view for others is shared by who belongs to them; for everybody, or for others than one's own, by who may share.
async fn require_audience(
    connection: &mut PgConnection,
    ctx: &Ctx,
    user: UserId,
    written: &Written,
) -> Result<()> {
    let (organization, kind, id) = (ctx.organization, written.audience, written.audience_id);
    if !store::exists(connection, organization, kind, id).await? {
        return Err(Error::field(
            "audience_id",
            "unknown",
            "There is no such team or role.",
        ));
    }
    if store::belongs(connection, organization, user, kind, id).await? {
        return Ok(());
    }
    ctx.require(SHARE)
}

async fn to_change(
    change: &mut Change,
    user: UserId,
    id: SavedFilterId,
    if_match: Option<i64>,
) -> Result<SavedFilter> {
    let ctx = change.ctx().clone();
    if !store::lock(change.tx(), ctx.organization, id).await? {
        return Err(Error::not_found("saved_filter"));
    }
    let view = one(change.tx(), &ctx, user, id).await?;
    if can(&ctx, user, &view).is_empty() {
        return Err(Error::forbidden(SHARE));
    }
    if if_match.is_some_and(|version| version != view.version) {
        let detail = "Somebody changed this view meanwhile. Look at current and decide again.";
        let mut error = Error::new(Kind::Stale, "saved_filter.stale", detail);
        error.current = Some(Box::new(serde_json::to_value(view)?));
        return Err(error);
    }
    Ok(view)
}

async fn one(
    connection: &mut PgConnection,
    ctx: &Ctx,
    user: UserId,
    id: SavedFilterId,
) -> Result<SavedFilter> {
    let found = store::seen(connection, ctx.organization, user, None, Some(id))
        .await?
        .pop();
    let mut view = found.ok_or_else(|| Error::not_found("saved_filter"))?;
    view.can = can(ctx, user, &view);
    Ok(view)
}

fn can(ctx: &Ctx, user: UserId, view: &SavedFilter) -> Vec<String> {
    let shared = view.audience.kind != AudienceKind::Me && ctx.permissions.has(SHARE);
    if view.owner_id != user && !shared {
        return Vec::new();
    }
    ["saved_filters.update", "saved_filters.delete"]
        .map(str::to_owned)
        .into()
}

/// What others listen to is told also where a view is shared no longer.
fn saved(view: &SavedFilter, action: &'static str, before: Option<&SavedFilter>) -> Event {
    let mut event = event("saved_filter.saved", action, view, "{actor} saved {subject}");
    if before.is_some_and(|before| before.audience.kind != AudienceKind::Me)
        && view.audience.kind == AudienceKind::Me
    {
        event = event.also(CHANNEL);
    }
    event
}

fn event(kind: &'static str, action: &'static str, view: &SavedFilter, text: &'static str) -> Event {
    let subject = Subject {
        kind: "saved_filter".into(),
        id: view.id.0,
        version: view.version,
    };
    let own = view.audience.kind == AudienceKind::Me;
    let channel = if own {
        format!("inbox:{}", view.owner_id)
    } else {
        CHANNEL.to_owned()
    };
    let event = Event::new(kind, action, subject, channel, text)
        .data("page", view.page.as_str())
        .detail("page", view.page.as_str())
        .detail("audience", view.audience.kind.as_str());
    // what is only one's own is nobody else's business
    if own { event.unaudited() } else { event }
}
