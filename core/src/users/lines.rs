//! What people did, and what was done to them, as far as the viewer may see whom it is about.

use super::store;
use crate::Store;
use crate::activity::list::{self, ActivityList};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::UserId;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Reads one page of what a person did and what was done to them.
pub async fn of(
    store: &Store,
    ctx: &Ctx,
    id: UserId,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<ActivityList> {
    ctx.require_some("users:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let user = store::find(&mut tx, ctx.organization, id).await?;
    user.filter(|user| user.is_permitted(ctx, "users:read"))
        .ok_or_else(|| Error::not_found("user"))?;
    let mut list = list::list(store, &mut tx, ctx.organization, Some(id), limit, cursor).await?;
    hide_unseen(&mut tx, ctx, &mut list).await?;
    Ok(list)
}

/// Reads one page of what everybody did, for whoever sees the Overview.
pub async fn of_all(
    store: &Store,
    ctx: &Ctx,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<ActivityList> {
    ctx.require("overview:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let mut list = list::list(store, &mut tx, ctx.organization, None, limit, cursor).await?;
    hide_unseen(&mut tx, ctx, &mut list).await?;
    Ok(list)
}

/// Takes out of the lines whom the actor may not see.
async fn hide_unseen(connection: &mut PgConnection, ctx: &Ctx, list: &mut ActivityList) -> Result<()> {
    if ctx.permissions.has("users:read") {
        return Ok(());
    }
    let people = list.items.iter().flat_map(|line| {
        let subject = line.subject.id.filter(|_| line.subject.kind == "user");
        line.actor.id.into_iter().chain(subject)
    });
    let people: BTreeSet<UserId> = people.map(UserId).collect();
    let people: Vec<UserId> = people.into_iter().collect();
    let people = store::find_many(connection, ctx.organization, &people).await?;
    let seen: BTreeSet<Uuid> = people
        .iter()
        .filter(|user| user.is_permitted(ctx, "users:read") || ctx.is_oneself(user.id))
        .map(|user| user.id.0)
        .collect();
    for line in &mut list.items {
        if line.actor.id.take_if(|id| !seen.contains(id)).is_some() {
            line.actor.name = None;
        }
        let subject = &mut line.subject;
        if subject.kind == "user" && subject.id.take_if(|id| !seen.contains(id)).is_some() {
            subject.label = None;
        }
    }
    Ok(())
}
