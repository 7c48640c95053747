//! Making and deleting roles, and what their names and descriptions may be. Changing: [`super::update`].

use super::act::{Act, changes, event, require_acyclic, write};
use super::doors;
use super::list::{self, Role};
use super::proposal;
use super::statement::Statement;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::RoleId;
use crate::kernel::name;
use serde::Deserialize;

/// Roles of one organization at most: they are read and listed at once.
pub const ROLES: usize = 500;

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

/// Makes a role that nobody holds yet.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewRole) -> Result<Role> {
    let mut act = Act::begin(store, ctx).await?;
    let (name, description) = (checked_name(&new.name)?, checked_description(&new.description)?);
    if act.before.roles.len() >= ROLES {
        let detail = format!("An organization has {ROLES} roles at most. Delete one that nobody holds.");
        return Err(Error::new(Kind::Conflict, "roles.too_many", detail));
    }
    let id = RoleId::new();
    let (inherits, statements) = (Some(&*new.inherits), Some(&*new.statements));
    act.check(id, inherits, statements).await?;
    let mut after = act.before.clone();
    proposal::say(&mut after, id, inherits, statements);
    require_acyclic(&after)?;
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
    write(&mut act.change, id, inherits, statements).await?;
    let role = list::one(act.change.tx(), organization, id).await?;
    let event = event(
        &role,
        "role.created",
        "roles.create",
        "{actor} made the role {subject}",
    )?;
    act.change.record(changes(event, None, Some(&role))?).await?;
    act.finish(201, role).await
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

/// The name, trimmed.
pub fn checked_name(raw: &str) -> Result<String> {
    name::checked(raw, "A role's name")
}

/// The description, trimmed.
pub fn checked_description(raw: &str) -> Result<String> {
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
pub fn taken(error: sqlx::Error) -> Error {
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
