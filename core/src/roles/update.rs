//! Changing roles: one, or several together. Whatever is refused of one of several leaves all of them as they are.

use super::act::{Act, changes, event, require_acyclic, write};
use super::doors;
use super::list::{self, Role};
use super::manage::{checked_description, checked_name, taken};
use super::proposal::{self, RoleEdit};
use super::statement::Statement;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::RoleId;
use crate::users::rights;
use crate::users::rights::model::Model;
use serde::{Deserialize, Serialize};

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

/// Changes of several roles, made together or not at all.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleChanges {
    /// Each of another role, 1 to 100.
    pub changes: Vec<RoleEdit>,
}

/// Roles that were changed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ChangedRoles {
    /// As they are now, in the order that was asked.
    pub items: Vec<Role>,
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
    let wanted = Wanted::of(None, role, wanted.clone())?;
    let mut now = act.update(&[wanted]).await?;
    let now = now.pop().ok_or_else(|| Error::not_found("role"))?;
    act.end(now).await
}

/// Changes several roles together: all of them, or none. Each is checked as one is, and together they are checked as what
/// comes of all.
pub async fn update_many(store: &Store, ctx: &Ctx, wanted: &RoleChanges) -> Result<ChangedRoles> {
    let mut act = Act::begin(store, ctx).await?;
    proposal::require_several(&wanted.changes)?;
    act.require_seen(&wanted.changes).await?;
    let mut each = Vec::with_capacity(wanted.changes.len());
    for (at, edit) in wanted.changes.iter().enumerate() {
        let role = act.role(edit.role, None, true).await;
        let role = role.map_err(|error| named(&act.before, at, edit.role, error))?;
        let change = RoleChange {
            inherits: edit.inherits.clone(),
            statements: edit.statements.clone(),
            ..RoleChange::default()
        };
        each.push(Wanted::of(Some(at), role, change)?);
    }
    let items = act.update(&each).await?;
    act.end(ChangedRoles { items }).await
}

/// A role, and what is to change of it.
struct Wanted {
    /// Its place, where it is one of several.
    at: Option<usize>,
    role: Role,
    change: RoleChange,
}

impl Wanted {
    fn of(at: Option<usize>, role: Role, mut change: RoleChange) -> Result<Self> {
        change.name = change.name.as_deref().map(checked_name).transpose()?;
        let description = change.description.as_deref();
        change.description = description.map(checked_description).transpose()?;
        Ok(Self { at, role, change })
    }

    fn inherits(&self) -> Option<&[RoleId]> {
        self.change.inherits.as_deref()
    }

    fn statements(&self) -> Option<&[Statement]> {
        self.change.statements.as_deref()
    }

    /// True where `after` has other rights in it because of this.
    fn moves(&self, before: &Model, after: &Model) -> bool {
        before.roles.get(&self.role.id) != after.roles.get(&self.role.id)
    }

    /// True where its holders need no second factor any more because of this.
    fn asks_no_factor_any_more(&self) -> bool {
        self.role.requires_factor && self.change.requires_factor == Some(false)
    }

    /// True where it is so already, rights aside.
    fn is_called_so(&self) -> bool {
        let RoleChange {
            name,
            description,
            requires_factor,
            ..
        } = &self.change;
        name.as_ref().is_none_or(|name| *name == self.role.name)
            && description
                .as_ref()
                .is_none_or(|description| *description == self.role.description)
            && requires_factor.is_none_or(|requires| requires == self.role.requires_factor)
    }

    /// `error`, saying of which of several it is.
    fn blamed(&self, model: &Model) -> impl FnOnce(Error) -> Error {
        move |error| match self.at {
            Some(at) => named(model, at, self.role.id, error),
            None => error,
        }
    }
}

/// `error` as one about the role at `at` of several.
fn named(model: &Model, at: usize, id: RoleId, error: Error) -> Error {
    let mut error = proposal::at_change(at, error);
    let role = model.roles.get(&id);
    if let Some(role) = role
        && matches!(error.kind, Kind::Forbidden | Kind::Conflict)
    {
        error.detail = format!("{}: {}", role.name, error.detail);
    }
    error
}

impl Act {
    /// Passes when the roles are those that were seen. Names all that are not, so that all can be looked at again at once.
    async fn require_seen(&mut self, edits: &[RoleEdit]) -> Result<()> {
        let organization = self.change.ctx().organization;
        let mut stale = Vec::new();
        for edit in edits {
            let Some(version) = edit.version else { continue };
            let role = list::one(self.change.tx(), organization, edit.role).await?;
            if role.version != version {
                stale.push(role);
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = stale.iter().map(|role| &*role.name).collect();
        let detail = format!(
            "Somebody changed {} meanwhile, so none of these roles was changed. Look at current and decide again.",
            names.join(", ")
        );
        let mut error = Error::new(Kind::Stale, "role.stale", detail);
        error.current = Some(Box::new(serde_json::to_value(ChangedRoles { items: stale })?));
        Err(error)
    }

    /// Makes all of these changes, after every check of all; the roles as they are then.
    async fn update(&mut self, wanted: &[Wanted]) -> Result<Vec<Role>> {
        let after = self.checked(wanted).await?;
        let mut now = Vec::with_capacity(wanted.len());
        for one in wanted {
            now.push(if one.is_called_so() && !one.moves(&self.before, &after) {
                one.role.clone()
            } else {
                self.write(one).await?
            });
        }
        if after != self.before {
            let organization = self.change.ctx().organization;
            rights::require_owners_whole(self.change.tx(), organization).await?;
            self.look_again("role_changed").await?;
        }
        Ok(now)
    }

    /// The model as it would be. Nobody rises by it, by one of the changes or by all together.
    async fn checked(&mut self, wanted: &[Wanted]) -> Result<Model> {
        let (ctx, before) = (self.change.ctx().clone(), self.before.clone());
        let mut after = before.clone();
        for one in wanted {
            let id = one.role.id;
            doors::require_within_reach(&ctx, &before, id).map_err(one.blamed(&before))?;
            let sayable = self.check(id, one.inherits(), one.statements()).await;
            sayable.map_err(one.blamed(&before))?;
            proposal::say(&mut after, id, one.inherits(), one.statements());
        }
        require_acyclic(&after)?;
        for one in wanted {
            doors::require_no_rise(&ctx, &before, &after, one.role.id).map_err(one.blamed(&before))?;
        }
        let bears = |one: &&Wanted| one.moves(&before, &after) || one.asks_no_factor_any_more();
        for one in wanted.iter().filter(bears) {
            let heirs = before.heirs(one.role.id);
            let over = doors::require_over_holders(self.change.tx(), &ctx, &before, &heirs).await;
            over.map_err(one.blamed(&before))?;
        }
        Ok(after)
    }

    async fn write(&mut self, wanted: &Wanted) -> Result<Role> {
        let (organization, at) = (self.change.ctx().organization, self.change.at());
        let Wanted { role, change, .. } = wanted;
        sqlx::query!(
            "UPDATE roles SET name = coalesce($2, name), description = coalesce($3, description),
           requires_factor = coalesce($5, requires_factor), version = version + 1, updated_at = $4 WHERE id = $1",
            role.id.0,
            change.name,
            change.description,
            at,
            change.requires_factor,
        )
        .execute(self.change.tx())
        .await
        .map_err(taken)?;
        write(&mut self.change, role.id, wanted.inherits(), wanted.statements()).await?;
        let now = list::one(self.change.tx(), organization, role.id).await?;
        let event = event(
            &now,
            "role.changed",
            "roles.update",
            "{actor} changed the role {subject}",
        )?;
        self.change
            .record(changes(event, Some(role), Some(&now))?)
            .await?;
        Ok(now)
    }

    /// Commits, where anything was changed.
    async fn end<T: Serialize>(self, answer: T) -> Result<T> {
        if self.change.is_empty() {
            return Ok(answer);
        }
        self.finish(200, answer).await
    }
}
