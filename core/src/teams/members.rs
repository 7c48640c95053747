//! Who is in a team.

use super::model::Team;
use super::service::locked_as;
use super::{MEMBERS, TEAMS_OF_ONE, store};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::Event;
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::users::{self, TeamRole, User, UserItem, rights};
use serde_json::json;

/// Puts somebody into a team, or gives them another role in it. What they may see and do and who sees them changes with the
/// commit, on every open stream too.
pub async fn add_member(
    store: &Store,
    ctx: &Ctx,
    team: TeamId,
    user: UserId,
    role: TeamRole,
) -> Result<UserItem> {
    ctx.require_some("teams:manage")?;
    let mut change = Change::begin(store, ctx).await?;
    let team = locked_as(&mut change, team, "teams:manage").await?;
    let mover = begin(&mut change, user).await?;
    let present = mover.user.teams.iter().find(|present| present.id == team.id);
    if present.is_some_and(|present| present.role == role) {
        return mover.user.seen_by(ctx, &mover.held);
    }
    if present.is_none() {
        require_room(&mut change, team.id, &mover.user).await?;
        require_no_new_reach(&mut change, team.id, &mover.user).await?;
        require_giving(&mut change, &team, user).await?;
    }
    let at = change.at();
    let member = (team.id, user, role);
    store::put(change.tx(), ctx.organization, member, ctx.actor.user(), at).await?;
    let item = mover
        .finish(&mut change, &team, "teams.add_member", Some(role))
        .await?;
    change.answer(200, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Takes somebody out of a team. Whoever is not in it stays so.
pub async fn remove_member(store: &Store, ctx: &Ctx, team: TeamId, user: UserId) -> Result<()> {
    ctx.require_some("teams:manage")?;
    let mut change = Change::begin(store, ctx).await?;
    let team = locked_as(&mut change, team, "teams:manage").await?;
    let mover = begin(&mut change, user).await?;
    if !mover.user.teams.iter().any(|present| present.id == team.id) {
        return Ok(());
    }
    require_taking(&mut change, &team, &[user]).await?;
    store::take(change.tx(), ctx.organization, team.id, user).await?;
    mover
        .finish(&mut change, &team, "teams.remove_member", None)
        .await?;
    change.commit().await
}

/// Passes when the actor may do no more to `user` in `team` than before: nobody draws people into their own reach.
async fn require_no_new_reach(change: &mut Change, team: TeamId, user: &User) -> Result<()> {
    let ctx = change.ctx().clone();
    let (before, mut after) = (user.scope(), user.scope());
    after.teams.push(team.0);
    after.teams.sort_unstable();
    let [before, after] = [&before, &after].map(|scope| scope.facts(ctx.organization, "user", user.id.0));
    rights::require_no_new_reach(change.tx(), &ctx, &before, &after).await
}

/// Passes when the actor may give `user` what `team` carries: to put them there is to give it.
async fn require_giving(change: &mut Change, team: &Team, user: UserId) -> Result<()> {
    if team.roles.is_empty() {
        return Ok(());
    }
    let ctx = change.ctx().clone();
    rights::require_not_oneself(&ctx, &[user])?;
    let roles: Vec<RoleId> = team.roles.iter().map(|role| role.id).collect();
    rights::require_givable(change.tx(), &ctx, &roles).await
}

/// Passes when the actor may take from `people` what `team` carries: to take them out is to take it.
pub(super) async fn require_taking(change: &mut Change, team: &Team, people: &[UserId]) -> Result<()> {
    if team.roles.is_empty() {
        return Ok(());
    }
    let ctx = change.ctx().clone();
    ctx.require("roles:assign")?;
    rights::require_not_oneself(&ctx, people)?;
    rights::hold_still(change.tx(), ctx.organization).await
}

async fn begin(change: &mut Change, user: UserId) -> Result<Move> {
    let begun = Move::begin(change, user).await?;
    begun
        .filter(|begun| begun.user.is_permitted(change.ctx(), "users:read"))
        .ok_or_else(|| Error::not_found("user"))
}

async fn require_room(change: &mut Change, team: TeamId, user: &User) -> Result<()> {
    if user.teams.len() >= TEAMS_OF_ONE {
        let why = format!("This person is in {TEAMS_OF_ONE} teams already. Take them out of one first.");
        return Err(Error::new(Kind::Conflict, "team.too_many_of_one", why));
    }
    let organization = change.ctx().organization;
    let members = store::members(change.tx(), organization, team).await?;
    if members.len() as i64 >= MEMBERS {
        let why = format!("There are {MEMBERS} people in this team already. Make another team.");
        return Err(Error::new(Kind::Conflict, "team.full", why));
    }
    Ok(())
}

/// Somebody who comes or goes, locked; their team is locked already.
pub(super) struct Move {
    user: User,
    held: PermissionSet,
}

impl Move {
    /// Locks the person. `None` where there is no such person.
    pub async fn begin(change: &mut Change, user: UserId) -> Result<Option<Self>> {
        let organization = change.ctx().organization;
        let Some(user) = users::store::lock(change.tx(), organization, user).await? else {
            return Ok(None);
        };
        let held = rights::of(change.tx(), organization, user.id).await?;
        change.ctx().require_over(&held)?;
        Ok(Some(Self { user, held }))
    }

    /// They are in other teams now: records that, and has their rights looked at again.
    pub async fn finish(
        self,
        change: &mut Change,
        team: &Team,
        action: &'static str,
        role: Option<TeamRole>,
    ) -> Result<UserItem> {
        let (organization, at, id) = (change.ctx().organization, change.at(), self.user.id);
        let access_version = users::store::access_changed(change.tx(), organization, id, at).await?;
        let after = users::store::find(change.tx(), organization, id)
            .await?
            .ok_or_else(|| Error::internal("a person vanished under a lock"))?;
        // what they may do in a team they may do to its people
        let held = rights::of(change.tx(), organization, id).await?;
        change.ctx().require_over(&held)?;
        if !team.roles.is_empty() {
            // what it carries may grant, and deny
            rights::require_holds_gain(change.ctx(), &self.held, &held)?;
            rights::require_proof_of_gift(change.ctx(), &self.held, &held, at)?;
            rights::require_owners_whole(change.tx(), organization).await?;
        }
        let text = match role {
            Some(_) => "{actor} put {subject} into a team",
            None => "{actor} took {subject} out of a team",
        };
        let event = Event::new(
            "user.teams_changed",
            action,
            after.subject(),
            users::CHANNEL,
            text,
        )
        .also(format!("inbox:{id}"))
        .patch(after.patch()?, after.acts())
        .person(after.person())
        .scope(Some(self.user.scope()), Some(after.scope()))
        .detail("team", json!(team.id))
        .detail("role", json!(role))
        .changed("teams", json!(self.user.teams), json!(after.teams));
        change.record(event).await?;
        let looked_at = Revocation {
            organization,
            kind: RevocationKind::Access,
            subject: id.0,
            access_version: Some(access_version),
            reason: "teams_changed".to_owned(),
        };
        change.revoke(looked_at).await?;
        after.seen_by(change.ctx(), &held)
    }
}
