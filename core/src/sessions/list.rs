//! Open sessions: a person's, and everybody's.

use super::CHANNEL;
use super::device::Device;
use super::place::{Place, Places};
use crate::Store;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{RoleId, SessionId, UserId};
use crate::kernel::page;
use crate::live::position::{self, Cursor, Position};
use crate::users::find::{Found, MOST_FOUND};
use ipnet::IpNet;
use serde::Serialize;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// One of them, as a list shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: Owner,
    /// When the person signed in.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last used, to about a minute.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
    /// Its absolute end.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Address it was opened from.
    #[schema(value_type = Option<String>)]
    pub ip: Option<IpAddr>,
    /// Where that is, as far as this hub knows.
    pub place: Option<Place>,
    /// Program it was opened with, as it says.
    pub user_agent: Option<String>,
    /// What that tells.
    pub device: Device,
    /// How its person proved who they are (RFC 8176 where there is a name).
    #[schema(example = json!(["pwd"]))]
    pub methods: Vec<String>,
    /// When they did so last.
    #[serde(with = "time::serde::rfc3339")]
    pub authenticated_at: OffsetDateTime,
    /// Live connections open on it, on all nodes; null where that is not known now.
    pub sockets: Option<u32>,
    /// True for the session that asks.
    pub current: bool,
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Owner {
    /// Who.
    pub id: UserId,
    /// Their name, where the viewer may see it.
    pub name: Option<String>,
}

/// A page of everybody's.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SessionList {
    /// Newest first.
    pub items: Vec<Listed>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Open sessions with these filters.
    pub total: u64,
    /// People whose they are.
    pub people: u64,
    /// Where `feed:sessions` stood when the first page was read.
    #[serde(flatten)]
    pub position: Position,
}

/// Which sessions are listed.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only this person's.
    pub user: Option<UserId>,
    /// Only of those who hold this role, themselves or through a team.
    pub role: Option<RoleId>,
    /// Only those that were opened from this address.
    pub ip: Option<IpAddr>,
    /// Rows of a page.
    pub limit: Option<u32>,
    /// End of the page before.
    pub cursor: Option<String>,
}

/// At most this many of one person are listed, newest first; nobody has more open than these in earnest.
const MOST: u32 = 200;

/// Open sessions of `user`: one's own, or anybody's with `sessions:read`.
pub async fn list(store: &Store, ctx: &Ctx, places: &Places, user: UserId) -> Result<Vec<Listed>> {
    if !ctx.is_oneself(user) {
        ctx.require("sessions:read")?;
    }
    let mut tx = store.db.primary(ctx.organization).await?;
    let there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL) AS "there!""#,
        ctx.organization.0,
        user.0
    )
    .fetch_one(&mut *tx)
    .await?;
    if !there {
        return Err(Error::not_found("user"));
    }
    let query = Query {
        user: Some(user),
        ..Query::default()
    };
    let rows = rows(&mut tx, ctx, store.clock.now(), &query, None, MOST).await?;
    Ok(rows.into_iter().map(|row| row.shown(ctx, places)).collect())
}

/// One page of the organization's open sessions.
pub async fn list_all(store: &Store, ctx: &Ctx, places: &Places, query: &Query) -> Result<SessionList> {
    ctx.require("sessions:read")?;
    let limit = page::limit(query.limit)?;
    let after: Option<Cursor> = query.cursor.as_deref().map(page::decode_cursor).transpose()?;
    let (now, mut tx) = (store.clock.now(), store.db.primary(ctx.organization).await?);
    let position = match &after {
        Some(after) => after.position.clone(),
        None => position::told(&mut tx, ctx, CHANNEL).await?,
    };
    let before = after.map(|end| (page::instant(end.micros), end.id));
    let mut found = rows(&mut tx, ctx, now, query, before, limit + 1).await?;
    let next_cursor = page::cut(&mut found, limit as usize, |end| Cursor {
        micros: page::micros(end.created_at),
        id: end.id,
        position: position.clone(),
    })?;
    let (total, people) = totals(&mut tx, ctx, now, query).await?;
    Ok(SessionList {
        items: found.into_iter().map(|row| row.shown(ctx, places)).collect(),
        next_cursor,
        total,
        people,
        position,
    })
}

/// The newest open sessions that were opened from `ip`, for whoever may see sessions; nothing for anybody else.
pub async fn from_address(store: &Store, ctx: &Ctx, ip: IpAddr) -> Result<Vec<Found>> {
    if !ctx.permissions.has("sessions:read") {
        return Ok(Vec::new());
    }
    let query = Query {
        ip: Some(ip.to_canonical()),
        ..Query::default()
    };
    let mut tx = store.db.primary(ctx.organization).await?;
    let rows = rows(&mut tx, ctx, store.clock.now(), &query, None, MOST_FOUND).await?;
    Ok(rows
        .into_iter()
        .map(|row| Found {
            kind: "session",
            id: row.id,
            user: UserId(row.user_id),
            label: if row.named(ctx) { row.name } else { String::new() },
        })
        .collect())
}

/// As it stands in the database.
struct Row {
    id: Uuid,
    user_id: Uuid,
    name: String,
    created_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    ip: Option<IpNet>,
    user_agent: Option<String>,
    methods: Vec<String>,
    authenticated_at: OffsetDateTime,
}

impl Row {
    fn named(&self, ctx: &Ctx) -> bool {
        ctx.is_oneself(UserId(self.user_id)) || ctx.permissions.has("users:read")
    }

    fn shown(self, ctx: &Ctx, places: &Places) -> Listed {
        let (user, named) = (UserId(self.user_id), self.named(ctx));
        let ip = self.ip.map(|net| net.addr());
        Listed {
            id: SessionId(self.id),
            user: Owner {
                id: user,
                name: named.then_some(self.name),
            },
            created_at: self.created_at,
            last_seen_at: self.last_seen_at,
            expires_at: self.expires_at,
            place: ip.map(|ip| places.of(ip)),
            ip,
            device: Device::of(self.user_agent.as_deref()),
            user_agent: self.user_agent,
            methods: self.methods,
            authenticated_at: self.authenticated_at,
            sockets: None,
            current: ctx.credential == Credential::Session(SessionId(self.id)),
        }
    }
}

/// Open ones: neither ended nor past what time or a "not before" leaves of them.
async fn rows(
    connection: &mut crate::db::PgConnection,
    ctx: &Ctx,
    now: OffsetDateTime,
    query: &Query,
    before: Option<(OffsetDateTime, Uuid)>,
    limit: u32,
) -> Result<Vec<Row>> {
    let (at, id) = before.unzip();
    Ok(sqlx::query_as!(
        Row,
        r#"SELECT s.id, s.user_id, u.name, s.created_at, s.last_seen_at,
             least(s.expires_at, s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8)) AS "expires_at!",
             s.ip AS "ip: IpNet", s.user_agent, s.methods,
             coalesce(s.authenticated_at, s.created_at) AS "authenticated_at!"
           FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
           LEFT JOIN organization_settings t ON t.organization_id = s.organization_id AND t.key = 'sessions'
           WHERE s.organization_id = $1 AND s.revoked_at IS NULL
             AND least(s.expires_at, s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8)) > $2
             AND coalesce(s.last_seen_at + make_interval(secs => (t.value ->> 'idle_seconds')::float8) > $2, true)
             AND coalesce(s.created_at >= greatest(u.sessions_not_before, o.sessions_not_before), true)
             AND ($3::uuid IS NULL OR s.user_id = $3)
             AND ($4::uuid IS NULL OR EXISTS (
               SELECT FROM held_roles r WHERE r.organization_id = $1 AND r.user_id = s.user_id AND r.role_id = $4))
             AND ($5::timestamptz IS NULL OR (s.created_at, s.id) < ($5, $6)) AND ($7::inet IS NULL OR s.ip = $7)
           ORDER BY s.created_at DESC, s.id DESC LIMIT $8"#,
        ctx.organization.0,
        now,
        query.user.map(|user| user.0),
        query.role.map(|role| role.0),
        at,
        id,
        query.ip.map(IpNet::from) as Option<IpNet>,
        i64::from(limit),
    )
    .fetch_all(connection)
    .await?)
}

/// How many there are in all, and of how many people.
async fn totals(
    connection: &mut crate::db::PgConnection,
    ctx: &Ctx,
    now: OffsetDateTime,
    query: &Query,
) -> Result<(u64, u64)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "sessions!", count(DISTINCT s.user_id) AS "people!"
           FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
           LEFT JOIN organization_settings t ON t.organization_id = s.organization_id AND t.key = 'sessions'
           WHERE s.organization_id = $1 AND s.revoked_at IS NULL
             AND least(s.expires_at, s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8)) > $2
             AND coalesce(s.last_seen_at + make_interval(secs => (t.value ->> 'idle_seconds')::float8) > $2, true)
             AND coalesce(s.created_at >= greatest(u.sessions_not_before, o.sessions_not_before), true)
             AND ($3::uuid IS NULL OR s.user_id = $3)
             AND ($4::uuid IS NULL OR EXISTS (
               SELECT FROM held_roles r WHERE r.organization_id = $1 AND r.user_id = s.user_id AND r.role_id = $4))
             AND ($5::inet IS NULL OR s.ip = $5)"#,
        ctx.organization.0,
        now,
        query.user.map(|user| user.0),
        query.role.map(|role| role.0),
        query.ip.map(IpNet::from) as Option<IpNet>,
    )
    .fetch_one(connection)
    .await?;
    Ok((row.sessions as u64, row.people as u64))
}
