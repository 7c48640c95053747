//! Which roles a team carries for whoever is in it.
//!
//! To give a team a role is to give it to each of its members, so it asks for the same: `roles:assign`, to hold all that the role
//! gives, to stand above each of them, and not to be one of them. The same is asked of whoever puts people into a team that
//! carries roles, takes them out, or deletes it (`members`, `service`).

use super::model::{ACTS, Team, TeamItem};
use super::service::{event, locked_as, read};
use super::{ROLES_OF_ONE, store};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::users::{self, rights};
use serde_json::json;
use std::collections::HashMap;

/// Members whose rights are read at once.
const AT_ONCE: usize = 100;

/// Has a team carry a role. What its members may do changes with the commit, on every open stream too. What it carries already
/// stays so.
pub async fn give_role(store: &Store, ctx: &Ctx, team: TeamId, role: RoleId) -> Result<TeamItem> {
    let mut act = Act::begin(store, ctx, team, role).await?;
    if act.carries() {
        return Ok(act.item());
    }
    let carried = act.team.roles.len();
    if carried >= ROLES_OF_ONE {
        let why =
            format!("This team carries {carried} roles already. Make a role that inherits from several.");
        return Err(Error::new(Kind::Conflict, "team.too_many_roles", why));
    }
    rights::require_not_the_owners(act.change.tx(), ctx.organization, &[role]).await?;
    let (at, by) = (act.change.at(), ctx.actor.user());
    // whoever comes into the team later holds it as well
    let gives = rights::given_by(act.change.tx(), ctx.organization, role).await?;
    rights::require_proof_of_gift(ctx, &PermissionSet::default(), &gives, at)?;
    store::give(act.change.tx(), ctx.organization, (team, role), by, at).await?;
    act.finish("teams.give_role", "{actor} gave a team a role").await
}

/// Has a team no longer carry a role. What it does not carry stays so.
pub async fn take_role(store: &Store, ctx: &Ctx, team: TeamId, role: RoleId) -> Result<()> {
    let mut act = Act::begin(store, ctx, team, role).await?;
    if !act.carries() {
        return Ok(());
    }
    let at = act.change.at();
    store::strip(act.change.tx(), ctx.organization, (team, role), at).await?;
    act.finish("teams.take_role", "{actor} took a role from a team")
        .await?;
    Ok(())
}

/// One act on what a team carries. The team is locked, and with it who is in it; so are the organization's roles, and with them what
/// anybody may do.
struct Act {
    change: Change,
    team: Team,
    role: RoleId,
    epoch: i64,
    members: Vec<UserId>,
    /// What the members may do before.
    held: HashMap<UserId, PermissionSet>,
}

impl Act {
    async fn begin(store: &Store, ctx: &Ctx, team: TeamId, role: RoleId) -> Result<Self> {
        ctx.require("roles:assign")?;
        let mut change = Change::begin(store, ctx).await?;
        let team = locked_as(&mut change, team, "teams:read").await?;
        let members = store::members(change.tx(), ctx.organization, team.id).await?;
        rights::require_not_oneself(ctx, &members)?;
        let epoch = rights::take_roles(change.tx(), ctx.organization).await?;
        if !users::store::is_role(change.tx(), ctx.organization, role).await? {
            return Err(Error::not_found("role"));
        }
        rights::require_givable(change.tx(), ctx, &[role]).await?;
        let held = held(&mut change, &members).await?;
        for member in held.values() {
            ctx.require_over(member)?;
        }
        Ok(Self {
            change,
            team,
            role,
            epoch,
            members,
            held,
        })
    }

    fn carries(&self) -> bool {
        self.team.roles.iter().any(|carried| carried.id == self.role)
    }

    fn item(&self) -> TeamItem {
        let ctx = self.change.ctx();
        let sees_people = ctx.permissions.has("users:read");
        let size = sees_people.then_some(self.members.len() as i64);
        self.team.clone().seen_by(ctx, size)
    }

    /// It is written: checks what comes of it for each member, records it, and has everybody looked at again.
    async fn finish(mut self, action: &'static str, text: &'static str) -> Result<TeamItem> {
        let (organization, nothing) = (self.change.ctx().organization, PermissionSet::default());
        let holds = held(&mut self.change, &self.members).await?;
        for (member, after) in &holds {
            // a role that is taken may have denied something
            let before = self.held.get(member).unwrap_or(&nothing);
            rights::require_holds_gain(self.change.ctx(), before, after)?;
            rights::require_proof_of_gift(self.change.ctx(), before, after, self.change.at())?;
        }
        rights::require_owners_whole(self.change.tx(), organization).await?;
        let after = read(&mut self.change, self.team.id).await?;
        let before = std::mem::replace(&mut self.team, after);
        self.record(&before, action, text).await?;
        self.change
            .revoke(Revocation {
                organization,
                kind: RevocationKind::Organization,
                subject: organization.0,
                access_version: Some(self.epoch),
                reason: "team_roles_changed".to_owned(),
            })
            .await?;
        let item = self.item();
        self.change.answer(200, &item).await?;
        self.change.commit().await?;
        Ok(item)
    }

    async fn record(&mut self, before: &Team, action: &'static str, text: &'static str) -> Result<()> {
        let told = event("team.roles_changed", action, &self.team, text)
            .severity(Severity::Warn)
            .patch(serde_json::to_value(&self.team)?, ACTS.to_vec())
            .detail("role", json!(self.role))
            .detail("members", self.members.len())
            .changed("roles", json!(before.roles), json!(self.team.roles));
        self.change.record(told).await?;
        // whoever is in it hears that what they hold is another; the team itself is shown to those who may see it
        let mut inboxes = self.members.iter().map(|member| format!("inbox:{member}"));
        if let Some(first) = inboxes.next() {
            let hint = Event::new("team.roles_changed", action, self.team.subject(), first, text);
            self.change
                .record(inboxes.fold(hint, Event::also).unaudited())
                .await?;
        }
        Ok(())
    }
}

/// What each of `members` may do at this moment; whoever may do nothing is absent.
async fn held(change: &mut Change, members: &[UserId]) -> Result<HashMap<UserId, PermissionSet>> {
    let organization = change.ctx().organization;
    let mut held = HashMap::with_capacity(members.len());
    for some in members.chunks(AT_ONCE) {
        held.extend(rights::of_many(change.tx(), organization, some).await?);
    }
    Ok(held)
}
