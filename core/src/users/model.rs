//! A person as the hub knows them, and as a viewer sees them.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Scope, Subject};
use crate::kernel::id::{ImportId, RoleId, TeamId, UserId};
use crate::kernel::permission::{PermissionSet, ResourceFacts};
use crate::kernel::seal::Person;
use crate::live::view::ViewClass;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// May sign in.
    Active,
    /// Was asked to come.
    Invited,
    /// Is held back for a while.
    Suspended,
    /// Is shut out, for a reason.
    Banned,
}

impl UserStatus {
    const ALL: [Self; 4] = [Self::Active, Self::Invited, Self::Suspended, Self::Banned];

    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::Suspended => "suspended",
            Self::Banned => "banned",
        }
    }

    /// From the database or a query; `None` for what is no status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The Overview's counter of this status, where there is one.
    pub fn counter(self) -> Option<&'static str> {
        match self {
            Self::Active => Some("users_active"),
            Self::Banned => Some("users_banned"),
            Self::Invited | Self::Suspended => None,
        }
    }
}

/// A role that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RoleName {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: String,
}

/// What somebody is in a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamRole {
    /// Answers for it.
    Lead,
    /// Works in it.
    #[default]
    Member,
}

impl TeamRole {
    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Member => "member",
        }
    }

    /// From the database; `None` for what is no role in a team.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Lead, Self::Member]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// A team that somebody is in. By its id alone, so that a team's new name changes nobody's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InTeam {
    /// The team.
    pub id: TeamId,
    /// What they are in it.
    pub role: TeamRole,
}

/// One person: the row, and at the same time the `patch` of every event about it.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Address, trimmed and lower-case.
    pub email: String,
    /// Name as it is shown.
    pub name: String,
    /// State.
    pub status: UserStatus,
    /// Phone number, as written.
    pub phone: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// URL of a picture.
    pub profile_image: Option<String>,
    /// What the organization records for employment equity, as it likes.
    pub employment_equity: Option<Value>,
    /// What an operator's own programs keep about a person.
    pub metadata: Value,
    /// Roles that they hold themselves, by name. What their teams carry stands with the teams.
    pub roles: Vec<RoleName>,
    /// Teams, by id.
    pub teams: Vec<InTeam>,
    /// Last sign-in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_login_at: Option<OffsetDateTime>,
    /// Added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Banned since.
    #[serde(with = "time::serde::rfc3339::option")]
    pub banned_at: Option<OffsetDateTime>,
    /// Why banned.
    pub ban_reason: Option<String>,
    /// Grows by one with each change.
    pub version: i64,
    /// The import that last wrote this row.
    pub last_import_id: Option<ImportId>,
    /// Must choose a new password at the next sign-in.
    pub must_change_password: bool,
    /// Random part of the key that seals this person's values.
    #[serde(skip)]
    pub seal_salt: Uuid,
    /// Bumped by every change of what this person may do.
    #[serde(skip)]
    pub access_version: i64,
}

/// A person as one viewer sees them.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = User)]
pub struct UserItem {
    /// Id.
    pub id: UserId,
    /// Address; null for viewers without `users:read_pii`.
    pub email: Option<String>,
    /// Name as it is shown.
    pub name: String,
    /// State.
    pub status: UserStatus,
    /// Phone number; null for viewers without `users:read_pii`.
    pub phone: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// URL of a picture.
    pub profile_image: Option<String>,
    /// Employment equity; null for viewers without `users:read_pii`.
    pub employment_equity: Option<Value>,
    /// What an operator's own programs keep about a person.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Roles that they hold themselves, by name. What their teams carry stands with the teams.
    pub roles: Vec<RoleName>,
    /// Teams, by id.
    pub teams: Vec<InTeam>,
    /// Last sign-in.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_login_at: Option<OffsetDateTime>,
    /// Added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Banned since.
    #[serde(with = "time::serde::rfc3339::option")]
    pub banned_at: Option<OffsetDateTime>,
    /// Why banned.
    pub ban_reason: Option<String>,
    /// For `If-Match`; grows by one with each change.
    pub version: i64,
    /// The import that last wrote this row.
    pub last_import_id: Option<ImportId>,
    /// Must choose a new password at the next sign-in.
    pub must_change_password: bool,
    /// What this viewer may do to this person: `users.update`, `users.ban`, ...
    pub can: Vec<String>,
    /// Fields that are null because this viewer may not see them.
    pub masked: Vec<String>,
}

/// What may be done to somebody, and the permission it needs.
const ACTS: &[(&str, &str)] = &[
    ("users.update", "users:update"),
    ("users.delete", "users:delete"),
    ("users.ban", "users:ban"),
    ("users.unban", "users:ban"),
    ("users.reset_password", "users:reset_password"),
    ("users.reset_factors", "users:reset_factors"),
    ("roles.assign", "roles:assign"),
    ("users.impersonate", "users:impersonate"),
    ("personal_data.export", "users:export"),
    ("users.erase", "users:erase"),
];

/// What nobody does to themselves.
const NOT_TO_ONESELF: &[&str] = &[
    "users.delete",
    "users.ban",
    "users.unban",
    "users.reset_password",
    "users.reset_factors",
    "roles.assign",
    "users.impersonate",
    "users.erase",
];

impl User {
    /// What the row's state allows, the same for all.
    pub fn acts(&self) -> Vec<&'static str> {
        let banned = self.status == UserStatus::Banned;
        let allowed = |act: &str| match act {
            "users.ban" => !banned,
            "users.unban" => banned,
            "users.impersonate" => self.status == UserStatus::Active,
            _ => true,
        };
        ACTS.iter()
            .map(|(act, _)| *act)
            .filter(|act| allowed(act))
            .collect()
    }

    /// Passes where the version that the caller saw is the present one. `held`: what the person may do.
    ///
    /// # Errors
    /// `user.stale`, with the person as they are.
    pub fn require_version(&self, ctx: &Ctx, held: &PermissionSet, if_match: Option<i64>) -> Result<()> {
        if if_match.is_none_or(|version| version == self.version) {
            return Ok(());
        }
        let why = "Somebody changed this person meanwhile. Look at current and decide again.";
        let mut error = Error::new(Kind::Stale, "user.stale", why);
        error.current = Some(Box::new(serde_json::to_value(self.seen_by(ctx, held)?)?));
        Err(error)
    }

    /// True when the actor of `ctx` holds `permission` on this person.
    pub fn is_permitted(&self, ctx: &Ctx, permission: &str) -> bool {
        let scope = self.scope();
        ctx.permissions.permits(permission, &self.facts(ctx, &scope))
    }

    /// Passes when the actor holds `permission` on this person; whom they may not even see is not there.
    pub fn require(&self, ctx: &Ctx, permission: &str) -> Result<()> {
        if self.is_permitted(ctx, permission) {
            Ok(())
        } else if self.is_permitted(ctx, "users:read") {
            ctx.require_on(permission, &self.facts(ctx, &self.scope()))
        } else {
            Err(Error::not_found("user"))
        }
    }

    fn facts<'a>(&self, ctx: &Ctx, scope: &'a Scope) -> ResourceFacts<'a> {
        scope.facts(ctx.organization, "user", self.id.0)
    }

    /// What the actor of `ctx` may do, given what this person holds. The same rules as in `service`, so that what is
    /// shown is what is granted.
    pub fn can(&self, ctx: &Ctx, held: &PermissionSet) -> Vec<String> {
        let bits = self.acts_by(ctx, held);
        let mine = ACTS.iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0);
        mine.map(|(_, (act, _))| (*act).to_owned()).collect()
    }

    /// As [`Self::can`], a bit for each of [`ACTS`].
    pub(super) fn acts_by(&self, ctx: &Ctx, held: &PermissionSet) -> u16 {
        if !ctx.permissions.outranks(held) {
            return 0;
        }
        let (oneself, scope) = (ctx.actor.user() == Some(self.id), self.scope());
        let (facts, acts) = (self.facts(ctx, &scope), self.acts());
        let may = |act: &str, permission: &str| {
            acts.contains(&act)
                && !(oneself && NOT_TO_ONESELF.contains(&act))
                && ctx.permissions.permits(permission, &facts)
                // whoever may do as much is nobody to act as
                && (act != "users.impersonate" || !held.outranks(&ctx.permissions))
        };
        let bits = ACTS.iter().enumerate();
        bits.filter(|(_, (act, permission))| may(act, permission))
            .fold(0, |bits, (bit, _)| bits | 1 << bit)
    }

    /// As the actor of `ctx` sees it: masked by the one rule of `live::view`, with what they may do.
    pub fn seen_by(&self, ctx: &Ctx, held: &PermissionSet) -> Result<UserItem> {
        let mut row = self.patch()?;
        let scope = self.scope();
        ViewClass::of_row(&ctx.permissions, &self.facts(ctx, &scope)).mask("user", &mut row);
        row["can"] = serde_json::to_value(self.can(ctx, held))?;
        Ok(serde_json::from_value(row)?)
    }

    /// The full visible post-image.
    pub fn patch(&self) -> Result<Value> {
        Ok(serde_json::to_value(self)?)
    }

    /// For events.
    pub fn subject(&self) -> Subject {
        Subject {
            kind: "user".into(),
            id: self.id.0,
            version: self.version,
        }
    }

    /// Whose key seals this row's values.
    pub fn person(&self) -> Person {
        Person {
            id: self.id,
            salt: self.seal_salt,
        }
    }

    /// Facts that decide who may see the row.
    pub fn scope(&self) -> Scope {
        let mut teams: Vec<Uuid> = self.teams.iter().map(|team| team.id.0).collect();
        teams.sort_unstable();
        Scope {
            teams,
            owner: Some(self.id.0),
        }
    }
}
