//! A change of who may do what, before it is made: the same value is previewed, checked and written.

use super::statement::{self, Single, Statement};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::users::rights::model::{Model, Person};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::once;

/// What would change. A list that is given replaces what there is; an absent one leaves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposal {
    /// What a role says, or from which it inherits.
    Role {
        /// The role.
        role: RoleId,
        /// Roles it inherits from.
        #[serde(default)]
        inherits: Option<Vec<RoleId>>,
        /// What it says itself.
        #[serde(default)]
        statements: Option<Vec<Statement>>,
    },
    /// What several roles say, or from which they inherit, all together.
    SeveralRoles {
        /// Each of another role, 1 to 100.
        changes: Vec<RoleEdit>,
    },
    /// Which roles a person holds themselves.
    Roles {
        /// The person.
        user: UserId,
        /// These, no more and no fewer.
        roles: Vec<RoleId>,
    },
    /// Which roles a team carries.
    TeamRoles {
        /// The team.
        team: TeamId,
        /// These, no more and no fewer.
        roles: Vec<RoleId>,
    },
    /// In which teams a person is.
    Teams {
        /// The person.
        user: UserId,
        /// In these, no more and no fewer.
        teams: Vec<TeamId>,
    },
    /// What is said of a person directly.
    Permissions {
        /// The person.
        user: UserId,
        /// On everything, or under a condition.
        statements: Vec<Statement>,
        /// On single rows.
        #[serde(default)]
        single: Vec<Single>,
    },
}

/// What one of several roles is to say, and from which it is to inherit. A list that is given replaces what there is; an
/// absent one leaves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleEdit {
    /// The role.
    pub role: RoleId,
    /// The version that was seen; of another nothing is saved. A preview does not look at it.
    #[serde(default)]
    pub version: Option<i64>,
    /// Roles it inherits from.
    #[serde(default)]
    pub inherits: Option<Vec<RoleId>>,
    /// What it says itself.
    #[serde(default)]
    pub statements: Option<Vec<Statement>>,
}

impl RoleEdit {
    fn named(&self) -> impl Iterator<Item = &RoleId> {
        once(&self.role).chain(self.inherits.iter().flatten())
    }
}

/// Roles changed together at most.
pub const SEVERAL: usize = 100;

/// Passes when each role is named once, and not too many are.
pub fn require_several(changes: &[RoleEdit]) -> Result<()> {
    let distinct: BTreeSet<RoleId> = changes.iter().map(|edit| edit.role).collect();
    if (1..=SEVERAL).contains(&changes.len()) && distinct.len() == changes.len() {
        return Ok(());
    }
    let detail = format!("Name 1 to {SEVERAL} roles, each once.");
    Err(Error::field("changes", "out_of_range", detail))
}

/// `error` as one about the change at `at` of several.
pub fn at_change(at: usize, mut error: Error) -> Error {
    for field in &mut error.errors {
        field.field = format!("changes.{at}.{}", field.field);
    }
    error
}

/// Has `role` inherit from `inherits` and say `statements`, where these are given.
pub fn say(model: &mut Model, role: RoleId, inherits: Option<&[RoleId]>, statements: Option<&[Statement]>) {
    let role = model.roles.entry(role).or_default();
    if let Some(inherits) = inherits {
        role.parents = inherits.iter().copied().collect();
    }
    if let Some(statements) = statements {
        role.says = statement::says(statements);
    }
}

impl Proposal {
    /// The roles that it names.
    pub fn named(&self) -> Vec<&RoleId> {
        match self {
            Self::Role { role, inherits, .. } => once(role).chain(inherits.iter().flatten()).collect(),
            Self::SeveralRoles { changes } => changes.iter().flat_map(RoleEdit::named).collect(),
            Self::Roles { roles, .. } | Self::TeamRoles { roles, .. } => roles.iter().collect(),
            Self::Permissions { .. } | Self::Teams { .. } => Vec::new(),
        }
    }

    /// The teams that it names.
    pub fn named_teams(&self) -> &[TeamId] {
        match self {
            Self::TeamRoles { team, .. } => std::slice::from_ref(team),
            Self::Teams { teams, .. } => teams,
            Self::Role { .. } | Self::SeveralRoles { .. } | Self::Roles { .. } | Self::Permissions { .. } => {
                &[]
            }
        }
    }

    /// `model` as it would be.
    pub fn applied_to(&self, model: &Model) -> Model {
        let mut model = model.clone();
        match self {
            Self::Role {
                role,
                inherits,
                statements,
            } => say(&mut model, *role, inherits.as_deref(), statements.as_deref()),
            Self::SeveralRoles { changes } => {
                for edit in changes {
                    let (inherits, statements) = (edit.inherits.as_deref(), edit.statements.as_deref());
                    say(&mut model, edit.role, inherits, statements);
                }
            }
            Self::Roles { user, roles } => {
                model.people.entry(*user).or_default().roles = roles.iter().copied().collect();
            }
            Self::TeamRoles { team, roles } => {
                model.teams.entry(team.0).or_default().roles = roles.iter().copied().collect();
            }
            Self::Teams { user, teams } => {
                let teams = teams.iter().map(|team| team.0).collect();
                model.people.entry(*user).or_default().teams = teams;
            }
            Self::Permissions {
                user,
                statements,
                single,
            } => {
                let person = model.people.entry(*user).or_default();
                *person = Person {
                    says: statement::says(statements),
                    single: statement::single(single),
                    ..std::mem::take(person)
                };
            }
        }
        model
    }
}
