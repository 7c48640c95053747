//! Asking for an erasure, and taking that back.

use super::export::event;
use super::model::{Erasure, ErasureState};
use super::{ERASE, ERASURES, store};
use crate::Store;
use crate::change::Change;
use crate::jobs::NewJob;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::Severity;
use crate::kernel::id::{ErasureId, UserId};
use crate::users::{self, check, rights};
use serde_json::json;
use time::Duration;

/// Has a person erased, after the days that the organization leaves to think again.
pub async fn erase_later(store: &Store, ctx: &Ctx, id: UserId, reason: &str) -> Result<Erasure> {
    ctx.require_session()?;
    ctx.require_some(ERASE)?;
    let reason = check::reason(reason).map_err(|fault| Error::invalid(vec![fault.at("reason")]))?;
    ctx.require_recent_proof(store.clock.now())?;
    let settings = store.settings(ctx.organization).await?;
    let mut change = Change::begin(store, ctx).await?;
    let person = require_erasable(&mut change, id).await?;
    let at = change.at();
    let mut job = NewJob::new(ERASURES, "ErasePerson", json!({"user_id": id}));
    job.subject = Some(("user", id.0));
    let due_at = at + Duration::days(settings.personal_data.cooling_days.into());
    job.run_at = Some(due_at);
    let erasure = Erasure {
        id: ErasureId::new(),
        user_id: id,
        requested_by: ctx.actor.user(),
        reason,
        job_id: job.id,
        state: ErasureState::Waiting,
        due_at,
        created_at: at,
        finished_at: None,
    };
    store::insert_erasure(change.tx(), ctx.organization, &erasure).await?;
    let text = "{actor} asked for {subject} to be erased";
    let event = event("user.erasure_requested", "users.erase", id, person.version, text)
        .severity(Severity::Bad)
        .detail("due_at", due_at.unix_timestamp());
    change.record(event).await?;
    change.enqueue(job).await?;
    change.answer(202, &erasure).await?;
    change.commit().await?;
    Ok(erasure)
}

/// The person is there, deleted or not; the actor may, and is somebody else who reaches over them; and the last owner stays.
pub(super) async fn require_erasable(change: &mut Change, id: UserId) -> Result<store::Person> {
    let ctx = change.ctx().clone();
    let person = store::lock_person(change.tx(), ctx.organization, id).await?;
    let person = person.ok_or_else(|| Error::not_found("user"))?;
    match users::store::find(change.tx(), ctx.organization, id).await? {
        Some(user) => user.require(&ctx, ERASE)?,
        None => ctx.require(ERASE)?,
    }
    if ctx.actor.user() == Some(id) {
        return Err(Error::new(
            Kind::Conflict,
            "user.not_oneself",
            "You cannot erase yourself. Ask somebody else who may.",
        ));
    }
    let held = rights::of(change.tx(), ctx.organization, id).await?;
    ctx.require_over(&held)?;
    rights::require_another_owner(change.tx(), ctx.organization, id).await?;
    Ok(person)
}

/// The newest erasure of a person; `None` where nobody has asked for one.
pub async fn erasure(store: &Store, ctx: &Ctx, id: UserId) -> Result<Option<Erasure>> {
    ctx.require_some(ERASE)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let found = store::erasure(&mut tx, ctx.organization, id).await?;
    match users::store::find(&mut tx, ctx.organization, id).await? {
        Some(user) => user.require(ctx, ERASE)?,
        None if found.is_none() => return Err(Error::not_found("user")),
        None => ctx.require(ERASE)?,
    }
    Ok(found)
}

/// Takes an erasure back that has not begun.
pub async fn cancel_erasure(store: &Store, ctx: &Ctx, id: UserId) -> Result<Erasure> {
    ctx.require_session()?;
    ctx.require_some(ERASE)?;
    let mut change = Change::begin(store, ctx).await?;
    require_erasable(&mut change, id).await?;
    let found = store::erasure(change.tx(), ctx.organization, id).await?;
    let found = found.filter(|found| found.state == ErasureState::Waiting);
    let waiting = found.ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            "user.no_erasure_waiting",
            "No erasure of this person is waiting. One that has begun cannot be stopped.",
        )
    })?;
    let at = change.at();
    match change.cancel_job(waiting.job_id).await {
        // cancelled by itself, or given up: nothing will run
        Err(error) if error.code == "job.finished" => {}
        cancelled => drop(cancelled?),
    }
    let state = (at, ctx.actor.user());
    store::set_erasure(
        change.tx(),
        ctx.organization,
        waiting.id,
        ErasureState::Cancelled,
        state,
    )
    .await?;
    let text = "{actor} took back that {subject} be erased";
    change
        .record(event(
            "user.erasure_cancelled",
            "users.cancel_erasure",
            id,
            0,
            text,
        ))
        .await?;
    change.commit().await?;
    Ok(Erasure {
        state: ErasureState::Cancelled,
        finished_at: Some(at),
        ..waiting
    })
}
