//! `/api/v1/jobs`: background jobs, and ending them.

use super::{Answer, Caller, State};
use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use signalbox_core::change::Change;
use signalbox_core::db::PgConnection;
use signalbox_core::jobs::{self, CHANNEL, Job, JobEvent, JobItem, JobState, store};
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::kernel::id::JobId;
use signalbox_core::kernel::page;
use signalbox_core::live::position;
use signalbox_core::people;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list).service(get).service(cancel);
}

/// A page of jobs, newest first.
#[derive(Serialize, utoipa::ToSchema)]
struct Jobs {
    /// The jobs.
    items: Vec<JobItem>,
    /// For the page after.
    next_cursor: Option<String>,
    /// Of `feed:jobs`.
    epoch: String,
    /// Of `feed:jobs`.
    offset: u64,
}

/// One job with its history.
#[derive(Serialize, utoipa::ToSchema)]
struct OneJob {
    #[serde(flatten)]
    job: JobItem,
    /// What happened to it, oldest first.
    events: Vec<JobEvent>,
    /// Of the job's channel.
    epoch: String,
    /// Of the job's channel.
    offset: u64,
}

/// Which jobs.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// Only jobs in this state.
    state: Option<JobState>,
    /// Only jobs of this queue.
    queue: Option<String>,
}

/// Background jobs
#[utoipa::path(
    operation_id = "jobs.list", tag = "jobs", params(Asked),
    responses((status = 200, body = Jobs), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/jobs")]
async fn list(state: web::Data<State>, caller: Caller, asked: web::Query<Asked>) -> Answer<web::Json<Jobs>> {
    caller.require("jobs:read")?;
    let asked = asked.into_inner();
    let limit = page::limit(asked.limit)?;
    let filter = store::Filter {
        state: asked.state,
        queue: asked.queue,
        after: asked
            .cursor
            .as_deref()
            .map(page::decode_cursor::<(i64, Uuid)>)
            .transpose()?
            .map(|(at, id)| (page::instant(at), id)),
    };
    let mut tx = state.store.db.read(caller.organization).await?;
    let at = position::told(&mut tx, &caller, CHANNEL).await?;
    let mut found = store::list(&mut tx, caller.organization, &filter, limit).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let end = found
        .last()
        .filter(|_| more)
        .map(|last| (page::micros(last.created_at), last.id.0));
    Ok(web::Json(Jobs {
        next_cursor: end.as_ref().map(page::encode_cursor).transpose()?,
        items: show(&mut tx, &state, &caller, found).await?,
        epoch: at.epoch,
        offset: at.offset,
    }))
}

/// One job and its history
///
/// Whoever asked for a job may always look at it.
#[utoipa::path(
    operation_id = "jobs.get", tag = "jobs", params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, body = OneJob), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/jobs/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<JobId>) -> Answer<web::Json<OneJob>> {
    let one = read(&state, &caller, *id).await?;
    let mine = one.job.requested_by.id.is_some_and(|who| caller.is_oneself(who));
    if !mine {
        caller.require("jobs:read")?;
    }
    Ok(web::Json(one))
}

/// End a job
///
/// A waiting job is over at once; a running one at its next checkpoint, at most some seconds later.
#[utoipa::path(
    operation_id = "jobs.cancel", tag = "jobs", params(("id" = JobId, Path, description = "The job")),
    responses((status = 200, body = OneJob), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body))
)]
#[post("/jobs/{id}/cancel")]
async fn cancel(state: web::Data<State>, caller: Caller, id: web::Path<JobId>) -> Answer<web::Json<OneJob>> {
    caller.require("jobs:cancel")?;
    let mut change = Change::begin(&state.store, &caller).await?;
    change.cancel_job(*id).await?;
    let one = read_through(change.tx(), &state, &caller, *id).await?;
    change.answer(200, &one).await?;
    change.commit().await?;
    Ok(web::Json(one))
}

/// The job as whoever may look at it, or has just ended it, sees it.
async fn read(state: &State, ctx: &Ctx, id: JobId) -> Result<OneJob> {
    let mut tx = state.store.db.primary(ctx.organization).await?;
    read_through(&mut tx, state, ctx, id).await
}

async fn read_through(connection: &mut PgConnection, state: &State, ctx: &Ctx, id: JobId) -> Result<OneJob> {
    let at = position::told(connection, ctx, &jobs::channel(id)).await?;
    let found = store::get(connection, ctx.organization, id).await?;
    let job = found.ok_or_else(|| Error::not_found("job"))?;
    let events = store::history(connection, ctx.organization, id).await?;
    let mut items = show(connection, state, ctx, vec![job]).await?;
    let job = items.pop().ok_or_else(|| Error::not_found("job"))?;
    Ok(OneJob {
        job,
        events,
        epoch: at.epoch,
        offset: at.offset,
    })
}

/// Puts names to those who asked, and says what the viewer may do.
async fn show(
    connection: &mut PgConnection,
    state: &State,
    ctx: &Ctx,
    found: Vec<Job>,
) -> Result<Vec<JobItem>> {
    let mut items: Vec<JobItem> = found.into_iter().map(jobs::item).collect();
    let mut names: Vec<_> = items
        .iter()
        .map(|item| json!({"requested_by": item.requested_by}))
        .collect();
    people::open(connection, &state.store.sealer, &mut names).await?;
    for (item, name) in items.iter_mut().zip(names) {
        item.requested_by.name = name["requested_by"]["name"].as_str().map(str::to_owned);
        item.can.retain(|act| ctx.permissions.has(&act.replace('.', ":")));
    }
    Ok(items)
}
