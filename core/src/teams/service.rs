//! Teams themselves: made, renamed, deleted, seen.

use super::members::{Move, require_taking};
use super::model::{ACTS, NewTeam, OneTeam, Team, TeamChange, TeamList};
use super::{CHANNEL, TEAMS, store};
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::TeamId;
use crate::live::position;
use serde_json::{Value, json};
use std::collections::HashMap;

/// All teams.
pub async fn list(store: &Store, ctx: &Ctx) -> Result<TeamList> {
    ctx.require_some("teams:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let teams = store::all(&mut tx, ctx.organization).await?;
    let sizes = sizes(&mut tx, ctx).await?;
    let seen = teams
        .into_iter()
        .filter(|team| team.is_permitted(ctx, "teams:read"))
        .map(|team| {
            let size = size(sizes.as_ref(), team.id);
            team.seen_by(ctx, size)
        });
    Ok(TeamList {
        items: seen.collect(),
        position,
    })
}

/// One team.
pub async fn get(store: &Store, ctx: &Ctx, id: TeamId) -> Result<OneTeam> {
    ctx.require_some("teams:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let team = store::find(&mut tx, ctx.organization, id).await?;
    let team = team
        .filter(|team| team.is_permitted(ctx, "teams:read"))
        .ok_or_else(|| Error::not_found("team"))?;
    let size = size(sizes(&mut tx, ctx).await?.as_ref(), id);
    Ok(OneTeam {
        item: team.seen_by(ctx, size),
        position,
    })
}

/// How many people are in each team, where the actor may see all of them.
async fn sizes(connection: &mut PgConnection, ctx: &Ctx) -> Result<Option<HashMap<TeamId, i64>>> {
    if !ctx.permissions.has("users:read") {
        return Ok(None);
    }
    store::sizes(connection, ctx.organization).await.map(Some)
}

fn size(sizes: Option<&HashMap<TeamId, i64>>, team: TeamId) -> Option<i64> {
    sizes.map(|sizes| sizes.get(&team).copied().unwrap_or_default())
}

/// Makes a team that nobody is in yet.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewTeam) -> Result<Team> {
    ctx.require("teams:manage")?;
    let new = new.checked()?;
    let mut change = Change::begin(store, ctx).await?;
    let (id, at) = (TeamId::new(), change.at());
    if store::count(change.tx(), ctx.organization).await? >= TEAMS {
        let why = format!("There are {TEAMS} teams already. Delete one that nobody needs.");
        return Err(Error::new(Kind::Conflict, "team.too_many", why));
    }
    store::insert(change.tx(), ctx.organization, id, &new, at).await?;
    let team = read(&mut change, id).await?;
    let event = event("team.created", "teams.create", &team, "{actor} made a team")
        .scope(None, Some(team.scope()))
        .changed("name", Value::Null, team.name.as_str());
    change
        .record(event.patch(serde_json::to_value(&team)?, ACTS.to_vec()))
        .await?;
    change.answer(201, &team).await?;
    change.commit().await?;
    Ok(team)
}

/// Changes what a team says of itself.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: TeamId,
    if_match: Option<i64>,
    wanted: &TeamChange,
) -> Result<Team> {
    ctx.require_some("teams:manage")?;
    let mut change = Change::begin(store, ctx).await?;
    let before = locked(&mut change, id, if_match).await?;
    let after = wanted.applied_to(&before)?;
    if (&after.name, &after.description) == (&before.name, &before.description) {
        return Ok(before);
    }
    let at = change.at();
    store::write(change.tx(), id, &after, at).await?;
    let team = read(&mut change, id).await?;
    let event = event("team.updated", "teams.update", &team, "{actor} changed a team")
        .changed("name", before.name, team.name.as_str())
        .changed("description", before.description, team.description.as_str());
    change
        .record(event.patch(serde_json::to_value(&team)?, ACTS.to_vec()))
        .await?;
    change.answer(200, &team).await?;
    change.commit().await?;
    Ok(team)
}

/// Deletes a team; whoever is in it leaves it first, as if taken out one by one.
pub async fn delete(store: &Store, ctx: &Ctx, id: TeamId, if_match: Option<i64>) -> Result<()> {
    ctx.require_some("teams:manage")?;
    let mut change = Change::begin(store, ctx).await?;
    let team = locked(&mut change, id, if_match).await?;
    let members = store::members(change.tx(), ctx.organization, id).await?;
    require_taking(&mut change, &team, &members).await?;
    let mut left = 0;
    for user in members {
        // deleted meanwhile, which took them out
        let Some(mover) = Move::begin(&mut change, user).await? else {
            continue;
        };
        store::take(change.tx(), ctx.organization, id, user).await?;
        mover
            .finish(&mut change, &team, "teams.remove_member", None)
            .await?;
        left += 1;
    }
    store::delete(change.tx(), id).await?;
    let mut event = event("team.deleted", "teams.delete", &team, "{actor} deleted a team")
        .severity(Severity::Warn)
        .scope(Some(team.scope()), None)
        .changed("name", team.name.as_str(), Value::Null)
        .detail("members", left);
    if !team.roles.is_empty() {
        event = event.changed("roles", json!(team.roles), Value::Null);
    }
    event.subject.version += 1;
    change.record(event).await?;
    change.commit().await
}

pub(super) fn event(kind: &'static str, action: &'static str, team: &Team, text: &'static str) -> Event {
    Event::new(kind, action, team.subject(), CHANNEL, text).scope(Some(team.scope()), Some(team.scope()))
}

pub(super) async fn read(change: &mut Change, id: TeamId) -> Result<Team> {
    let organization = change.ctx().organization;
    store::find(change.tx(), organization, id)
        .await?
        .ok_or_else(|| Error::internal("a team vanished under a lock"))
}

/// The team, locked, on which the actor holds `permission`.
pub(super) async fn locked_as(change: &mut Change, id: TeamId, permission: &str) -> Result<Team> {
    let organization = change.ctx().organization;
    let team = store::lock(change.tx(), organization, id).await?;
    let team = team.ok_or_else(|| Error::not_found("team"))?;
    team.require(change.ctx(), permission)?;
    Ok(team)
}

/// The team, locked. `If-Match`: an older version is answered with the present one.
async fn locked(change: &mut Change, id: TeamId, if_match: Option<i64>) -> Result<Team> {
    let team = locked_as(change, id, "teams:manage").await?;
    if if_match.is_none_or(|version| version == team.version) {
        return Ok(team);
    }
    let mut error = Error::new(
        Kind::Stale,
        "team.stale",
        "Somebody changed this team meanwhile. Look at current and decide again.",
    );
    error.current = Some(Box::new(serde_json::to_value(team)?));
    Err(error)
}
