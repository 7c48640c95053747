//! A team, and what is said of one.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::event::{Scope, Subject};
use crate::kernel::id::TeamId;
use crate::live::position::Position;
use crate::users::RoleName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Longest name and longest description, in characters.
const NAME: usize = 100;
const DESCRIPTION: usize = 2_000;

/// One team: the row, and at the same time the `patch` of every event about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Team {
    /// Id.
    pub id: TeamId,
    /// Unique in the organization, whatever its case.
    #[schema(example = "Support")]
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Roles that it carries: whoever is in it holds them. By name.
    pub roles: Vec<RoleName>,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// For `If-Match`; grows by one with each change of name, description or roles.
    pub version: i64,
}

/// What may be done to a team, by whoever may manage it.
pub(super) const ACTS: &[&str] = &[
    "teams.update",
    "teams.delete",
    "teams.add_member",
    "teams.remove_member",
];

impl Team {
    /// As the actor of `ctx` sees it.
    pub(super) fn seen_by(self, ctx: &Ctx, members: Option<i64>) -> TeamItem {
        let may = self.is_permitted(ctx, "teams:manage");
        let acts = ACTS.iter().filter(|_| may);
        TeamItem {
            can: acts.map(|act| (*act).to_owned()).collect(),
            members,
            team: self,
        }
    }

    /// True when the actor of `ctx` holds `permission` on this team.
    pub(super) fn is_permitted(&self, ctx: &Ctx, permission: &str) -> bool {
        let scope = self.scope();
        let facts = scope.facts(ctx.organization, "team", self.id.0);
        ctx.permissions.permits(permission, &facts)
    }

    /// Passes when the actor holds `permission` on this team; one that they may not even see is not there.
    pub(super) fn require(&self, ctx: &Ctx, permission: &str) -> Result<()> {
        if self.is_permitted(ctx, permission) {
            Ok(())
        } else if self.is_permitted(ctx, "teams:read") {
            Err(Error::forbidden(permission))
        } else {
            Err(Error::not_found("team"))
        }
    }

    pub(super) fn subject(&self) -> Subject {
        Subject {
            kind: "team".into(),
            id: self.id.0,
            version: self.version,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        Scope {
            teams: vec![self.id.0],
            owner: None,
        }
    }
}

/// One team as one viewer sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TeamItem {
    /// The team.
    #[serde(flatten)]
    pub team: Team,
    /// How many people are in it; null for viewers who may not see them all.
    pub members: Option<i64>,
    /// What this viewer may do to it: `teams.update`, `teams.delete`, `teams.add_member`, `teams.remove_member`.
    pub can: Vec<String>,
}

/// All teams.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TeamList {
    /// By name.
    pub items: Vec<TeamItem>,
    /// Where `feed:teams` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// One team.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OneTeam {
    /// The team.
    #[serde(flatten)]
    pub item: TeamItem,
    /// Where `feed:teams` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// A team to make.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// 1 to 100 characters, unique in the organization whatever its case.
    pub name: String,
    /// What it is for, at most 2,000 characters.
    #[serde(default)]
    pub description: String,
}

/// What is to become of a team; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamChange {
    /// As of a new one.
    pub name: Option<String>,
    /// As of a new one.
    pub description: Option<String>,
}

impl NewTeam {
    /// Checked and trimmed.
    pub(super) fn checked(&self) -> Result<Self> {
        let mut errors = Vec::new();
        let checked = Self {
            name: line("name", &self.name, NAME, &mut errors),
            description: line("description", &self.description, DESCRIPTION, &mut errors),
        };
        if checked.name.is_empty() && errors.is_empty() {
            errors.push(fault("name", "blank", "A team has a name.".to_owned()));
        }
        if errors.is_empty() {
            Ok(checked)
        } else {
            Err(Error::invalid(errors))
        }
    }
}

impl TeamChange {
    /// What `team` then says of itself, checked and trimmed.
    pub(super) fn applied_to(&self, team: &Team) -> Result<NewTeam> {
        let said = NewTeam {
            name: self.name.as_ref().unwrap_or(&team.name).clone(),
            description: self.description.as_ref().unwrap_or(&team.description).clone(),
        };
        said.checked()
    }
}

fn line(field: &'static str, raw: &str, longest: usize, errors: &mut Vec<FieldError>) -> String {
    let text = raw.trim();
    if text.chars().count() > longest {
        errors.push(fault(field, "too_long", format!("At most {longest} characters.")));
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        let why = "This holds a control character; remove it.".to_owned();
        errors.push(fault(field, "control_character", why));
    }
    text.to_owned()
}

fn fault(field: &str, code: &'static str, detail: String) -> FieldError {
    FieldError {
        field: field.to_owned(),
        code: code.into(),
        detail,
    }
}
