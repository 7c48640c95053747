//! Queries over the tables of [`super::held`]: the one place of this feature where a query is built. Every name in it is a constant of
//! ours, every value is bound.

use super::held::{Erase, Held, MOST_AT_ONCE, Order};
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

/// Rows read at once.
pub(super) const PAGE: i64 = 2_000;

/// The end of what was read of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub id: Uuid,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            at: datetime!(0001-01-01 0:00 UTC),
            id: Uuid::nil(),
        }
    }
}

/// The next rows of a table that are held on `user`, as JSON, and where they end; `None` where there are no more after them.
pub(super) async fn rows(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    held: &Held,
    after: Place,
) -> Result<(Vec<Value>, Option<Place>)> {
    let (place, order) = match held.order {
        Order::Id => (
            "'epoch'::timestamptz AS place_at, t.id AS place_id",
            " ORDER BY t.id LIMIT ",
        ),
        Order::Time => (
            "t.at AS place_at, t.id AS place_id",
            " ORDER BY t.at, t.id LIMIT ",
        ),
        Order::Whole => (
            "'epoch'::timestamptz AS place_at, '00000000-0000-0000-0000-000000000000'::uuid AS place_id",
            " LIMIT ",
        ),
    };
    let (most, paged) = match held.order {
        Order::Whole => (MOST_AT_ONCE, false),
        Order::Id | Order::Time => (PAGE, true),
    };
    let mut sql = QueryBuilder::new("SELECT to_jsonb(t) - ");
    let hide: Vec<String> = held.hide.iter().map(|column| (*column).to_owned()).collect();
    sql.push_bind(hide)
        .push(format!("::text[] AS row, {place} FROM {} t", held.table));
    theirs(&mut sql, held, organization, user);
    match held.order {
        Order::Id => {
            sql.push(" AND t.id > ").push_bind(after.id);
        }
        Order::Time => {
            sql.push(" AND (t.at, t.id) > (")
                .push_bind(after.at)
                .push(", ")
                .push_bind(after.id)
                .push(")");
        }
        Order::Whole => {}
    }
    sql.push(order).push_bind(most);
    let found: Vec<(Value, OffsetDateTime, Uuid)> = sql
        .build_query_as()
        .persistent(false)
        .fetch_all(connection)
        .await?;
    let full = paged && found.len() as i64 == most;
    let end = found
        .last()
        .filter(|_| full)
        .map(|(_, at, id)| Place { at: *at, id: *id });
    Ok((found.into_iter().map(|(row, ..)| row).collect(), end))
}

/// Deletes or clears what is held on `user` in a table.
pub(super) async fn erase(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    held: &Held,
) -> Result<()> {
    let begin = match held.erase {
        Erase::Delete => format!("DELETE FROM {} t", held.table),
        Erase::Clear(columns) => format!("UPDATE {} t SET {columns}", held.table),
        Erase::Keep(_) | Erase::Apart => return Ok(()),
    };
    let mut sql = QueryBuilder::new(begin);
    theirs(&mut sql, held, organization, user);
    sql.build().persistent(false).execute(connection).await?;
    Ok(())
}

fn theirs(sql: &mut QueryBuilder<Postgres>, held: &Held, organization: OrganizationId, user: UserId) {
    sql.push(" WHERE t.organization_id = ")
        .push_bind(organization.0)
        .push(" AND (");
    for (n, column) in held.by.iter().enumerate() {
        sql.push(format!("{}t.{column} = ", if n > 0 { " OR " } else { "" }))
            .push_bind(user.0);
    }
    sql.push(")");
}
