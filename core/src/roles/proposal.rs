//! A change of who may do what, before it is made: the same value is previewed, checked and written.

use super::statement::{self, Single, Statement};
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::users::rights::model::{Model, Person};
use serde::{Deserialize, Serialize};

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

impl Proposal {
    /// The roles that it names.
    pub fn named(&self) -> impl Iterator<Item = &RoleId> {
        let (role, more) = match self {
            Self::Role { role, inherits, .. } => (Some(role), inherits.as_deref()),
            Self::Roles { roles, .. } | Self::TeamRoles { roles, .. } => (None, Some(roles.as_slice())),
            Self::Permissions { .. } | Self::Teams { .. } => (None, None),
        };
        role.into_iter().chain(more.into_iter().flatten())
    }

    /// The teams that it names.
    pub fn named_teams(&self) -> &[TeamId] {
        match self {
            Self::TeamRoles { team, .. } => std::slice::from_ref(team),
            Self::Teams { teams, .. } => teams,
            Self::Role { .. } | Self::Roles { .. } | Self::Permissions { .. } => &[],
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
            } => {
                let role = model.roles.entry(*role).or_default();
                if let Some(inherits) = inherits {
                    role.parents = inherits.iter().copied().collect();
                }
                if let Some(statements) = statements {
                    role.says = statement::says(statements);
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
