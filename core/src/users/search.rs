//! The list of people: the one place of this feature where a query is built.
//!
//! Invariant: a page is found by comparing with the end of the page before (keyset), so page 10,000 costs what page 1
//! does. Invariant: who may not see an address neither finds nor sorts by it.
//!
//! Searching walks first: the next few thousand rows in the asked order, looked through one by one, fill a page of a
//! common term at once. Only a term too rare for that asks the trigram index, whose hits are then few enough to sort.
//! The planner left alone would choose between the two by an estimate and lose seconds where the term and the order
//! hang together.
//!
//! Lists read the view `users_searchable`: a row-level policy is a security barrier behind which LIKE may use no index.

pub use super::asked::Query;
use super::asked::{Asked, Cursor, Text};
use super::model::User;
pub use super::sort::Sort;
use super::store::{Row, with_roles};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::kernel::page;
use crate::live::position::{self, Position};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;

/// Totals up to this are exact.
pub const EXACT: i64 = 10_000;
/// From this estimate on nothing is counted: the planner errs, but not so far.
const SURELY_MORE: i64 = 3 * EXACT;
/// Rows looked through one by one before the trigram index is asked; and as many more for each row of the page.
const WALK: i64 = 4_000;
const WALK_PER_ROW: i64 = 20;
/// So many times longer a second walk is, where sorting all hits would take longer still: a common term whose holders stand
/// far down in this order.
const LONG_WALK: i64 = 10;

/// How many rows the whole list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Total {
    /// Rows.
    pub value: i64,
    /// True where counting stopped at 10,000 and the planner's estimate is given. Without a filter the total is exact.
    pub estimate: bool,
    /// Without a filter: by how many the events right behind `offset` tell of rows that are counted here already. Who
    /// goes on counting by events leaves out as many. Absent when none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Rows.
    pub users: Vec<User>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<String>,
    /// Of `feed:users`, as of the first page.
    pub position: Position,
    /// As of the first page.
    pub total: Total,
}

#[derive(FromRow)]
struct Found {
    #[sqlx(flatten)]
    row: Row,
    key_text: Option<String>,
    key_at: Option<OffsetDateTime>,
    /// All hits, where they were all looked at anyway.
    hits: Option<i64>,
}

/// Reads one page. `connection` is a snapshot: rows, position and total are of one instant.
pub async fn list(connection: &mut PgConnection, ctx: &Ctx, query: &Query) -> Result<Page> {
    let limit = i64::from(page::limit(query.limit)?);
    let asked = Asked::of(ctx, query)?;
    let after = asked.cursor(query.cursor.as_deref())?;
    let mut found = asked.rows(connection, after.as_ref(), limit + 1).await?;
    let more = found.len() as i64 > limit;
    let (position, total) = match &after {
        Some(cursor) => (cursor.position.clone(), cursor.total),
        None => (
            position::told(connection, ctx, super::CHANNEL).await?,
            asked.total(connection, &found, more).await?,
        ),
    };
    let next_cursor = page::cut(&mut found, limit as usize, |end| Cursor {
        list: asked.list.clone(),
        text: end.key_text.clone(),
        micros: end.key_at.map(page::micros),
        id: UserId(end.row.id),
        position: position.clone(),
        total,
    })?;
    let rows = found.into_iter().map(|found| found.row).collect();
    Ok(Page {
        users: with_roles(connection, ctx.organization, rows).await?,
        next_cursor,
        position,
        total,
    })
}

/// Everybody whom `query` finds, in no particular order, `most` at most: for an act on all of them.
pub async fn everybody(
    connection: &mut PgConnection,
    ctx: &Ctx,
    query: &Query,
    most: i64,
) -> Result<Vec<UserId>> {
    let asked = Asked::of(ctx, query)?;
    let mut sql = QueryBuilder::new("SELECT id FROM users_searchable");
    asked.push_where(&mut sql, None);
    asked.push_text(&mut sql, " AND ");
    sql.push(" LIMIT ").push_bind(most);
    Ok(sql
        .build_query_scalar()
        .persistent(false)
        .fetch_all(connection)
        .await?)
}

impl Asked<'_> {
    async fn rows(
        &self,
        connection: &mut PgConnection,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<Found>> {
        if self.text.is_none() {
            return self.fetch(connection, after, Way::Ordered, limit).await;
        }
        for times in [1, LONG_WALK] {
            if times > 1 && self.estimate(connection).await? <= SURELY_MORE {
                break;
            }
            let walk = self.fetch(connection, after, Way::Walk(times), limit).await?;
            if walk.len() as i64 >= limit {
                return Ok(walk);
            }
        }
        self.fetch(connection, after, Way::Hits, limit).await
    }

    async fn fetch(
        &self,
        connection: &mut PgConnection,
        after: Option<&Cursor>,
        way: Way,
        limit: i64,
    ) -> Result<Vec<Found>> {
        let (sort, expression) = (self.query.sort, self.query.sort.expression());
        let (key, cast) = if sort.is_text() {
            ("key_text", "NULL::timestamptz AS key_at")
        } else {
            ("key_at", "NULL::text AS key_text")
        };
        let direction = if sort.falls() { "DESC" } else { "ASC" };
        let order = format!(" ORDER BY {expression} {direction}, id {direction} LIMIT ");
        let hits = if matches!(way, Way::Hits) {
            "count(*) OVER ()"
        } else {
            "NULL::bigint"
        };
        let mut sql = QueryBuilder::new(format!(
            "SELECT {}, {expression} AS {key}, {cast}, {hits} AS hits FROM (SELECT * FROM users_searchable",
            Row::COLUMNS
        ));
        self.push_where(&mut sql, after);
        match way {
            Way::Ordered => {}
            Way::Walk(times) => {
                sql.push(&order).push_bind(times * (WALK + limit * WALK_PER_ROW));
            }
            Way::Hits => {
                self.push_text(&mut sql, " AND ");
                // a fence: the planner must not walk here
                sql.push(" OFFSET 0");
            }
        }
        sql.push(") u");
        if matches!(way, Way::Walk(_)) {
            self.push_text(&mut sql, " WHERE ");
        }
        sql.push(&order).push_bind(limit);
        // not kept as a prepared statement: a plan made without the values would be a wrong one
        Ok(sql
            .build_query_as()
            .persistent(false)
            .fetch_all(connection)
            .await?)
    }

    /// How many there are, given the first page.
    async fn total(&self, connection: &mut PgConnection, first: &[Found], more: bool) -> Result<Total> {
        let exactly = |value| Total {
            value,
            estimate: false,
            ahead: 0,
        };
        if more && let Some(kept) = self.kept_total(connection).await? {
            return Ok(exactly(kept));
        }
        let ahead = self.ahead(connection).await?;
        if !more {
            return Ok(Total {
                ahead,
                ..exactly(first.len() as i64)
            });
        }
        if let Some(hits) = first.first().and_then(|found| found.hits) {
            return Ok(exactly(hits));
        }
        let estimate = self.estimate(connection).await?;
        if estimate > SURELY_MORE {
            return Ok(Total {
                value: estimate,
                estimate: true,
                ahead,
            });
        }
        let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT FROM users_searchable");
        self.push_where(&mut sql, None);
        self.push_text(&mut sql, " AND ");
        sql.push(" LIMIT ").push_bind(EXACT + 1).push(") u");
        let counted: i64 = sql
            .build_query_scalar()
            .persistent(false)
            .fetch_one(connection)
            .await?;
        if counted <= EXACT {
            return Ok(Total {
                ahead,
                ..exactly(counted)
            });
        }
        Ok(Total {
            value: estimate.max(counted),
            estimate: true,
            ahead,
        })
    }

    /// What the planner thinks there are.
    async fn estimate(&self, connection: &mut PgConnection) -> Result<i64> {
        let mut sql = QueryBuilder::new("EXPLAIN (FORMAT JSON) SELECT FROM users_searchable");
        self.push_where(&mut sql, None);
        self.push_text(&mut sql, " AND ");
        let plan: serde_json::Value = sql
            .build_query_scalar()
            .persistent(false)
            .fetch_one(connection)
            .await?;
        Ok(plan[0]["Plan"]["Plan Rows"].as_i64().unwrap_or_default())
    }

    /// Everybody, as the relay keeps it up to the position that the list carries: exact, however many they are. `None` with
    /// a filter, and where there are so few that they are counted.
    async fn kept_total(&self, connection: &mut PgConnection) -> Result<Option<i64>> {
        if !self.is_whole() {
            return Ok(None);
        }
        let mut sql =
            QueryBuilder::new("SELECT value FROM counters WHERE name = 'users_total' AND organization_id = ");
        sql.push_bind(self.ctx.organization.0)
            .push(" AND value > ")
            .push_bind(EXACT);
        Ok(sql.build_query_scalar().fetch_optional(connection).await?)
    }

    /// By how many rows this snapshot is ahead of its position: what is committed and has no place in the channel yet.
    async fn ahead(&self, connection: &mut PgConnection) -> Result<i64> {
        if !self.is_whole() {
            return Ok(0);
        }
        let mut sql = QueryBuilder::new(
            "SELECT coalesce(sum((counters->>'users_total')::bigint), 0)::bigint FROM outbox
             WHERE ordered_at IS NULL AND organization_id = ",
        );
        sql.push_bind(self.ctx.organization.0);
        Ok(sql.build_query_scalar().fetch_one(connection).await?)
    }

    fn push_where(&self, sql: &mut QueryBuilder<Postgres>, after: Option<&Cursor>) {
        sql.push(" WHERE organization_id = ")
            .push_bind(self.ctx.organization.0);
        if let Some(status) = self.query.status {
            sql.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(department) = &self.query.department {
            sql.push(" AND lower(department) COLLATE \"C\" = lower(")
                .push_bind(department.clone())
                .push(")");
        }
        if let Some(role) = self.query.role {
            sql.push(" AND id IN (SELECT user_id FROM held_roles WHERE organization_id = ")
                .push_bind(self.ctx.organization.0)
                .push(" AND role_id = ")
                .push_bind(role.0)
                .push(")");
        }
        if let Some(team) = self.query.team {
            sql.push(" AND id IN (SELECT user_id FROM team_members WHERE organization_id = ")
                .push_bind(self.ctx.organization.0)
                .push(" AND team_id = ")
                .push_bind(team.0)
                .push(")");
        }
        self.push_rows(sql);
        let Some(end) = after else { return };
        let comparison = if self.query.sort.falls() { "<" } else { ">" };
        sql.push(format!(
            " AND ({}, id) {comparison} (",
            self.query.sort.expression()
        ));
        match (&end.text, end.micros) {
            (Some(text), _) => sql.push_bind(text.clone()),
            (None, micros) => sql.push_bind(page::instant(micros.unwrap_or_default())),
        };
        sql.push(", ").push_bind(end.id.0).push(")");
    }

    /// Whom the actor may see: what [`RowFilter::admits`] says of one row. Those of some teams are few and found by their ids,
    /// so that no other row is looked at.
    fn push_rows(&self, sql: &mut QueryBuilder<Postgres>) {
        let rows = &self.rows;
        if !rows.everywhere {
            let mut ids = rows.single.clone();
            ids.extend(rows.owner);
            sql.push(" AND id = ANY(ARRAY(SELECT user_id FROM team_members WHERE organization_id = ")
                .push_bind(self.ctx.organization.0)
                .push(" AND team_id = ANY(")
                .push_bind(rows.teams.clone())
                .push(") UNION ALL SELECT unnest(")
                .push_bind(ids)
                .push("::uuid[])))");
        }
        if !rows.denied.is_empty() {
            sql.push(" AND id <> ALL(")
                .push_bind(rows.denied.clone())
                .push(")");
        }
    }

    fn push_text(&self, sql: &mut QueryBuilder<Postgres>, before: &str) {
        let (pattern, name, department) = match &self.text {
            None => return,
            // what is in the name or the department is in `search` too, so the index still finds the candidates
            Some(Text::Part(pattern)) => {
                sql.push(before)
                    .push("search LIKE lower(")
                    .push_bind(pattern.clone())
                    .push(")");
                if self.sees_email {
                    return;
                }
                sql.push(" AND (");
                (pattern, "lower(name)", "lower(department)")
            }
            Some(Text::Beginning(pattern)) => {
                sql.push(before).push("(");
                if self.sees_email {
                    sql.push("email LIKE lower(")
                        .push_bind(pattern.clone())
                        .push(") OR ");
                }
                (
                    pattern,
                    "lower(name) COLLATE \"C\"",
                    "lower(department) COLLATE \"C\"",
                )
            }
        };
        sql.push(format!("{name} LIKE lower("))
            .push_bind(pattern.clone())
            .push(format!(") OR {department} LIKE lower("))
            .push_bind(pattern.clone())
            .push("))");
    }
}

/// How a page is fetched.
#[derive(Clone, Copy)]
enum Way {
    /// Along the order's index.
    Ordered,
    /// Along the order's index, so many times the bounded way, looking at each row.
    Walk(i64),
    /// By the text's index, sorting what it finds.
    Hits,
}
