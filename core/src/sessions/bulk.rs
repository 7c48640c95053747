//! Many sessions at once, each time one act: one's own others, all of a person, of a role, of the organization.
//!
//! All but the first are a "not before": an instant before which no session of theirs counts, whatever wrote it and whichever
//! node is told last. It never moves back.

use super::CHANNEL;
use super::service::revocation;
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{RoleId, SessionId, UserId};
use crate::kernel::page::micros;
use crate::kernel::permission::PermissionSet;
use crate::people;
use crate::users::rights;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

/// People whose rights are read in one statement.
const CHUNK: usize = 1_000;

/// Whose sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One person's.
    Person(UserId),
    /// Of all who hold the role, themselves or through a team.
    Role(RoleId),
    /// Everybody's.
    Organization,
}

/// Which of them, and why.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotBefore {
    /// Only sessions that began before this instant end, which is not in the future; absent: all.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_before: Option<OffsetDateTime>,
    /// Why, for the audit log; at most 2000 characters.
    pub reason: Option<String>,
}

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EndedSessions {
    /// How many sessions.
    pub sessions: u64,
    /// Of how many people.
    pub people: u64,
}

/// Ends every session that began before an instant, on every node with all that hangs on them. One's own needs no permission;
/// of others `sessions:revoke` and that nobody among them holds more than the actor, and of everybody `settings:update` too.
/// The session that asks ends like the others where it is among them.
pub async fn end_all(store: &Store, ctx: &Ctx, whose: Whose, wanted: &NotBefore) -> Result<EndedSessions> {
    let own = matches!(whose, Whose::Person(user) if ctx.is_oneself(user));
    if !own {
        ctx.require("sessions:revoke")?;
    }
    if whose == Whose::Organization {
        ctx.require("settings:update")?;
        ctx.require_session()?;
    }
    let mut change = Change::begin(store, ctx).await?;
    let before = instant(wanted, change.at())?;
    let people = people(&mut change, whose, before).await?;
    require_over(&mut change, &people).await?;
    forbid_earlier(&mut change, whose, &people, before).await?;
    let ended = close(&mut change, whose, &people, before).await?;
    record(&mut change, whose, wanted, before, ended).await?;
    cut_off(&mut change, whose, &people, before).await?;
    change.answer(200, &ended).await?;
    change.commit().await?;
    Ok(ended)
}

/// Ends every session of the caller's but the one that asks.
pub async fn end_others(store: &Store, ctx: &Ctx) -> Result<EndedSessions> {
    ctx.require_session()?;
    let (Credential::Session(mine), Some(user)) = (ctx.credential, ctx.actor.user()) else {
        return Err(Error::internal("a session belongs to nobody"));
    };
    let mut change = Change::begin(store, ctx).await?;
    let at = change.at();
    let why = "This session was ended from another one.";
    let ended = sqlx::query_scalar!(
        "UPDATE user_sessions SET revoked_at = $4, revoked_reason = $5, version = version + 1
         WHERE organization_id = $1 AND revoked_at IS NULL
           AND ((user_id = $2 AND id <> $3) OR (impersonated_by = $2 AND impersonator_session <> $3)) RETURNING id",
        ctx.organization.0,
        user.0,
        mine.0,
        at,
        why,
    )
    .fetch_all(change.tx())
    .await?;
    let told = EndedSessions {
        sessions: ended.len() as u64,
        people: u64::from(!ended.is_empty()),
    };
    if ended.is_empty() {
        return Ok(told);
    }
    let subject = subject(&mut change, Whose::Person(user)).await?;
    let text = "{actor} ended their other sessions";
    let event = Event::new(
        "session.others_revoked",
        "me.revoke_sessions",
        subject,
        CHANNEL,
        text,
    )
    .also(format!("inbox:{user}"))
    .data("user_id", json!(user))
    .data("sessions", told.sessions)
    .detail("sessions", told.sessions)
    .counts("sessions_active", -(ended.len() as i64));
    change.record(event).await?;
    for session in ended {
        change
            .revoke(revocation(ctx.organization, SessionId(session), why))
            .await?;
    }
    change.commit().await?;
    Ok(told)
}

fn instant(wanted: &NotBefore, now: OffsetDateTime) -> Result<OffsetDateTime> {
    if wanted
        .reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > 2_000)
    {
        return Err(Error::field("reason", "too_long", "At most 2000 characters."));
    }
    match wanted.not_before {
        Some(asked) if asked > now => Err(Error::field(
            "not_before",
            "in_future",
            "This would keep everybody out until then. Choose an instant that has passed.",
        )),
        asked => Ok(asked.unwrap_or(now)),
    }
}

/// Whose sessions may end by it. Of the organization only those who have one that would.
async fn people(change: &mut Change, whose: Whose, before: OffsetDateTime) -> Result<Vec<UserId>> {
    let organization = change.ctx().organization.0;
    let people: Vec<Uuid> = match whose {
        Whose::Person(user) => sqlx::query_scalar!(
            "SELECT id FROM users WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE",
            organization,
            user.0
        )
        .fetch_all(change.tx())
        .await?,
        Whose::Role(role) => {
            let there = sqlx::query_scalar!(
                "SELECT id FROM roles WHERE organization_id = $1 AND id = $2 FOR SHARE",
                organization,
                role.0
            )
            .fetch_optional(change.tx())
            .await?;
            there.ok_or_else(|| Error::not_found("role"))?;
            sqlx::query_scalar!(
                "SELECT id FROM users WHERE organization_id = $1 AND deleted_at IS NULL AND id IN (
                   SELECT user_id FROM held_roles WHERE organization_id = $1 AND role_id = $2) ORDER BY id FOR UPDATE",
                organization,
                role.0
            )
            .fetch_all(change.tx())
            .await?
        }
        Whose::Organization => {
            sqlx::query_scalar!(
                "SELECT DISTINCT user_id FROM user_sessions
                 WHERE organization_id = $1 AND revoked_at IS NULL AND created_at < $2",
                organization,
                before,
            )
            .fetch_all(change.tx())
            .await?
        }
    };
    match whose {
        Whose::Person(_) if people.is_empty() => Err(Error::not_found("user")),
        _ => Ok(people.into_iter().map(UserId).collect()),
    }
}

/// Nobody ends the sessions of those who hold more, and where one of them does, nobody's end.
async fn require_over(change: &mut Change, people: &[UserId]) -> Result<()> {
    let ctx = change.ctx().clone();
    let none = PermissionSet::default();
    for chunk in people.chunks(CHUNK) {
        let held = rights::of_many(change.tx(), ctx.organization, chunk).await?;
        for user in chunk.iter().filter(|user| !ctx.is_oneself(**user)) {
            ctx.require_over(held.get(user).unwrap_or(&none))?;
        }
    }
    Ok(())
}

async fn forbid_earlier(
    change: &mut Change,
    whose: Whose,
    people: &[UserId],
    before: OffsetDateTime,
) -> Result<()> {
    let organization = change.ctx().organization.0;
    if whose == Whose::Organization {
        sqlx::query!(
            "UPDATE organizations SET sessions_not_before = greatest(sessions_not_before, $2) WHERE id = $1",
            organization,
            before,
        )
        .execute(change.tx())
        .await?;
        return Ok(());
    }
    sqlx::query!(
        "UPDATE users SET sessions_not_before = greatest(sessions_not_before, $3)
         WHERE organization_id = $1 AND id = ANY($2)",
        organization,
        &ids(people),
        before,
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

/// Closes the rows, so that lists and counts are true at once; with those in which one of them acts as somebody else.
async fn close(
    change: &mut Change,
    whose: Whose,
    people: &[UserId],
    before: OffsetDateTime,
) -> Result<EndedSessions> {
    let (organization, at) = (change.ctx().organization.0, change.at());
    let row = sqlx::query!(
        r#"WITH ended AS (
             UPDATE user_sessions SET revoked_at = $4, revoked_reason = $5, version = version + 1
             WHERE organization_id = $1 AND revoked_at IS NULL AND created_at < $3 AND ($6 OR user_id = ANY($2))
             RETURNING id, user_id),
           acting AS (
             UPDATE user_sessions SET revoked_at = $4, revoked_reason = $5, version = version + 1
             WHERE organization_id = $1 AND revoked_at IS NULL AND NOT (created_at < $3 AND ($6 OR user_id = ANY($2)))
               AND impersonator_session IN (SELECT id FROM ended)
             RETURNING user_id)
           SELECT count(*) AS "sessions!", count(DISTINCT user_id) AS "people!"
           FROM (SELECT user_id FROM ended UNION ALL SELECT user_id FROM acting) AS every"#,
        organization,
        &ids(people),
        before,
        at,
        WHY,
        whose == Whose::Organization,
    )
    .fetch_one(change.tx())
    .await?;
    Ok(EndedSessions {
        sessions: row.sessions as u64,
        people: row.people as u64,
    })
}

/// What is told to those who are signed out.
const WHY: &str = "All sessions were ended. Sign in again.";

async fn record(
    change: &mut Change,
    whose: Whose,
    wanted: &NotBefore,
    before: OffsetDateTime,
    ended: EndedSessions,
) -> Result<()> {
    let (action, text) = match whose {
        Whose::Person(_) => (
            "sessions.revoke_of_user",
            "{actor} ended all sessions of {subject}",
        ),
        Whose::Role(_) => ("sessions.revoke_of_role", "{actor} ended all sessions of a role"),
        Whose::Organization => ("sessions.revoke_all", "{actor} ended all sessions"),
    };
    let subject = subject(change, whose).await?;
    let before = before.format(&time::format_description::well_known::Rfc3339);
    let mut event = Event::new("session.all_revoked", action, subject, CHANNEL, text)
        .severity(Severity::Warn)
        .data("sessions", ended.sessions)
        .detail("not_before", before.map_err(Error::internal)?)
        .detail("sessions", ended.sessions)
        .detail("people", ended.people)
        .counts(
            "sessions_active",
            -i64::try_from(ended.sessions).unwrap_or_default(),
        );
    if let Some(reason) = wanted
        .reason
        .as_deref()
        .filter(|reason| !reason.trim().is_empty())
    {
        event = event.reason(reason.trim());
    }
    // the reason says what somebody thinks of them; of many it is nobody's but whose words it is
    let sealing = match whose {
        Whose::Person(user) => Some(user),
        Whose::Role(_) | Whose::Organization => change.ctx().actor.user(),
    };
    if let Some(user) = sealing {
        event = event.person(people::person(change.tx(), user).await?);
    }
    if let Whose::Person(user) = whose {
        event = event.also(format!("inbox:{user}")).data("user_id", json!(user));
    }
    change.record(event).await?;
    Ok(())
}

/// Whom the act is about, as they are: nothing of them has changed but what counts.
async fn subject(change: &mut Change, whose: Whose) -> Result<Subject> {
    let organization = change.ctx().organization.0;
    let (kind, id) = match whose {
        Whose::Person(user) => ("user", user.0),
        Whose::Role(role) => ("role", role.0),
        Whose::Organization => ("organization", organization),
    };
    let version = sqlx::query_scalar!(
        r#"SELECT version AS "version!" FROM users WHERE organization_id = $1 AND id = $2
           UNION ALL SELECT version FROM roles WHERE organization_id = $1 AND id = $2
           UNION ALL SELECT version FROM organizations WHERE id = $1 AND id = $2"#,
        organization,
        id,
    )
    .fetch_one(change.tx())
    .await?;
    Ok(Subject {
        kind: kind.into(),
        id,
        version,
    })
}

async fn cut_off(change: &mut Change, whose: Whose, people: &[UserId], before: OffsetDateTime) -> Result<()> {
    let organization = change.ctx().organization;
    let subjects = match whose {
        Whose::Organization => vec![organization.0],
        Whose::Person(_) | Whose::Role(_) => ids(people),
    };
    for subject in subjects {
        change
            .revoke(Revocation {
                organization,
                kind: RevocationKind::Sessions,
                subject,
                access_version: Some(micros(before)),
                reason: WHY.to_owned(),
            })
            .await?;
    }
    Ok(())
}

fn ids(people: &[UserId]) -> Vec<Uuid> {
    people.iter().map(|user| user.0).collect()
}
