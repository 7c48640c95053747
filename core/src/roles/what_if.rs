//! What a change would do, without doing it.

use super::direct::Held;
use super::proposal::{Proposal, RoleEdit, at_change, require_several};
use super::statement;
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Scope;
use crate::kernel::id::{TeamId, UserId};
use crate::kernel::permission::{PermissionSet, Reach};
use crate::users::rights::model::Model;
use crate::users::rights::{self, read, read::Roles};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// People looked at, at most.
pub const PEOPLE: i64 = 10_000;
/// Pairs told, at most.
pub const PAIRS: usize = 1_000;
/// People read at a time.
const AT_ONCE: usize = 500;

/// A person and a permission that would not be as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Pair {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub permission: String,
    /// How far they hold it; null: not at all.
    pub before: Option<Held>,
    /// How far they would; null: not at all.
    pub after: Option<Held>,
    /// They would reach something that they do not now.
    pub gained: bool,
    /// They would not reach something that they do now.
    pub lost: bool,
}

/// What would come of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = WhatIf)]
pub struct Preview {
    /// Pairs that would change, 1000 at most.
    pub items: Vec<Pair>,
    /// Pairs gained, among the people looked at.
    pub gained: u64,
    /// Pairs lost, among the people looked at.
    pub lost: u64,
    /// People looked at, 10,000 at most.
    pub people: u64,
    /// False: there are more people, or more pairs, than were looked at or told.
    pub complete: bool,
}

/// Works out which pairs of a person and a permission would be gained and lost, and writes nothing.
pub async fn what_if(store: &Store, ctx: &Ctx, proposal: &Proposal) -> Result<Preview> {
    ctx.require("roles:read")?;
    ctx.require("users:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    check(&mut tx, ctx, proposal).await?;
    let roles = read::model(&mut tx, ctx.organization, &[], Roles::All).await?;
    if proposal
        .named()
        .iter()
        .any(|role| !roles.roles.contains_key(role))
    {
        return Err(Error::field(
            "roles",
            "unknown",
            "One of these roles does not exist; choose from GET /api/v1/roles.",
        ));
    }
    require_teams(&mut tx, ctx, proposal, &roles).await?;
    let changed = proposal.applied_to(&roles);
    if changed.is_cyclic() {
        return Err(Error::field(
            "inherits",
            "cycle",
            "The role would inherit from itself.",
        ));
    }
    let mut people = match proposal {
        Proposal::Roles { user, .. } | Proposal::Permissions { user, .. } | Proposal::Teams { user, .. } => {
            vec![*user]
        }
        Proposal::TeamRoles { team, .. } => members(&mut tx, ctx, *team).await?,
        Proposal::Role { role, .. } => {
            let heirs = roles.heirs(*role).into_iter().chain(changed.heirs(*role));
            holders(&mut tx, ctx, &heirs.collect()).await?
        }
        Proposal::SeveralRoles { changes } => {
            let of = |edit: &RoleEdit| roles.heirs(edit.role).into_iter().chain(changed.heirs(edit.role));
            holders(&mut tx, ctx, &changes.iter().flat_map(of).collect()).await?
        }
    };
    let mut preview = Preview {
        items: Vec::new(),
        gained: 0,
        lost: 0,
        people: 0,
        complete: people.len() as i64 <= PEOPLE,
    };
    people.truncate(PEOPLE as usize);
    preview.people = people.len() as u64;
    for some in people.chunks(AT_ONCE) {
        let before = read::model(&mut tx, ctx.organization, some, Roles::All).await?;
        let after = proposal.applied_to(&before);
        for user in some {
            preview.compare(*user, &before.permissions(*user), &after.permissions(*user));
        }
    }
    name(&mut tx, ctx, &mut preview.items).await?;
    Ok(preview)
}

/// Says how the people of these pairs are called.
async fn name(connection: &mut PgConnection, ctx: &Ctx, pairs: &mut [Pair]) -> Result<()> {
    let people: BTreeSet<Uuid> = pairs.iter().map(|pair| pair.user.0).collect();
    let people: Vec<Uuid> = people.into_iter().collect();
    let rows = sqlx::query!(
        "SELECT id, name FROM users WHERE organization_id = $1 AND id = ANY($2)",
        ctx.organization.0,
        &people,
    )
    .fetch_all(connection)
    .await?;
    let names: HashMap<Uuid, String> = rows.into_iter().map(|row| (row.id, row.name)).collect();
    for pair in pairs {
        pair.name = names.get(&pair.user.0).cloned().unwrap_or_default();
    }
    Ok(())
}

impl Preview {
    fn compare(&mut self, user: UserId, before: &PermissionSet, after: &PermissionSet) {
        let names: BTreeSet<&str> = before
            .reaches()
            .chain(after.reaches())
            .map(|(name, _)| name)
            .collect();
        for permission in names {
            let (was, is) = (before.reach(permission), after.reach(permission));
            if was == is {
                continue;
            }
            let one = |set: &PermissionSet| set.only(|name| name == permission);
            let (gained, lost) = (!one(before).covers(&one(after)), !one(after).covers(&one(before)));
            self.gained += u64::from(gained);
            self.lost += u64::from(lost);
            if self.items.len() >= PAIRS {
                self.complete = false;
                continue;
            }
            let held = |reach: Option<&Reach>| reach.map(|reach| Held::of(permission, reach));
            self.items.push(Pair {
                user,
                name: String::new(),
                permission: permission.to_owned(),
                before: held(was),
                after: held(is),
                gained,
                lost,
            });
        }
    }
}

/// Passes when the proposal could be written as it is.
async fn check(connection: &mut PgConnection, ctx: &Ctx, proposal: &Proposal) -> Result<()> {
    let none = Vec::new();
    let (statements, single, user) = match proposal {
        Proposal::SeveralRoles { changes } => return check_several(connection, ctx, changes).await,
        Proposal::Role { statements, .. } => (statements.as_ref().unwrap_or(&none), &[][..], None),
        Proposal::Roles { user, .. } | Proposal::Teams { user, .. } => (&none, &[][..], Some(*user)),
        Proposal::TeamRoles { .. } => (&none, &[][..], None),
        Proposal::Permissions {
            user,
            statements,
            single,
        } => (statements, single.as_slice(), Some(*user)),
    };
    if let Some(user) = user
        && crate::users::store::find(&mut *connection, ctx.organization, user)
            .await?
            .is_none()
    {
        return Err(Error::not_found("user"));
    }
    statement::check(connection, ctx.organization, statements, single).await
}

/// The same of several roles; what is wrong names which.
async fn check_several(connection: &mut PgConnection, ctx: &Ctx, changes: &[RoleEdit]) -> Result<()> {
    require_several(changes)?;
    for (at, edit) in changes.iter().enumerate() {
        let statements = edit.statements.as_deref().unwrap_or_default();
        let checked = statement::check(&mut *connection, ctx.organization, statements, &[]).await;
        checked.map_err(|error| at_change(at, error))?;
    }
    Ok(())
}

/// Passes when the teams that are named are there for the actor, and would carry only what a team may.
async fn require_teams(
    connection: &mut PgConnection,
    ctx: &Ctx,
    proposal: &Proposal,
    model: &Model,
) -> Result<()> {
    for team in proposal.named_teams() {
        let scope = Scope {
            teams: vec![team.0],
            owner: None,
        };
        let facts = scope.facts(ctx.organization, "team", team.0);
        if !model.teams.contains_key(&team.0) || !ctx.permissions.permits("teams:read", &facts) {
            return Err(Error::not_found("team"));
        }
    }
    match proposal {
        Proposal::TeamRoles { roles, .. } => {
            rights::require_not_the_owners(connection, ctx.organization, roles).await
        }
        _ => Ok(()),
    }
}

/// Who is in a team; there are few.
async fn members(connection: &mut PgConnection, ctx: &Ctx, team: TeamId) -> Result<Vec<UserId>> {
    let ids = sqlx::query_scalar!(
        "SELECT user_id FROM team_members WHERE organization_id = $1 AND team_id = $2 ORDER BY user_id",
        ctx.organization.0,
        team.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Who holds one of `roles`, one more than are looked at.
async fn holders(
    connection: &mut PgConnection,
    ctx: &Ctx,
    roles: &BTreeSet<crate::kernel::id::RoleId>,
) -> Result<Vec<UserId>> {
    let roles: Vec<Uuid> = roles.iter().map(|role| role.0).collect();
    let ids = sqlx::query_scalar!(
        r#"SELECT DISTINCT h.user_id AS "user_id!" FROM held_roles h JOIN users u ON u.id = h.user_id
           WHERE h.organization_id = $1 AND h.role_id = ANY($2) AND u.deleted_at IS NULL ORDER BY 1 LIMIT $3"#,
        ctx.organization.0,
        &roles,
        PEOPLE + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(UserId).collect())
}
