//! `/api/v1/users/bulk`: one act on many people.

use super::{Answer, Caller, Json, State, attachment, problem};
use actix_web::{HttpResponse, get, post, web};
use signalbox_core::bulk::{self, BulkOutcome, BulkRun, NewBulk};
use signalbox_core::kernel::id::BulkId;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(start).service(get).service(failures);
}

/// Do the same to many people
///
/// With `ids` it is done before the answer, which says for each what came of it. With `filter` everybody whom it finds is
/// counted first (`dry_run`), then the count is confirmed (`expected`), and a job does it. Each person is changed on their own:
/// who cannot be changed stays as they are.
#[utoipa::path(
    operation_id = "users.bulk", tag = "users", request_body = NewBulk,
    responses((status = 200, body = BulkOutcome), (status = 202, body = BulkOutcome),
              (status = 403, body = problem::Body), (status = 409, body = problem::Body),
              (status = 422, body = problem::Body))
)]
#[post("/users/bulk")]
async fn start(state: web::Data<State>, caller: Caller, Json(new): Json<NewBulk>) -> Answer<HttpResponse> {
    let outcome = bulk::start(&state.store, &caller, &new).await?;
    let mut answer = match outcome.job_id {
        Some(_) => HttpResponse::Accepted(),
        None => HttpResponse::Ok(),
    };
    Ok(answer.json(outcome))
}

/// An act on everybody whom a filter found
#[utoipa::path(
    operation_id = "users.bulk_get", tag = "users", params(("id" = BulkId, Path, description = "The act")),
    responses((status = 200, body = BulkRun), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[get("/users/bulk/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<BulkId>) -> Answer<web::Json<BulkRun>> {
    Ok(web::Json(bulk::get(&state.store, &caller, *id).await?))
}

/// Whom an act could not change or did not reach, as CSV
#[utoipa::path(
    operation_id = "users.bulk_failures", tag = "users", params(("id" = BulkId, Path, description = "The act")),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = problem::Body),
              (status = 404, body = problem::Body))
)]
#[get("/users/bulk/{id}/failures")]
async fn failures(state: web::Data<State>, caller: Caller, id: web::Path<BulkId>) -> Answer<HttpResponse> {
    let report = bulk::failures(&state.store, &caller, *id).await?;
    let name = format!("failures-{id}.csv");
    Ok(attachment::file(state, caller, (&name, attachment::CSV), report))
}
