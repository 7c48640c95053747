//! One act on the roles of an organization, and the statements by which roles are written. Every act: permission, the
//! organization's roles taken, checks on the model before and after, write, record, everybody looked at again, commit.

use super::CHANNEL;
use super::list::{self, Role};
use super::statement::{self, Statement};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, RoleId};
use crate::users::rights::model::Model;
use crate::users::rights::{self, read, read::Roles};
use serde::Serialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Roles that one role inherits from at most.
pub const PARENTS: usize = 32;

/// One act on the roles of an organization, which are taken.
pub struct Act {
    /// What it is written through.
    pub change: Change,
    epoch: i64,
    /// Every role, and the actor.
    pub before: Model,
}

impl Act {
    /// Takes the roles; nobody else changes any until this is over.
    pub async fn begin(store: &Store, ctx: &Ctx) -> Result<Self> {
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
    pub async fn role(&mut self, id: RoleId, if_match: Option<i64>, custom: bool) -> Result<Role> {
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

    /// Passes when a role can say this and inherit from these.
    pub async fn check(
        &mut self,
        id: RoleId,
        inherits: Option<&[RoleId]>,
        statements: Option<&[Statement]>,
    ) -> Result<()> {
        let organization = self.change.ctx().organization;
        statement::check(
            self.change.tx(),
            organization,
            statements.unwrap_or_default(),
            &[],
        )
        .await?;
        require_parents(&self.before, id, inherits.unwrap_or_default())
    }

    /// Has everybody of the organization looked at again, the moment this commits.
    pub async fn look_again(&mut self, reason: &str) -> Result<()> {
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

    /// Commits; the answer is kept for a repeat of the request.
    pub async fn finish<T: Serialize>(mut self, status: u16, answer: T) -> Result<T> {
        self.change.answer(status, &answer).await?;
        self.change.commit().await?;
        Ok(answer)
    }
}

/// Passes when no role inherits from itself.
pub fn require_acyclic(model: &Model) -> Result<()> {
    if !model.is_cyclic() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "role.cycle",
        "A role cannot inherit from itself, through others neither.",
    ))
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
pub async fn write(
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

/// An event about `role`.
pub fn event(role: &Role, kind: &'static str, action: &'static str, text: &'static str) -> Result<Event> {
    let event = Event::new(kind, action, role.subject(), CHANNEL, text).severity(Severity::Warn);
    Ok(event
        .patch(serde_json::to_value(role)?, Vec::new())
        .detail("name", role.name.clone()))
}

/// What is different, field by field.
pub fn changes(mut event: Event, before: Option<&Role>, after: Option<&Role>) -> Result<Event> {
    let (before, after) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    for field in ["name", "description", "inherits", "statements", "requires_factor"] {
        event = event.changed(field, before[field].clone(), after[field].clone());
    }
    Ok(event)
}
