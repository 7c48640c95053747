//! The jobs.

use super::close::{erasure_ended, exported, in_the_hubs_name};
use super::export::{KEPT, event, require_reach};
use super::held::HELD;
use super::model::{ErasureState, ExportState};
use super::search::{self, Place};
use super::{erase, naming, store};
use crate::change::{Change, ledger};
use crate::jobs::{Ending, Outcome, Run};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{ErasureId, ExportId, UserId};
use crate::users::rights;
use crate::{Store, fault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

/// Runs or goes on with an export.
pub async fn run_export(store: &Store, run: &Run) -> Outcome {
    Outcome::of(run, "an export of personal data", export(store, run).await)
}

/// Runs or goes on with an erasure.
pub async fn run_erasure(store: &Store, run: &Run) -> Outcome {
    Outcome::of(run, "an erasure", erasure(store, run).await)
}

/// How far an export is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Gathered {
    table: usize,
    after: Place,
    parts: i32,
    finished: bool,
}

async fn export(store: &Store, run: &Run) -> Result<Outcome> {
    let id: ExportId = serde_json::from_value(run.payload["export_id"].clone())?;
    let ctx = &run.job.ctx;
    let mut at: Gathered = checkpoint(&run.checkpoint)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let found = store::export_of(&mut tx, ctx.organization, id).await?;
    drop(tx);
    let (user, state) = found.ok_or_else(|| Error::not_found("personal_data_export"))?;
    if at.finished || state != ExportState::Making {
        return Ok(made(id, state));
    }
    while at.table < HELD.len() {
        run.progress.set(at.table as i64, HELD.len() as i64, "gather");
        match run.cancel.asked() {
            Some(Ending::Stopping) => return Ok(Outcome::Released),
            Some(Ending::Cancelled) => {
                finish_export(store, run, ctx, (id, user), false).await?;
                return Ok(Outcome::Cancelled);
            }
            None => {}
        }
        if !may(store, ctx, user).await? {
            finish_export(store, run, &in_the_hubs_name(ctx), (id, user), false).await?;
            return Ok(Outcome::Fail(NO_LONGER.to_owned()));
        }
        at = gather(store, run, (id, user), at).await?;
    }
    finish_export(store, run, ctx, (id, user), true).await?;
    Ok(made(id, ExportState::Ready))
}

fn made(id: ExportId, state: ExportState) -> Outcome {
    match state {
        ExportState::Failed => Outcome::Fail(NO_LONGER.to_owned()),
        ExportState::Making | ExportState::Ready => Outcome::Done(json!({"export_id": id})),
    }
}

/// Stages the next rows, and commits them with the run's checkpoint.
async fn gather(store: &Store, run: &Run, (id, user): (ExportId, UserId), at: Gathered) -> Result<Gathered> {
    let organization = run.job.ctx.organization;
    let held = &HELD[at.table];
    let mut tx = store.db.primary(organization).await?;
    let (mut rows, end) = search::rows(&mut tx, organization, user, held, at.after).await?;
    let salt = store::salt(&mut tx, user).await?;
    drop(tx);
    // theirs alone: what is sealed of others stays closed
    let salts: HashMap<UserId, Uuid> = salt.map(|salt| (user, salt)).into_iter().collect();
    let mut part = Vec::new();
    if at.parts == 0 {
        line(
            &mut part,
            &json!({"signalbox": "personal data", "user_id": user, "tables": HELD.iter().map(|held| held.table).collect::<Vec<_>>()}),
        )?;
    }
    for row in &mut rows {
        store.sealer.open(&salts, row);
        line(&mut part, &json!({"table": held.table, "row": row}))?;
    }
    let mut next = match end {
        Some(after) => Gathered { after, ..at },
        None => Gathered {
            table: at.table + 1,
            after: Place::default(),
            ..at
        },
    };
    let mut tx = store.db.bookkeeping().await?;
    if !part.is_empty() {
        store::stage_part(&mut tx, organization, id, next.parts, &part).await?;
        next.parts += 1;
    }
    fault::point("personal_data.gather").await;
    ledger::checkpoint(tx, run.lease, &serde_json::to_value(&next)?).await?;
    Ok(next)
}

fn line(part: &mut Vec<u8>, value: &Value) -> Result<()> {
    serde_json::to_writer(&mut *part, value)?;
    part.push(b'\n');
    Ok(())
}

async fn finish_export(
    store: &Store,
    run: &Run,
    by: &Ctx,
    (id, user): (ExportId, UserId),
    ready: bool,
) -> Result<()> {
    let mut change = Change::begin(store, by).await?;
    let at = change.at();
    store::finish_export(change.tx(), by.organization, id, ready, (at, at + KEPT)).await?;
    change.record(exported(&run.job, (id, user), ready)).await?;
    change.checkpoint(run.lease, &json!({"finished": true})).await
}

/// How far an erasure is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Swept {
    begun: bool,
    /// The last uploaded file that was looked through.
    file: Uuid,
    files_done: bool,
    finished: bool,
}

async fn erasure(store: &Store, run: &Run) -> Result<Outcome> {
    let user: UserId = serde_json::from_value(run.payload["user_id"].clone())?;
    let ctx = &run.job.ctx;
    let mut at: Swept = checkpoint(&run.checkpoint)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let found = store::erasure(&mut tx, ctx.organization, user).await?;
    drop(tx);
    let erasure = found
        .filter(|found| found.job_id == run.job.id)
        .ok_or_else(|| Error::not_found("erasure"))?;
    match erasure.state {
        ErasureState::Done => return Ok(erased(user)),
        ErasureState::Cancelled => return Ok(Outcome::Cancelled),
        ErasureState::Failed => return Ok(Outcome::Fail(NO_LONGER.to_owned())),
        ErasureState::Waiting | ErasureState::Running => {}
    }
    loop {
        match run.cancel.asked() {
            Some(Ending::Stopping) => return Ok(Outcome::Released),
            Some(Ending::Cancelled) if !at.begun => {
                end_erasure(store, run, ctx, (user, erasure.id), ErasureState::Cancelled).await?;
                return Ok(Outcome::Cancelled);
            }
            _ => {}
        }
        match step(store, run, (user, erasure.id), at).await {
            Ok(next) if next.finished => return Ok(erased(user)),
            Ok(next) => at = next,
            Err(error) if error.code == TAKEN_BACK => return Ok(Outcome::Cancelled),
            // no longer allowed, or the last owner by now: nothing of the person was touched, or only what names them beside others
            Err(error)
                if matches!(error.kind, Kind::Forbidden | Kind::Conflict | Kind::NotFound)
                    && error.code != "job.lease_lost" =>
            {
                end_erasure(
                    store,
                    run,
                    &in_the_hubs_name(ctx),
                    (user, erasure.id),
                    ErasureState::Failed,
                )
                .await?;
                return Ok(Outcome::Fail(error.detail));
            }
            Err(error) => return Err(error),
        }
    }
}

fn erased(user: UserId) -> Outcome {
    Outcome::Done(json!({"user_id": user}))
}

/// One transaction: the beginning, one uploaded file, or the end.
async fn step(store: &Store, run: &Run, (user, id): (UserId, ErasureId), at: Swept) -> Result<Swept> {
    let ctx = &run.job.ctx;
    let mut change = Change::begin(store, ctx).await?;
    let asker = ctx
        .actor
        .user()
        .ok_or_else(|| Error::internal("nobody asked for this"))?;
    let held = rights::at_present(change.tx(), ctx.organization, asker).await?;
    change.act_with(held);
    let person = super::erasure::require_erasable(&mut change, user).await?;
    let now = change.at();
    let mut next = at.clone();
    let event = if !at.begun {
        let running = ErasureState::Running;
        if !store::set_erasure(change.tx(), ctx.organization, id, running, (now, None)).await? {
            return Err(Error::new(
                Kind::Conflict,
                TAKEN_BACK,
                "This erasure was taken back.",
            ));
        }
        next.begun = true;
        progressed(run, user)
    } else if !at.files_done {
        match store::next_file(change.tx(), ctx.organization, at.file).await? {
            Some(file) => {
                let addresses = naming::addresses(store, &mut change, user, &person).await?;
                naming::empty_file_naming(change.tx(), ctx.organization, file, &addresses).await?;
                next.file = file;
            }
            None => next.files_done = true,
        }
        progressed(run, user)
    } else {
        next.finished = true;
        erase::clear(store, &mut change, user, id).await?
    };
    change.record(event).await?;
    fault::point("personal_data.erase").await;
    change
        .checkpoint(run.lease, &serde_json::to_value(&next)?)
        .await?;
    Ok(next)
}

fn progressed(run: &Run, user: UserId) -> crate::kernel::event::Event {
    let text = "{subject} is being erased";
    let mut event = event("user.erasure_progressed", "users.erase", user, 0, text).unaudited();
    event.channels = vec![crate::jobs::channel(run.lease.job)];
    event
}

async fn end_erasure(
    store: &Store,
    run: &Run,
    by: &Ctx,
    (user, id): (UserId, ErasureId),
    state: ErasureState,
) -> Result<()> {
    let mut change = Change::begin(store, by).await?;
    let at = change.at();
    if !store::set_erasure(change.tx(), by.organization, id, state, (at, None)).await? {
        return Ok(());
    }
    change.record(erasure_ended(&run.job, user)).await?;
    change.checkpoint(run.lease, &json!({"finished": true})).await
}

/// Between the run's look and its first step.
const TAKEN_BACK: &str = "user.erasure_taken_back";
const NO_LONGER: &str = "Whoever asked for this may no longer do it, so it was stopped.";

/// Whether whoever asked may still: a job outlives the request, not the rights it was begun with.
async fn may(store: &Store, ctx: &Ctx, user: UserId) -> Result<bool> {
    let Some(asker) = ctx.actor.user() else {
        return Ok(false);
    };
    let mut tx = store.db.primary(ctx.organization).await?;
    let permissions = rights::at_present(&mut tx, ctx.organization, asker).await?;
    let now = Ctx {
        permissions,
        ..ctx.clone()
    };
    // one's own needs no permission, only that the account stands
    let Some(person) = crate::users::store::find(&mut tx, ctx.organization, user).await? else {
        return Ok(false);
    };
    match require_reach(&mut tx, &now, &person).await {
        Err(error) if matches!(error.kind, Kind::Forbidden | Kind::NotFound) => Ok(false),
        reached => reached.map(|()| true),
    }
}

fn checkpoint<T: Default + for<'de> Deserialize<'de>>(kept: &Value) -> Result<T> {
    match kept {
        Value::Null => Ok(T::default()),
        kept => Ok(serde_json::from_value(kept.clone())?),
    }
}
