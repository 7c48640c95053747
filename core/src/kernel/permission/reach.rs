//! How far a permission reaches.

use crate::kernel::id::{OrganizationId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Who holds a set: decides what "own" and "same team" mean in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// In which organization. Nothing reaches out of it.
    pub organization: OrganizationId,
    /// Who.
    pub user: UserId,
    /// Their teams, sorted.
    pub teams: Vec<Uuid>,
}

/// One row, by its kind (`user`, `team`, ..) and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// `user`, `team`, ...
    #[schema(example = "user")]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// What somebody lacked when they were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{permission} is not held")]
pub struct Missing {
    /// `<feature>:<verb>`.
    pub permission: String,
    /// The row that it was needed on; `None` for everything.
    pub resource: Option<Resource>,
}

/// What is known of a row when it is asked who may do something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceFacts<'a> {
    /// Whose row.
    pub organization: OrganizationId,
    /// `user`, `team`, ...
    pub kind: &'a str,
    /// Its id.
    pub id: Uuid,
    /// The person it belongs to; a person belongs to themselves.
    pub owner: Option<Uuid>,
    /// The teams it belongs to; a person's are those they are in.
    pub teams: &'a [Uuid],
}

impl ResourceFacts<'_> {
    /// Which row it is.
    pub fn resource(&self) -> Resource {
        Resource {
            kind: self.kind.to_owned(),
            id: self.id,
        }
    }
}

/// How far one permission reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Everything in the organization, without exception.
    Everything,
    /// Some rows.
    Rows(Box<Rows>),
}

/// Which rows: the union of the first four, without the denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// All that are not denied.
    pub everywhere: bool,
    /// Those that belong to the subject.
    pub own: bool,
    /// Those of the subject's teams.
    pub team: bool,
    /// These.
    pub single: BTreeSet<Resource>,
    /// Never these, whatever else is said.
    pub denied: BTreeSet<Resource>,
}

impl Reach {
    /// The reach of `rows`; `None` when no row can be among them.
    pub fn of(mut rows: Rows) -> Option<Self> {
        if rows.everywhere {
            if rows.denied.is_empty() {
                return Some(Self::Everything);
            }
            (rows.own, rows.team) = (false, false);
            rows.single.clear();
        }
        rows.single.retain(|resource| !rows.denied.contains(resource));
        let some = rows.everywhere || rows.own || rows.team || !rows.single.is_empty();
        some.then(|| Self::Rows(Box::new(rows)))
    }

    /// The rows as a value of their own.
    pub fn rows(&self) -> Rows {
        match self {
            Self::Everything => Rows {
                everywhere: true,
                ..Rows::default()
            },
            Self::Rows(rows) => (**rows).clone(),
        }
    }

    /// What is left of it without the subject's own rows.
    pub(super) fn beyond_own(&self) -> Option<Self> {
        match self {
            Self::Everything => Some(Self::Everything),
            Self::Rows(rows) => Self::of(Rows {
                own: false,
                ..(**rows).clone()
            }),
        }
    }

    /// True when every row in reach of `theirs`, held by `them`, is in reach of this, held by `us`. Judged without the
    /// rows: where it would hang on who owns one or whose team it is in, the answer is no.
    pub(super) fn covers(&self, us: Option<&Subject>, theirs: &Self, them: Option<&Subject>) -> bool {
        let ours = match self {
            Self::Everything => return true,
            Self::Rows(rows) => rows,
        };
        let theirs = theirs.rows();
        if !ours.denied.is_subset(&theirs.denied) {
            // they may reach a row that is denied here
            let reachable = |row: &Resource| {
                theirs.everywhere || theirs.own || theirs.team || theirs.single.contains(row)
            };
            if ours.denied.difference(&theirs.denied).any(reachable) {
                return false;
            }
        }
        if ours.everywhere {
            return true;
        }
        let (Some(us), Some(them)) = (us, them) else {
            return !theirs.everywhere
                && !theirs.own
                && !theirs.team
                && theirs.single.is_subset(&ours.single);
        };
        let own = !theirs.own || ours.own && us.user == them.user;
        let team = !theirs.team || ours.team && them.teams.iter().all(|team| us.teams.contains(team));
        !theirs.everywhere && own && team && theirs.single.is_subset(&ours.single)
    }
}
