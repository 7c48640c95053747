//! The rows of one kind that one permission of one subject reaches: the one definition behind a list's SQL and the test
//! of a delivered row.

use super::reach::{Reach, ResourceFacts, Subject};
use crate::kernel::id::OrganizationId;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

/// Rows of one kind: all, or the union of `owner`, `teams` and `single`; without `denied` in any case. Plain values, so
/// that a checked statement may bind them one by one (see [`RowFilter::push`] for the meaning).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowFilter {
    /// Of which organization; `None` in a set of bare names, which is nobody's.
    organization: Option<OrganizationId>,
    kind: String,
    /// All that are not denied.
    pub everywhere: bool,
    /// Rows that belong to this person.
    pub owner: Option<Uuid>,
    /// Rows that belong to one of these teams.
    pub teams: Vec<Uuid>,
    /// These rows.
    pub single: Vec<Uuid>,
    /// Never these rows.
    pub denied: Vec<Uuid>,
}

/// What stands for a row's facts in a statement: SQL expressions, never a person's text.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// A `uuid`, never null.
    pub id: &'static str,
    /// A `uuid`, null for nobody's.
    pub owner: &'static str,
    /// An expression of a `uuid[]` with the row's teams.
    pub teams: &'static str,
}

impl RowFilter {
    pub(super) fn of(subject: Option<&Subject>, reach: Option<&Reach>, kind: &str) -> Self {
        let rows = reach.map(Reach::rows).unwrap_or_default();
        let ids = |of: &std::collections::BTreeSet<super::Resource>| {
            of.iter()
                .filter(|row| row.kind == kind)
                .map(|row| row.id)
                .collect()
        };
        let own = subject.filter(|_| rows.own);
        let team = subject.filter(|_| rows.team);
        Self {
            organization: subject.map(|subject| subject.organization),
            kind: kind.to_owned(),
            everywhere: rows.everywhere,
            owner: own.map(|subject| subject.user.0),
            teams: team.map(|subject| subject.teams.clone()).unwrap_or_default(),
            single: ids(&rows.single),
            denied: ids(&rows.denied),
        }
    }

    /// True when the row that `facts` are about is among them.
    pub fn admits(&self, facts: &ResourceFacts<'_>) -> bool {
        if facts.kind != self.kind || self.organization.is_some_and(|own| own != facts.organization) {
            return false;
        }
        !self.denied.contains(&facts.id)
            && (self.everywhere
                || facts.owner.is_some() && facts.owner == self.owner
                || facts.teams.iter().any(|team| self.teams.contains(team))
                || self.single.contains(&facts.id))
    }

    /// True when every row is among them: nothing need be asked of a row.
    pub fn is_everything(&self) -> bool {
        self.everywhere && self.denied.is_empty()
    }

    /// True when no row can be among them.
    pub fn is_nothing(&self) -> bool {
        !self.everywhere && self.owner.is_none() && self.teams.is_empty() && self.single.is_empty()
    }

    /// Adds the condition to a statement, in brackets. The statement names the organization itself, as each does.
    pub fn push(&self, sql: &mut QueryBuilder<Postgres>, columns: &Columns) {
        if self.is_everything() || self.is_nothing() {
            sql.push(if self.everywhere { "(true)" } else { "(false)" });
            return;
        }
        sql.push("(");
        if !self.everywhere {
            sql.push("(false");
            if let Some(owner) = self.owner {
                sql.push(format!(" OR {} = ", columns.owner)).push_bind(owner);
            }
            if !self.teams.is_empty() {
                sql.push(format!(" OR {} && ", columns.teams))
                    .push_bind(self.teams.clone());
            }
            if !self.single.is_empty() {
                sql.push(format!(" OR {} = ANY(", columns.id))
                    .push_bind(self.single.clone())
                    .push(")");
            }
            sql.push(")");
        }
        if !self.denied.is_empty() {
            let and = if self.everywhere { "" } else { " AND " };
            sql.push(format!("{and}{} <> ALL(", columns.id))
                .push_bind(self.denied.clone())
                .push(")");
        }
        sql.push(")");
    }
}
