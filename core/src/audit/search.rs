//! The audit list: the one place of this feature where a query is built.
//!
//! Entries are opened and people named when they are shown, and masked by the viewer's present rights: an erased person
//! is nameless in old entries too, and a right taken away hides yesterday's addresses.

use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::AuditId;
use crate::kernel::page;
use crate::live::position::{self, Cursor, Position};
use crate::live::view::ViewClass;
use crate::people;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

/// Who did it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditActor {
    /// `user` or `system`.
    pub kind: String,
    /// The person.
    pub id: Option<Uuid>,
    /// The person's name, or the hub's part.
    pub name: Option<String>,
}

/// A person beside the actor.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditPerson {
    /// Who.
    pub id: Uuid,
    /// The person's name.
    pub name: Option<String>,
}

/// What it was done to.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditSubject {
    /// `user`, `job`, `import`, ...
    pub kind: String,
    /// Its id.
    pub id: Option<Uuid>,
    /// Its name, where it has one.
    pub label: Option<String>,
}

/// Through what somebody did it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditCredential {
    /// `session`, `api_key`, `internal`, or empty.
    pub kind: String,
    /// The session's or key's id.
    pub id: Option<Uuid>,
}

/// One entry as one viewer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Id.
    pub id: AuditId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The act: `users.ban`.
    pub action: String,
    /// Who.
    pub actor: AuditActor,
    /// The other person of the act: an operator who acted as the actor, or for whom the hub acted.
    pub on_behalf_of: Option<AuditPerson>,
    /// Through what.
    pub credential: AuditCredential,
    /// To what.
    pub subject: AuditSubject,
    /// From where.
    pub ip: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// The request's trace.
    pub trace_id: Option<String>,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
    /// `{field: {before, after}}`.
    #[schema(value_type = Object)]
    pub changes: Value,
    /// More about the act.
    #[schema(value_type = Object)]
    pub details: Value,
    /// Fields of `changes` that this viewer may not see.
    pub masked: Vec<String>,
}

/// What is asked of the list; newest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only this act, such as `users.ban`.
    pub action: Option<String>,
    /// Only what this person did.
    pub actor: Option<Uuid>,
    /// Only what was done to this.
    pub subject: Option<Uuid>,
    /// Only what was done with this API key.
    pub api_key: Option<Uuid>,
    /// Rows of a page.
    pub limit: Option<u32>,
    /// End of the page before.
    pub cursor: Option<String>,
}

/// A page of entries as one viewer sees them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditList {
    /// Entries.
    pub items: Vec<AuditEntry>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Where `feed:audit` stood when the first page was read.
    #[serde(flatten)]
    pub position: Position,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    at: OffsetDateTime,
    action: String,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: String,
    credential_kind: String,
    credential_id: Option<Uuid>,
    on_behalf_of: Option<Uuid>,
    subject_kind: String,
    subject_id: Option<Uuid>,
    ip: Option<IpNet>,
    user_agent: Option<String>,
    trace_id: Option<String>,
    reason: Option<String>,
    changes: Value,
    details: Value,
}

/// Reads one page.
pub async fn list(store: &Store, ctx: &Ctx, query: &Query) -> Result<AuditList> {
    ctx.require("audit:read")?;
    read(store, ctx, query).await
}

/// Reads one page of what was done to one thing, for whoever may see that thing with its life: the caller has seen to it.
pub async fn life_of(
    store: &Store,
    ctx: &Ctx,
    subject: Uuid,
    limit: Option<u32>,
    cursor: Option<String>,
) -> Result<AuditList> {
    let query = Query {
        subject: Some(subject),
        limit,
        cursor,
        ..Query::default()
    };
    read(store, ctx, &query).await
}

async fn read(store: &Store, ctx: &Ctx, query: &Query) -> Result<AuditList> {
    let limit = page::limit(query.limit)? as usize;
    let after: Option<Cursor> = query.cursor.as_deref().map(page::decode_cursor).transpose()?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = match &after {
        Some(after) => after.position.clone(),
        None => position::told(&mut tx, ctx, super::CHANNEL).await?,
    };
    let mut rows = fetch(&mut tx, ctx, query, after.as_ref(), limit + 1).await?;
    let next_cursor = page::cut(&mut rows, limit, |end| Cursor {
        micros: page::micros(end.at),
        id: end.id,
        position: position.clone(),
    })?;
    let entries: Vec<AuditEntry> = rows.into_iter().map(AuditEntry::from).collect();
    let mut values = entries
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<Vec<_>, _>>()?;
    people::open(&mut tx, &store.sealer, &mut values).await?;
    let class = ViewClass::of(&ctx.permissions);
    let items = values
        .into_iter()
        .map(|mut value| {
            class.mask_audit(&mut value);
            serde_json::from_value(value)
        })
        .collect::<Result<_, _>>()?;
    Ok(AuditList {
        items,
        next_cursor,
        position,
    })
}

async fn fetch(
    connection: &mut PgConnection,
    ctx: &Ctx,
    query: &Query,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut sql = QueryBuilder::new(
        "SELECT id, at, action, actor_kind, actor_id, actor_name, credential_kind, credential_id, on_behalf_of, subject_kind,
           subject_id, ip, user_agent, trace_id, reason, changes, details FROM audit_logs WHERE organization_id = ",
    );
    sql.push_bind(ctx.organization.0);
    if let Some(action) = &query.action {
        if action.contains('\0') {
            return Err(Error::field(
                "action",
                "unreadable",
                "An action is a word like users.ban.",
            ));
        }
        sql.push(" AND action = ").push_bind(action.clone());
    }
    if let Some(actor) = query.actor {
        sql.push(" AND actor_id = ").push_bind(actor);
    }
    if let Some(subject) = query.subject {
        sql.push(" AND subject_id = ").push_bind(subject);
    }
    if let Some(key) = query.api_key {
        sql.push(" AND credential_kind = 'api_key' AND credential_id = ")
            .push_bind(key);
    }
    if let Some(end) = after {
        sql.push(" AND (at, id) < (")
            .push_bind(page::instant(end.micros))
            .push(", ")
            .push_bind(end.id)
            .push(")");
    }
    sql.push(" ORDER BY at DESC, id DESC LIMIT ")
        .push_bind(limit as i64);
    // not kept as a prepared statement: which index is right depends on the values
    Ok(sql
        .build_query_as()
        .persistent(false)
        .fetch_all(connection)
        .await?)
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            id: AuditId(row.id),
            at: row.at,
            action: row.action,
            actor: AuditActor {
                kind: row.actor_kind,
                id: row.actor_id,
                name: Some(row.actor_name).filter(|name| !name.is_empty()),
            },
            on_behalf_of: row.on_behalf_of.map(|id| AuditPerson { id, name: None }),
            credential: AuditCredential {
                kind: row.credential_kind,
                id: row.credential_id,
            },
            subject: AuditSubject {
                kind: row.subject_kind,
                id: row.subject_id,
                label: None,
            },
            ip: row.ip.map(|net| net.addr().to_string()),
            user_agent: row.user_agent,
            trace_id: row.trace_id,
            reason: row.reason,
            changes: row.changes,
            details: row.details,
            masked: Vec::new(),
        }
    }
}
