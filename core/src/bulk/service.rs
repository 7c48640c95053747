//! What people do with acts on many.

use super::model::{BulkAction, BulkFilter, BulkItem, BulkOutcome, BulkRun, NewBulk};
use super::step::{self, Step};
use super::store::{self, New};
use super::{CHUNK, Failures, MOST_FOUND, MOST_NAMED, MOST_RESET, QUEUE, events};
use crate::Store;
use crate::change::{Change, Whole};
use crate::jobs::NewJob;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{BulkId, UserId};
use crate::users::{search, service};
use serde_json::json;
use std::collections::HashMap;
use std::collections::HashSet;

/// Acts are forgotten so many days after they were asked for, with the list of whom they could not change.
const KEPT_DAYS: i32 = 30;

/// Does `new` to people who are named, or begins a job for everybody whom its filter finds; with `dry_run` only counts.
pub async fn start(store: &Store, ctx: &Ctx, new: &NewBulk) -> Result<BulkOutcome> {
    ctx.require_some(new.action.permission())?;
    let step = Step::of(new.action, new.reason.as_deref(), new.role)?;
    if new.action.wants_proof() && !new.dry_run {
        ctx.require_recent_proof(store.clock.now())?;
    }
    match (&new.ids, &new.filter) {
        (Some(ids), None) => {
            let ids = named(ids, &step)?;
            if new.dry_run {
                return count(store, ctx, &ids).await;
            }
            each(store, ctx, new, &step, &ids).await
        }
        (None, Some(filter)) => all(store, ctx, new, &step, filter).await,
        _ => Err(Error::field(
            "ids",
            "one_of",
            "Name people in ids, or say which in filter: one of the two.",
        )),
    }
}

/// Each once, in the order asked.
fn named(ids: &[UserId], step: &Step) -> Result<Vec<UserId>> {
    let most = if *step == Step::Reset {
        MOST_RESET
    } else {
        MOST_NAMED
    };
    if ids.is_empty() || ids.len() > most {
        let detail = format!("Name 1 to {most} people, or use a filter.");
        return Err(Error::field("ids", "out_of_range", detail));
    }
    let mut seen = HashSet::new();
    Ok(ids.iter().copied().filter(|id| seen.insert(*id)).collect())
}

async fn count(store: &Store, ctx: &Ctx, people: &[UserId]) -> Result<BulkOutcome> {
    let mut tx = store.db.read(ctx.organization).await?;
    let sessions = store::open_sessions(&mut tx, ctx.organization, people, store.clock.now()).await?;
    Ok(BulkOutcome {
        count: people.len() as i64,
        // who may not see sessions is not told how many there are
        sessions: if ctx.permissions.has("sessions:read") {
            sessions
        } else {
            0
        },
        ..BulkOutcome::default()
    })
}

/// The record that it begins comes before the first person is changed, and the one of its end after the last: what a crash
/// between them leaves undone shows.
async fn each(store: &Store, ctx: &Ctx, new: &NewBulk, step: &Step, ids: &[UserId]) -> Result<BulkOutcome> {
    let (bulk, action) = (BulkId::new(), new.action);
    let (whole, part) = (Whole::begin(store, ctx).await?, Whole::part(ctx));
    let mut begun = Change::begin(store, &part).await?;
    let event = events::started(bulk, action, new.role, ids.len() as i64, ids);
    begun.record(event).await?;
    begun.commit().await?;
    let mut items = HashMap::new();
    for ids in ids.chunks(CHUNK) {
        let done = match step {
            Step::Reset => reset(store, &part, ids).await,
            step => together(store, &part, step, ids, bulk, action).await,
        };
        items.extend(done.into_iter().map(|item| (item.user, item)));
    }
    let items: Vec<BulkItem> = ids.iter().filter_map(|id| items.remove(id)).collect();
    let done = items.iter().filter(|item| item.done).count() as i64;
    let outcome = BulkOutcome {
        count: ids.len() as i64,
        done,
        failed: ids.len() as i64 - done,
        items,
        ..BulkOutcome::default()
    };
    let mut over = whole.end(store, ctx).await?;
    over.record(events::finished(bulk, action, outcome.done, outcome.failed, 0))
        .await?;
    over.answer(200, &outcome).await?;
    over.commit().await?;
    Ok(outcome)
}

/// One transaction; what fails for the hub's own reasons fails for all of its people.
async fn together(
    store: &Store,
    ctx: &Ctx,
    step: &Step,
    ids: &[UserId],
    bulk: BulkId,
    action: BulkAction,
) -> Vec<BulkItem> {
    let written = async {
        let mut change = Change::begin(store, ctx).await?;
        let items = step::chunk(&mut change, step, ids, &step::told(bulk, action, None)).await?;
        change.commit().await?;
        Ok::<_, Error>(items)
    };
    written.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "people could not be changed together");
        ids.iter().map(|id| step::failed(*id, &error)).collect()
    })
}

async fn reset(store: &Store, ctx: &Ctx, ids: &[UserId]) -> Vec<BulkItem> {
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        items.push(match service::reset_password(store, ctx, *id).await {
            Ok(answer) => BulkItem {
                one_time_password: Some(answer.one_time_password),
                ..step::done(*id)
            },
            Err(error) => step::failed(*id, &error),
        });
    }
    items
}

/// Everybody whom the filter finds. What is confirmed is a number that was seen: should it have changed, it is shown again.
async fn all(
    store: &Store,
    ctx: &Ctx,
    new: &NewBulk,
    step: &Step,
    filter: &BulkFilter,
) -> Result<BulkOutcome> {
    if *step == Step::Reset {
        let detail = "One-time passwords are shown once: name the people in ids.";
        return Err(Error::field("action", "needs_ids", detail));
    }
    ctx.require_some("users:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let query = filter.clone().into();
    let people = search::everybody(&mut tx, ctx, &query, MOST_FOUND as i64 + 1).await?;
    drop(tx);
    if people.len() > MOST_FOUND {
        let detail = format!("This finds more than {MOST_FOUND} people. Narrow it.");
        return Err(Error::field("filter", "too_many", detail));
    }
    if new.dry_run {
        return count(store, ctx, &people).await;
    }
    let found = people.len() as i64;
    if new.expected != Some(found) || found == 0 {
        return Err(Error::new(
            Kind::Conflict,
            "users.bulk_count_changed",
            format!(
                "The filter finds {found} people now. Look at whom, and confirm that number in expected."
            ),
        ));
    }
    enqueue(store, ctx, new, &people).await
}

async fn enqueue(store: &Store, ctx: &Ctx, new: &NewBulk, people: &[UserId]) -> Result<BulkOutcome> {
    let bulk = BulkId::new();
    let mut job = NewJob::new(QUEUE, "BulkUsers", json!({"bulk_id": bulk}));
    job.subject = Some(("bulk", bulk.0));
    let row = New {
        id: bulk,
        job: job.id,
        action: new.action,
        role: new.role,
        reason: new.reason.as_deref(),
        by: ctx.actor.user(),
        people,
    };
    let outcome = BulkOutcome {
        count: people.len() as i64,
        bulk_id: Some(bulk),
        job_id: Some(job.id),
        ..BulkOutcome::default()
    };
    let mut change = Change::begin(store, ctx).await?;
    let at = change.at();
    store::insert(change.tx(), ctx.organization, &row, at).await?;
    let event = events::started(bulk, new.action, new.role, outcome.count, &[]);
    let event = event.detail("job_id", job.id.to_string());
    change.record(event).await?;
    change.enqueue(job).await?;
    change.answer(202, &outcome).await?;
    change.commit().await?;
    Ok(outcome)
}

/// One act, for whoever asked for it, and for whoever sees jobs.
pub async fn get(store: &Store, ctx: &Ctx, id: BulkId) -> Result<BulkRun> {
    let mut tx = store.db.primary(ctx.organization).await?;
    let run = store::get(&mut tx, ctx.organization, id).await?;
    let run = run.ok_or_else(|| Error::not_found("bulk"))?;
    if !run.created_by.is_some_and(|by| ctx.is_oneself(by)) {
        ctx.require("jobs:read")?;
    }
    Ok(run)
}

/// Whom an act could not change or did not reach, as CSV.
pub async fn failures(store: &Store, ctx: &Ctx, id: BulkId) -> Result<Failures> {
    let run = get(store, ctx, id).await?;
    ctx.require_some("users:read")?;
    Ok(Failures::of(store, ctx.organization, run.id))
}

/// Deletes one act that is old; false when there is none.
pub async fn sweep(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let swept = sqlx::query!(
        "DELETE FROM user_bulks WHERE id = (
           SELECT id FROM user_bulks WHERE created_at < now() - make_interval(days => $1) LIMIT 1)",
        KEPT_DAYS
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(swept.rows_affected() > 0)
}
