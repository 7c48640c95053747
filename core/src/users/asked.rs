//! What is asked of the list of people, checked before it becomes a statement ([`super::search`]).

use super::model::UserStatus;
use super::search::Total;
use super::sort::Sort;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::page;
use crate::kernel::permission::RowFilter;
use crate::live::position::Position;
use crate::live::view::ViewClass;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A search of fewer characters is a prefix search: a trigram needs three.
const TRIGRAM: usize = 3;
/// Longest search text, in characters.
const LONGEST: usize = 200;

/// What is asked of the list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Query {
    /// Text in name, address or department; under three characters, the beginning of one of them.
    pub q: Option<String>,
    /// Only people in this state.
    pub status: Option<UserStatus>,
    /// Only holders of this role, themselves or through a team.
    pub role: Option<RoleId>,
    /// Only members of this team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamId>,
    /// Only this department, whatever its case.
    pub department: Option<String>,
    /// Order.
    pub sort: Sort,
    /// Rows of a page.
    #[serde(skip)]
    pub limit: Option<u32>,
    /// End of the page before.
    #[serde(skip)]
    pub cursor: Option<String>,
}

/// The end of a page, and what every page of a list has from its first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The list it belongs to.
    pub(super) list: String,
    pub(super) text: Option<String>,
    pub(super) micros: Option<i64>,
    pub(super) id: UserId,
    pub(super) position: Position,
    pub(super) total: Total,
}

/// A checked query.
pub(super) struct Asked<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) query: &'a Query,
    pub(super) text: Option<Text>,
    pub(super) sees_email: bool,
    /// Whom the actor may see.
    pub(super) rows: RowFilter,
    pub(super) list: String,
}

pub(super) enum Text {
    /// `LIKE` pattern of a part.
    Part(String),
    /// `LIKE` pattern of a beginning.
    Beginning(String),
}

impl<'a> Asked<'a> {
    pub(super) fn of(ctx: &'a Ctx, query: &'a Query) -> Result<Self> {
        let sees_email = ViewClass::of(&ctx.permissions).sees("user", "email");
        if matches!(query.sort, Sort::Email | Sort::EmailFalling) && !sees_email {
            return Err(Error::field(
                "sort",
                "not_visible",
                "You may not see e-mail addresses, so you cannot sort by them. Sort by name instead.",
            ));
        }
        let text = query
            .q
            .as_deref()
            .map(str::trim)
            .filter(|q| !q.is_empty())
            .map(text)
            .transpose()?;
        if let Some(department) = &query.department {
            plain("department", department)?;
        }
        let hash = Sha256::digest(serde_json::to_vec(query)?);
        Ok(Self {
            ctx,
            query,
            text,
            sees_email,
            rows: ctx.permissions.rows("users:read", "user"),
            list: hex::encode(&hash[..8]),
        })
    }

    /// Where the page begins that the cursor names.
    pub(super) fn cursor(&self, cursor: Option<&str>) -> Result<Option<Cursor>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let read: Cursor = page::decode_cursor(cursor)?;
        // one of both, and the one that the order is by: the other is of another type
        let by_text = self.query.sort.is_text();
        let complete = read.text.is_some() == by_text && read.micros.is_some() != by_text;
        if read.list == self.list && complete {
            return Ok(Some(read));
        }
        Err(Error::field(
            "cursor",
            "of_another_list",
            "This cursor belongs to a list with other filters or another sort. Begin again without a cursor.",
        ))
    }

    /// Whether nothing is filtered, and everybody is seen.
    pub(super) fn is_whole(&self) -> bool {
        let query = &self.query;
        let filtered = query.status.is_some()
            || query.department.is_some()
            || query.role.is_some()
            || query.team.is_some();
        self.text.is_none() && !filtered && self.rows.is_everything()
    }
}

fn text(q: &str) -> Result<Text> {
    plain("q", q)?;
    let escaped: String = q
        .chars()
        .flat_map(|c| {
            matches!(c, '%' | '_' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect();
    Ok(if q.chars().count() < TRIGRAM {
        Text::Beginning(format!("{escaped}%"))
    } else {
        Text::Part(format!("%{escaped}%"))
    })
}

fn plain(field: &str, text: &str) -> Result<()> {
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(Error::field(
            field,
            "unreadable",
            format!("{field} is at most {LONGEST} characters, without control characters."),
        ));
    }
    Ok(())
}
