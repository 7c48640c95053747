//! Whether a session is good: the one question that stands before every request and every open stream.
//!
//! Read from the primary only. A replica that lags would let in whoever was just banned.

use crate::db::Db;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::permission::{Rights, RightsVersion};
use crate::users::rights;
use time::{Duration, OffsetDateTime};

/// A session that is good, as of when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// In which organization.
    pub organization: OrganizationId,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When it was last used, as far as that is written.
    pub last_seen_at: OffsetDateTime,
    /// Its end, whatever is refreshed.
    pub expires_at: OffsetDateTime,
    /// How new the person's rights are at least.
    pub version: RightsVersion,
    /// The person may only change their password.
    pub must_change_password: bool,
}

/// Why a session is not good. The words are shown to whoever is signed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such session, or it is somebody else's.
    #[error("session not found")]
    Unknown,
    /// It was ended, with the reason given then.
    #[error("{0}")]
    Revoked(String),
    /// It reached its end.
    #[error("session expired")]
    Expired,
    /// Nobody used it for too long.
    #[error("session idle for too long")]
    Idle,
    /// The person was banned.
    #[error("account banned")]
    Banned,
    /// The person was suspended.
    #[error("account suspended")]
    Suspended,
    /// The person was deleted.
    #[error("account deleted")]
    Deleted,
}

impl Standing {
    /// Refuses a session that time has ended. `idle` is how long one may go unused.
    pub fn check_time(&self, now: OffsetDateTime, idle: Duration) -> Result<(), Refused> {
        if now >= self.expires_at {
            return Err(Refused::Expired);
        }
        if now >= self.last_seen_at + idle {
            return Err(Refused::Idle);
        }
        Ok(())
    }
}

/// Reads how `session` of `user` stands; somebody else's is unknown.
pub async fn read(db: &Db, session: SessionId, user: UserId) -> Result<Result<Standing, Refused>> {
    let standing = find(db, session).await?;
    Ok(standing.and_then(|found| {
        if found.user == user {
            Ok(found)
        } else {
            Err(Refused::Unknown)
        }
    }))
}

/// Reads how `session` stands, whosever it is. Time is judged by [`Standing::check_time`].
pub async fn find(db: &Db, session: SessionId) -> Result<Result<Standing, Refused>> {
    let mut tx = db.snapshot().await?;
    let row = sqlx::query!(
        r#"SELECT s.user_id, s.organization_id, s.created_at, s.last_seen_at, s.expires_at,
             s.revoked_at IS NOT NULL AS "revoked!", s.revoked_reason, u.status, u.deleted_at IS NOT NULL AS "deleted!",
             coalesce(s.created_at < u.sessions_not_before, false) AS "outdated!",
             u.must_change_password, u.access_version, o.access_epoch
           FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
           WHERE s.id = $1"#,
        session.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refused::Unknown));
    };
    // The person before the session: "banned" says more than the "revoked" that follows from it.
    let refused = match row.status.as_str() {
        _ if row.deleted => Some(Refused::Deleted),
        "banned" => Some(Refused::Banned),
        "suspended" => Some(Refused::Suspended),
        _ if row.revoked || row.outdated => {
            let reason = row
                .revoked_reason
                .unwrap_or_else(|| String::from("session ended"));
            Some(Refused::Revoked(reason))
        }
        _ => None,
    };
    Ok(refused.map_or_else(
        || {
            Ok(Standing {
                session,
                user: UserId(row.user_id),
                organization: OrganizationId(row.organization_id),
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                version: RightsVersion {
                    access: row.access_version,
                    epoch: row.access_epoch,
                },
                must_change_password: row.must_change_password,
            })
        },
        Err,
    ))
}

/// What `user` may do, and how new that is, from one snapshot of the primary. Nobody of that name may do nothing.
pub async fn read_rights(db: &Db, organization: OrganizationId, user: UserId) -> Result<Rights> {
    let mut tx = db.primary(organization).await?;
    let row = sqlx::query!(
        "SELECT u.access_version, o.access_epoch FROM users u JOIN organizations o ON o.id = $1 WHERE u.id = $2",
        organization.0,
        user.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Rights::default());
    };
    let version = RightsVersion {
        access: row.access_version,
        epoch: row.access_epoch,
    };
    let permissions = rights::of(&mut tx, organization, user).await?;
    Ok(Rights { version, permissions })
}

/// Notes when sessions were last used, many in one statement. Never moves one back.
pub async fn note_seen(db: &Db, seen: &[(SessionId, OffsetDateTime)]) -> Result<()> {
    let (ids, at): (Vec<_>, Vec<_>) = seen.iter().map(|(session, at)| (session.0, *at)).unzip();
    let mut tx = db.bookkeeping().await?;
    sqlx::query!(
        "UPDATE user_sessions s SET last_seen_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n (id, at)
         WHERE s.id = n.id AND s.last_seen_at < n.at",
        &ids,
        &at,
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
