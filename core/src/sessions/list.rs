//! A person's open sessions.

use crate::Store;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{SessionId, UserId};
use serde::Serialize;
use std::net::IpAddr;
use time::OffsetDateTime;

/// One of them, as the list shows it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
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
    /// Program it was opened with.
    pub user_agent: Option<String>,
    /// True for the session that asks.
    pub current: bool,
}

/// At most this many are listed, newest first; nobody has more open than these in earnest.
const MOST: i64 = 200;

/// Open sessions of `user`: one's own, or anybody's with `sessions:read`.
pub async fn list(store: &Store, ctx: &Ctx, user: UserId) -> Result<Vec<Listed>> {
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
    let rows = sqlx::query!(
        r#"SELECT s.id, s.created_at, s.last_seen_at, s.expires_at, s.ip AS "ip: ipnet::IpNet", s.user_agent
         FROM user_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.organization_id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > $3
           AND (u.sessions_not_before IS NULL OR s.created_at >= u.sessions_not_before)
         ORDER BY s.created_at DESC, s.id DESC LIMIT $4"#,
        ctx.organization.0,
        user.0,
        store.clock.now(),
        MOST,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mine = match ctx.credential {
        Credential::Session(session) => Some(session),
        Credential::ApiKey(_) | Credential::Internal => None,
    };
    Ok(rows
        .into_iter()
        .map(|row| Listed {
            id: SessionId(row.id),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
            ip: row.ip.map(|net| net.addr()),
            user_agent: row.user_agent,
            current: mine == Some(SessionId(row.id)),
        })
        .collect())
}
