//! Making, changing and deleting roles. Every act: permission, the organization's roles taken, checks on the model before
//! and after, write, record, everybody looked at again, commit.

use super::list::{self, Role};
use super::proposal::Proposal;
use super::statement::{self, Statement};
use super::{CHANNEL, doors};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, RoleId};
use crate::kernel::name;
use crate::users::rights::model::Model;
use crate::users::rights::{self, read, read::Roles};
use serde::Deserialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Roles of one organization at most: they are read and listed at once.
pub const ROLES: usize = 500;
/// Roles that one role inherits from at most.
pub const PARENTS: usize = 32;

/// A role to be made.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// Unique in the organization, 1 to 100 characters.
    pub name: String,
    /// What it is for, at most 2000 characters.
    #[serde(default)]
    pub description: String,
    /// Roles it inherits from.
    #[serde(default)]
    pub inherits: Vec<RoleId>,
    /// What it says itself.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// Whether its holders need a second factor.
    #[serde(default)]
    pub requires_factor: bool,
}

/// What is to change of a role; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Roles it inherits from, no more and no fewer.
    #[serde(default)]
    pub inherits: Option<Vec<RoleId>>,
    /// What it says itself, no more and no less.
    #[serde(default)]
    pub statements: Option<Vec<Statement>>,
    /// Whether its holders, and those of roles that inherit from it, need a second factor. The one thing that changes of the
    /// hub's own roles.
    #[serde(default)]
    pub requires_factor: Option<bool>,
}

impl RoleChange {
    /// True where nothing else is to change.
    fn is_about_factors_alone(&self) -> bool {
        let Self {
            name,
            description,
            inherits,
            statements,
            requires_factor,
        } = self;
        let others = name.is_some() || description.is_some() || inherits.is_some() || statements.is_some();
        requires_factor.is_some() && !others
    }
}

/// Makes a role that nobody holds yet.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewRole) -> Result<Role> {
    let mut act = Act::begin(store, ctx).await?;
    let (name, description) = (checked_name(&new.name)?, checked_description(&new.description)?);
    if act.before.roles.len() >= ROLES {
        let detail = format!("An organization has {ROLES} roles at most. Delete one that nobody holds.");
        return Err(Error::new(Kind::Conflict, "roles.too_many", detail));
    }
    let id = RoleId::new();
    let after = act.check(id, Some(&new.inherits), Some(&new.statements)).await?;
    doors::require_no_rise(ctx, &act.before, &after, id)?;
    let (organization, at) = (ctx.organization, act.change.at());
    sqlx::query!(
        "INSERT INTO roles (id, organization_id, name, description, requires_factor, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $6, $5, $5)",
        id.0,
        organization.0,
        name,
        description,
        at,
        new.requires_factor,
    )
    .execute(act.change.tx())
    .await
    .map_err(taken)?;
    write(&mut act.change, id, Some(&new.inherits), Some(&new.statements)).await?;
    let role = list::one(act.change.tx(), organization, id).await?;
    let event = event(
        &role,
        "role.created",
        "roles.create",
        "{actor} made the role {subject}",
    )?;
    let event = changes(event, None, Some(&role))?;
    act.finish(201, event, role).await
}

/// Changes a role. What its holders may do changes with the commit, on every open stream of theirs too.
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: RoleId,
    if_match: Option<i64>,
    wanted: &RoleChange,
) -> Result<Role> {
    let mut act = Act::begin(store, ctx).await?;
    let role = act.role(id, if_match, !wanted.is_about_factors_alone()).await?;
    let name = wanted.name.as_deref().map(checked_name).transpose()?;
    let description = wanted
        .description
        .as_deref()
        .map(checked_description)
        .transpose()?;
    doors::require_within_reach(ctx, &act.before, id)?;
    let (inherits, statements) = (wanted.inherits.as_deref(), wanted.statements.as_deref());
    let after = act.check(id, inherits, statements).await?;
    doors::require_no_rise(ctx, &act.before, &after, id)?;
    let alike = after == act.before;
    if !alike {
        let heirs = act.before.heirs(id);
        let before = act.before.clone();
        doors::require_over_holders(act.change.tx(), ctx, &before, &heirs).await?;
    }
    let at = act.change.at();
    sqlx::query!(
        "UPDATE roles SET name = coalesce($2, name), description = coalesce($3, description),
           requires_factor = coalesce($5, requires_factor), version = version + 1, updated_at = $4 WHERE id = $1",
        id.0,
        name,
        description,
        at,
        wanted.requires_factor,
    )
    .execute(act.change.tx())
    .await
    .map_err(taken)?;
    write(&mut act.change, id, inherits, statements).await?;
    let now = list::one(act.change.tx(), ctx.organization, id).await?;
    let event = event(
        &now,
        "role.changed",
        "roles.update",
        "{actor} changed the role {subject}",
    )?;
    let event = changes(event, Some(&role), Some(&now))?;
    if event.changes.is_empty() {
        // dropped with everything that was written: nothing happened
        return Ok(role);
    }
    if !alike {
        rights::require_owners_whole(act.change.tx(), ctx.organization).await?;
        act.look_again("role_changed").await?;
    }
    act.finish(200, event, now).await
}

/// Deletes a role that nobody holds, no team carries and no role inherits from.
pub async fn delete(store: &Store, ctx: &Ctx, id: RoleId, if_match: Option<i64>) -> Result<()> {
    let mut act = Act::begin(store, ctx).await?;
    let role = act.role(id, if_match, true).await?;
    doors::require_within_reach(ctx, &act.before, id)?;
    let organization = ctx.organization;
    let held = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_roles WHERE organization_id = $1 AND role_id = $2)
             OR EXISTS (SELECT FROM team_roles WHERE organization_id = $1 AND role_id = $2)
             OR EXISTS (SELECT FROM role_parents WHERE organization_id = $1 AND parent_id = $2) AS "held!""#,
        organization.0,
        id.0,
    )
    .fetch_one(act.change.tx())
    .await?;
    if held {
        return Err(Error::new(
            Kind::Conflict,
            "role.in_use",
            "Somebody holds this role, a team carries it, or another role inherits from it. Take it from all of them first.",
        ));
    }
    sqlx::query!(
        "DELETE FROM roles WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0
    )
    .execute(act.change.tx())
    .await?;
    let mut event = event(
        &role,
        "role.deleted",
        "roles.delete",
        "{actor} deleted the role {subject}",
    )?;
    event.subject.version += 1;
    event.scope_after = None;
    let event = changes(event, Some(&role), None)?;
    act.change.record(event).await?;
    act.change.commit().await
}

/// One act on the roles of an organization, which are taken.
struct Act {
    change: Change,
    epoch: i64,
    /// Every role, and the actor.
    before: Model,
}

impl Act {
    async fn begin(store: &Store, ctx: &Ctx) -> Result<Self> {
        ctx.require("roles:manage")?;
        ctx.require_recent_proof(store.clock.now())?;
        let mut change = Change::begin(store, ctx).await?;
        let epoch = rights::take_roles(change.tx(), ctx.organization).await?;
        let actor: Vec<_> = ctx.actor.user().into_iter().collect();
        let before = read::model(change.tx(), ctx.organization, &actor, Roles::All).await?;
        Ok(Self {
            change,
            epoch,
            before,
        })
    }

    /// The role, of the version that is believed; where `custom`, not one of the hub's own.
    async fn role(&mut self, id: RoleId, if_match: Option<i64>, custom: bool) -> Result<Role> {
        let organization = self.change.ctx().organization;
        let role = list::one(self.change.tx(), organization, id).await?;
        if custom && role.predefined {
            return Err(Error::new(
                Kind::Conflict,
                "role.predefined",
                "The hub's own roles stay as they are. Make a role that inherits from this one.",
            ));
        }
        if if_match.is_none_or(|version| version == role.version) {
            return Ok(role);
        }
        let mut error = Error::new(
            Kind::Stale,
            "role.stale",
            "Somebody changed this role meanwhile. Look at current and decide again.",
        );
        error.current = Some(Box::new(serde_json::to_value(role)?));
        Err(error)
    }

    /// The model with the role as wanted, which can be written.
    async fn check(
        &mut self,
        id: RoleId,
        inherits: Option<&[RoleId]>,
        statements: Option<&[Statement]>,
    ) -> Result<Model> {
        let organization = self.change.ctx().organization;
        statement::check(
            self.change.tx(),
            organization,
            statements.unwrap_or_default(),
            &[],
        )
        .await?;
        require_parents(&self.before, id, inherits.unwrap_or_default())?;
        let proposal = Proposal::Role {
            role: id,
            inherits: inherits.map(<[_]>::to_vec),
            statements: statements.map(<[_]>::to_vec),
        };
        let after = proposal.applied_to(&self.before);
        if after.is_cyclic() {
            return Err(Error::new(
                Kind::Conflict,
                "role.cycle",
                "A role cannot inherit from itself, through others neither.",
            ));
        }
        Ok(after)
    }

    /// Has everybody of the organization looked at again, the moment this commits.
    async fn look_again(&mut self, reason: &str) -> Result<()> {
        let organization = self.change.ctx().organization;
        self.change
            .revoke(Revocation {
                organization,
                kind: RevocationKind::Organization,
                subject: organization.0,
                access_version: Some(self.epoch),
                reason: reason.to_owned(),
            })
            .await
    }

    async fn finish(mut self, status: u16, event: Event, role: Role) -> Result<Role> {
        self.change.record(event).await?;
        self.change.answer(status, &role).await?;
        self.change.commit().await?;
        Ok(role)
    }
}

fn require_parents(model: &Model, id: RoleId, inherits: &[RoleId]) -> Result<()> {
    let distinct: BTreeSet<&RoleId> = inherits.iter().collect();
    if distinct.len() < inherits.len() || inherits.len() > PARENTS {
        let detail = format!("Name each role once, {PARENTS} at most.");
        return Err(Error::field("inherits", "out_of_range", detail));
    }
    if inherits
        .iter()
        .any(|parent| *parent != id && !model.roles.contains_key(parent))
    {
        return Err(Error::field(
            "inherits",
            "unknown",
            "One of these roles does not exist; choose from GET /api/v1/roles.",
        ));
    }
    Ok(())
}

/// Writes from which roles `id` inherits and what it says, where that is given.
async fn write(
    change: &mut Change,
    id: RoleId,
    inherits: Option<&[RoleId]>,
    statements: Option<&[Statement]>,
) -> Result<()> {
    let organization = change.ctx().organization;
    if let Some(inherits) = inherits {
        let parents: Vec<Uuid> = inherits.iter().map(|role| role.0).collect();
        write_parents(change, organization, id, &parents).await?;
    }
    let Some(statements) = statements else {
        return Ok(());
    };
    let names: Vec<String> = statements.iter().map(|said| said.permission.clone()).collect();
    let columns = statements.iter().map(|said| said.says().columns());
    let (granted, only_on): (Vec<bool>, Vec<Option<String>>) = columns
        .map(|(granted, only_on)| (granted, only_on.map(str::to_owned)))
        .unzip();
    sqlx::query!(
        "DELETE FROM role_permissions WHERE organization_id = $1 AND role_id = $2",
        organization.0,
        id.0
    )
    .execute(change.tx())
    .await?;
    sqlx::query!(
        "INSERT INTO role_permissions (organization_id, role_id, permission, granted, only_on)
         SELECT $1, $2, name, granted, only_on FROM unnest($3::text[], $4::boolean[], $5::text[]) AS said (name, granted, only_on)",
        organization.0,
        id.0,
        &names,
        &granted,
        &only_on as &[Option<String>],
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

async fn write_parents(
    change: &mut Change,
    organization: OrganizationId,
    id: RoleId,
    parents: &[Uuid],
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM role_parents WHERE organization_id = $1 AND role_id = $2",
        organization.0,
        id.0
    )
    .execute(change.tx())
    .await?;
    sqlx::query!(
        "INSERT INTO role_parents (organization_id, role_id, parent_id) SELECT $1, $2, parent FROM unnest($3::uuid[]) AS parent",
        organization.0,
        id.0,
        parents,
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

fn event(role: &Role, kind: &'static str, action: &'static str, text: &'static str) -> Result<Event> {
    let event = Event::new(kind, action, role.subject(), CHANNEL, text).severity(Severity::Warn);
    Ok(event
        .patch(serde_json::to_value(role)?, Vec::new())
        .detail("name", role.name.clone()))
}

/// What is different, field by field.
fn changes(mut event: Event, before: Option<&Role>, after: Option<&Role>) -> Result<Event> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    for field in ["name", "description", "inherits", "statements", "requires_factor"] {
        event = event.changed(field, before[field].clone(), after[field].clone());
    }
    Ok(event)
}

fn checked_name(raw: &str) -> Result<String> {
    name::checked(raw, "A role's name")
}

fn checked_description(raw: &str) -> Result<String> {
    if raw.chars().count() <= 2_000 && !raw.contains('\0') {
        return Ok(raw.trim().to_owned());
    }
    Err(Error::field(
        "description",
        "too_long",
        "This is too long; shorten it to 2000 characters.",
    ))
}

/// Two roles of one name: `role.name_taken`.
fn taken(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint != Some("roles_organization_id_name_key") {
        return error.into();
    }
    Error::new(
        Kind::Conflict,
        "role.name_taken",
        "There is a role of this name already. Choose another name.",
    )
}
