//! The job: chunk after chunk, each with the rights that whoever asked has at that moment.

use super::model::BulkRun;
use super::step::{self, Step};
use super::{CHUNK, events, store};
use crate::change::Change;
use crate::jobs::{self, Ending, Outcome, Run};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::BulkId;
use crate::users::rights;
use crate::{Store, fault};
use serde_json::json;

/// Runs or goes on with an act on everybody whom a filter found.
pub async fn run(store: &Store, run: &Run) -> Outcome {
    Outcome::of(run, "an act on many", attempt(store, run).await)
}

async fn attempt(store: &Store, run: &Run) -> Result<Outcome> {
    let id: BulkId = serde_json::from_value(run.payload["bulk_id"].clone())?;
    let ctx = &run.job.ctx;
    let bulk = one(store, ctx, id).await?;
    if bulk.finished_at.is_some() {
        return Ok(outcome(&bulk));
    }
    let step = Step::of(bulk.action, bulk.reason.as_deref(), bulk.role)?;
    loop {
        let bulk = one(store, ctx, id).await?;
        run.progress.set(bulk.done + bulk.failed, bulk.total, "apply");
        match run.cancel.asked() {
            Some(Ending::Stopping) => return Ok(Outcome::Released),
            Some(Ending::Cancelled) => {
                finish(store, run, ctx, id).await?;
                return Ok(Outcome::Cancelled);
            }
            None => {}
        }
        match chunk(store, run, &bulk, &step).await {
            Ok(true) => {}
            Ok(false) => return Ok(outcome(&finish(store, run, ctx, id).await?)),
            Err(error) if error.kind == Kind::Forbidden => {
                finish(store, run, &in_the_hubs_name(ctx), id).await?;
                return Ok(Outcome::Fail(error.detail));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Changes the next people, and commits that with what it came to and the run's checkpoint. False when nobody is left.
async fn chunk(store: &Store, run: &Run, bulk: &BulkRun, step: &Step) -> Result<bool> {
    let ctx = &run.job.ctx;
    let mut change = Change::begin(store, ctx).await?;
    let user = ctx
        .actor
        .user()
        .ok_or_else(|| Error::internal("nobody asked for this"))?;
    let at = change.at();
    let held = rights::at_present_through(change.tx(), ctx, user, at).await?;
    if !held.has_some(bulk.action.permission()) {
        return Err(Error::new(
            Kind::Forbidden,
            "users.bulk_no_longer_allowed",
            "Whoever asked for this may no longer do it, so it was stopped. What was done before stays.",
        ));
    }
    change.act_with(held);
    let ids = store::next(change.tx(), ctx.organization, bulk.id, CHUNK as i64).await?;
    if ids.is_empty() {
        return Ok(false);
    }
    let told = step::told(bulk.id, bulk.action, Some(jobs::channel(bulk.job_id)));
    let items = step::chunk(&mut change, step, &ids, &told).await?;
    store::keep_results(change.tx(), ctx.organization, bulk.id, &items).await?;
    fault::point("bulk.chunk").await;
    change.checkpoint(run.lease, &json!({})).await?;
    Ok(true)
}

async fn finish(store: &Store, run: &Run, by: &Ctx, id: BulkId) -> Result<BulkRun> {
    let mut change = Change::begin(store, by).await?;
    let at = change.at();
    store::finish(change.tx(), by.organization, id, at).await?;
    let bulk = store::get(change.tx(), by.organization, id).await?;
    let bulk = bulk.ok_or_else(|| Error::not_found("bulk"))?;
    change.record(events::run_finished(&bulk)).await?;
    change.checkpoint(run.lease, &json!({"finished": true})).await?;
    Ok(bulk)
}

/// Closes one act whose job ended without it: cancelled while it waited, given up, or set aside. Answers whether there was
/// one; call it again then.
pub async fn close_ended(store: &Store) -> Result<bool> {
    let mut tx = store.db.snapshot().await?;
    let Some((id, job)) = store::to_close(&mut tx).await? else {
        return Ok(false);
    };
    let job = jobs::store::load(&mut tx, &[job.0]).await?.pop();
    drop(tx);
    let by = in_the_hubs_name(&job.ok_or_else(|| Error::not_found("job"))?.ctx);
    let mut change = Change::begin(store, &by).await?;
    let at = change.at();
    if store::finish(change.tx(), by.organization, id, at).await? {
        let bulk = store::get(change.tx(), by.organization, id).await?;
        let bulk = bulk.ok_or_else(|| Error::not_found("bulk"))?;
        change.record(events::run_finished(&bulk)).await?;
        change.commit().await?;
    }
    Ok(true)
}

/// Nobody acts with rights they no longer have.
fn in_the_hubs_name(ctx: &Ctx) -> Ctx {
    Ctx {
        actor: Actor::System("bulk".to_owned()),
        credential: Credential::Internal,
        on_behalf_of: ctx.actor.user(),
        ..ctx.clone()
    }
}

async fn one(store: &Store, ctx: &Ctx, id: BulkId) -> Result<BulkRun> {
    let mut tx = store.db.primary(ctx.organization).await?;
    let found = store::get(&mut tx, ctx.organization, id).await?;
    found.ok_or_else(|| Error::not_found("bulk"))
}

fn outcome(bulk: &BulkRun) -> Outcome {
    let (done, failed) = (bulk.done, bulk.failed);
    Outcome::Done(json!({"bulk_id": bulk.id, "done": done, "failed": failed, "not_reached": bulk.left}))
}
