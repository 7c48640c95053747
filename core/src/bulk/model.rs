//! What is asked for, and what came of it.

use crate::kernel::id::{BulkId, JobId, RoleId, TeamId, UserId};
use crate::users::UserStatus;
use crate::users::search::Query;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is done to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Shuts them out; needs a reason.
    Ban,
    /// Lets the banned in again.
    Unban,
    /// Holds them back for a while; needs a reason.
    Suspend,
    /// Ends suspensions.
    Reinstate,
    /// Marks them as deleted.
    Delete,
    /// Gives them a role.
    AssignRole,
    /// Takes a role from them.
    RevokeRole,
    /// Gives each a one-time password. Only for people who are named: it is shown once.
    ResetPassword,
}

impl BulkAction {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Delete => "delete",
            Self::AssignRole => "assign_role",
            Self::RevokeRole => "revoke_role",
            Self::ResetPassword => "reset_password",
        }
    }

    /// What it takes; of each person it is asked again.
    pub fn permission(self) -> &'static str {
        match self {
            Self::Ban | Self::Unban | Self::Suspend | Self::Reinstate => "users:ban",
            Self::Delete => "users:delete",
            Self::AssignRole | Self::RevokeRole => "roles:assign",
            Self::ResetPassword => "users:reset_password",
        }
    }

    /// Whether whoever asks for it must have proved lately who they are: it opens or ends something for good. As for one person,
    /// but for roles, which are given to many at once without a look at each.
    pub fn wants_proof(self) -> bool {
        matches!(self, Self::Delete | Self::ResetPassword | Self::AssignRole)
    }

    /// From the database; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(text)).ok()
    }
}

/// Whom a filter finds: the filters of the list of people.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkFilter {
    /// Text in name, e-mail or department.
    #[serde(default)]
    pub q: Option<String>,
    /// Only people in this state.
    #[serde(default)]
    pub status: Option<UserStatus>,
    /// Only holders of this role, themselves or through a team.
    #[serde(default)]
    pub role: Option<RoleId>,
    /// Only members of this team.
    #[serde(default)]
    pub team: Option<TeamId>,
    /// Only this department, whatever its case.
    #[serde(default)]
    pub department: Option<String>,
}

impl From<BulkFilter> for Query {
    fn from(filter: BulkFilter) -> Self {
        Self {
            q: filter.q,
            status: filter.status,
            role: filter.role,
            team: filter.team,
            department: filter.department,
            ..Self::default()
        }
    }
}

/// What is asked for: of `ids` and `filter` exactly one.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBulk {
    /// What is done to each.
    pub action: BulkAction,
    /// Why, for `ban` and `suspend`; 1 to 2000 characters.
    #[serde(default)]
    pub reason: Option<String>,
    /// Which role, for `assign_role` and `revoke_role`.
    #[serde(default)]
    pub role: Option<RoleId>,
    /// These people, 500 at most (50 for `reset_password`): done before the answer.
    #[serde(default)]
    pub ids: Option<Vec<UserId>>,
    /// Everybody whom this finds, 100,000 at most: done as a job.
    #[serde(default)]
    pub filter: Option<BulkFilter>,
    /// True: only counts.
    #[serde(default)]
    pub dry_run: bool,
    /// How many the filter found in the dry run: another number now is refused.
    #[serde(default)]
    pub expected: Option<i64>,
}

/// What came of it for one person.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = UserBulkItem)]
pub struct BulkItem {
    /// Whose.
    pub user: UserId,
    /// True: done, or there was nothing to do.
    pub done: bool,
    /// Why not; the same code as for one person alone.
    pub code: Option<String>,
    /// What to do about it.
    pub detail: Option<String>,
    /// Shown once, for `reset_password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_time_password: Option<String>,
}

/// What came of it, or what would.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct BulkOutcome {
    /// How many people it is about.
    pub count: i64,
    /// How many open sessions they have; told by a dry run.
    pub sessions: i64,
    /// How many it was done to.
    pub done: i64,
    /// How many it could not be done to.
    pub failed: i64,
    /// Person by person, in the order asked; only for `ids`.
    pub items: Vec<BulkItem>,
    /// The act, where it goes on as a job.
    pub bulk_id: Option<BulkId>,
    /// The job.
    pub job_id: Option<JobId>,
}

/// An act on everybody whom a filter found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct BulkRun {
    /// Id.
    pub id: BulkId,
    /// Its job.
    pub job_id: JobId,
    /// What is done to each.
    pub action: BulkAction,
    /// How many people it is for.
    pub total: i64,
    /// How many it was done to.
    pub done: i64,
    /// How many it could not be done to.
    pub failed: i64,
    /// How many it did not reach (yet).
    pub left: i64,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Which role is given or taken.
    #[serde(skip)]
    pub role: Option<RoleId>,
    /// Why.
    #[serde(skip)]
    pub reason: Option<String>,
    /// Who asked.
    #[serde(skip)]
    pub created_by: Option<UserId>,
}
