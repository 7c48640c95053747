//! Reading the lines, newest first: of one person, or of all. Names are put in when they are shown.

use crate::Store;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ActivityId, OrganizationId, UserId};
use crate::kernel::page;
use crate::people;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

/// Who did it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActivityActor {
    /// The person.
    pub id: Option<Uuid>,
    /// The person's name, or the hub's part.
    pub name: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActivitySubject {
    /// `user`, `job`, `import`, ...
    pub kind: String,
    /// Its id.
    pub id: Option<Uuid>,
    /// Its name, where it has one.
    pub label: Option<String>,
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActivityItem {
    /// Id.
    pub id: ActivityId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The act: `users.ban`.
    pub action: String,
    /// Who.
    pub actor: ActivityActor,
    /// To what.
    pub subject: ActivitySubject,
    /// Template with field references: `{actor} banned {subject}`.
    pub text: String,
    /// More about the act.
    #[schema(value_type = Object)]
    pub details: Value,
}

/// A page of lines.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ActivityList {
    /// Lines.
    pub items: Vec<ActivityItem>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    micros: i64,
    id: Uuid,
}

struct Row {
    id: Uuid,
    at: OffsetDateTime,
    action: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    subject_kind: String,
    subject_id: Option<Uuid>,
    text: String,
    details: Value,
}

/// Reads one page: what `person` did and what was done to them, or without one what everybody did. The caller has checked
/// that the viewer may.
pub async fn list(
    store: &Store,
    connection: &mut PgConnection,
    organization: OrganizationId,
    person: Option<UserId>,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<ActivityList> {
    let limit = page::limit(limit)? as usize;
    let after = match cursor {
        Some(cursor) => page::decode_cursor(cursor)?,
        None => beginning(),
    };
    let mut rows = match person {
        Some(person) => of(connection, organization, person, &after, limit + 1).await?,
        None => of_all(connection, organization, &after, limit + 1).await?,
    };
    let next_cursor = page::cut(&mut rows, limit, |end| Cursor {
        micros: page::micros(end.at),
        id: end.id,
    })?;
    let items: Vec<ActivityItem> = rows.into_iter().map(ActivityItem::from).collect();
    let mut values = items
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<Vec<_>, _>>()?;
    people::open(connection, &store.sealer, &mut values).await?;
    Ok(ActivityList {
        items: values
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()?,
        next_cursor,
    })
}

async fn of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    person: UserId,
    after: &Cursor,
    limit: usize,
) -> Result<Vec<Row>> {
    // two indexes, each read no further than the page; an OR would sort all that an operator ever did
    Ok(sqlx::query_as!(
        Row,
        r#"SELECT id AS "id!", at AS "at!", action AS "action!", actor_id, actor_name AS "actor_name!",
                  subject_kind AS "subject_kind!", subject_id, text AS "text!", details AS "details!"
           FROM ((SELECT * FROM activity_logs
                  WHERE organization_id = $1 AND subject_id = $2 AND (at, id) < ($3::timestamptz, $4::uuid)
                  ORDER BY at DESC, id DESC LIMIT $5)
                 UNION
                 (SELECT * FROM activity_logs
                  WHERE organization_id = $1 AND actor_id = $2 AND (at, id) < ($3::timestamptz, $4::uuid)
                  ORDER BY at DESC, id DESC LIMIT $5)) a
           ORDER BY at DESC, id DESC LIMIT $5"#,
        organization.0,
        person.0,
        page::instant(after.micros),
        after.id,
        limit as i64
    )
    .fetch_all(connection)
    .await?)
}

async fn of_all(
    connection: &mut PgConnection,
    organization: OrganizationId,
    after: &Cursor,
    limit: usize,
) -> Result<Vec<Row>> {
    Ok(sqlx::query_as!(
        Row,
        "SELECT id, at, action, actor_id, actor_name, subject_kind, subject_id, text, details FROM activity_logs
         WHERE organization_id = $1 AND (at, id) < ($2::timestamptz, $3::uuid) ORDER BY at DESC, id DESC LIMIT $4",
        organization.0,
        page::instant(after.micros),
        after.id,
        limit as i64
    )
    .fetch_all(connection)
    .await?)
}

/// Later than any line.
fn beginning() -> Cursor {
    Cursor {
        micros: page::micros(datetime!(9999-01-01 0:00 UTC)),
        id: Uuid::max(),
    }
}

impl From<Row> for ActivityItem {
    fn from(row: Row) -> Self {
        Self {
            id: ActivityId(row.id),
            at: row.at,
            action: row.action,
            actor: ActivityActor {
                id: row.actor_id,
                name: Some(row.actor_name).filter(|name| !name.is_empty()),
            },
            subject: ActivitySubject {
                kind: row.subject_kind,
                id: row.subject_id,
                label: None,
            },
            text: row.text,
            details: row.details,
        }
    }
}
