//! A session in which an operator acts as somebody else: it stands only while the operator's own does, and while they may.

use super::standing::Refused;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::users::rights::acting::may_still;
pub use crate::users::rights::acting::{IMPERSONATE, is_strictly_over};
use time::{Duration, OffsetDateTime};

/// Nobody acts as somebody else for longer.
pub const LONGEST: Duration = Duration::hours(1);

/// Who acts, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// The operator.
    pub by: UserId,
    /// The operator's own session.
    pub session: SessionId,
    /// Why, in the operator's words.
    pub reason: String,
    /// Until when things may be changed too.
    pub elevated_until: Option<OffsetDateTime>,
}

impl Impersonation {
    /// Whether things may be changed at `now`.
    pub fn is_elevated(&self, now: OffsetDateTime) -> bool {
        self.elevated_until.is_some_and(|until| now < until)
    }
}

/// On which terms somebody acts in `session` as `subject`; refused when the operator signed out, was shut out, or may no longer.
pub(super) async fn read(
    connection: &mut PgConnection,
    organization: OrganizationId,
    session: SessionId,
    subject: UserId,
) -> Result<Result<Impersonation, Refused>> {
    let row = sqlx::query!(
        r#"SELECT s.impersonated_by AS "by!", s.impersonator_session AS "session!", s.impersonation_reason AS "reason!",
             s.elevated_until,
             coalesce(o.revoked_at IS NULL
               AND coalesce(o.created_at >= greatest(u.sessions_not_before, g.sessions_not_before), true)
               AND u.status = 'active' AND u.deleted_at IS NULL, false) AS "stands!"
           FROM user_sessions s
             LEFT JOIN user_sessions o ON o.id = s.impersonator_session AND o.user_id = s.impersonated_by
             LEFT JOIN users u ON u.id = o.user_id LEFT JOIN organizations g ON g.id = o.organization_id
           WHERE s.id = $1"#,
        session.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    if !row.stands {
        return Ok(Err(Refused::Revoked(String::from(
            "the operator's own session has ended",
        ))));
    }
    let by = UserId(row.by);
    if !may_still(connection, organization, by, subject).await? {
        return Ok(Err(Refused::Revoked(String::from(
            "the operator may no longer act as this person",
        ))));
    }
    Ok(Ok(Impersonation {
        by,
        session: SessionId(row.session),
        reason: row.reason,
        elevated_until: row.elevated_until,
    }))
}
