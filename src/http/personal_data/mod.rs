//! What is held on people: handed out and erased.

use super::{Answer, Caller, Json, State, attachment, problem};
use actix_web::{HttpResponse, delete, get, post, web};
use serde::Deserialize;
use signalbox_core::kernel::id::{ExportId, UserId};
use signalbox_core::personal_data::{self, Erasure, ExportList, Requested};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(export_own)
        .service(export)
        .service(list)
        .service(download)
        .service(erase)
        .service(erasure)
        .service(cancel_erasure);
}

/// An act that needs no more than its name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Why somebody is erased.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Erase {
    /// For operators to read until it is done, 1 to 2000 characters.
    reason: String,
}

/// Gather everything that is held on oneself
#[utoipa::path(
    operation_id = "personal_data.export_own", tag = "personal_data", request_body = Nothing,
    responses((status = 202, body = Requested), (status = 403, body = problem::Body), (status = 409, body = problem::Body))
)]
#[post("/me/personal_data/export")]
async fn export_own(
    state: web::Data<State>,
    caller: Caller,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<HttpResponse> {
    let oneself = caller.require_person()?;
    let requested = personal_data::request(&state.store, &caller, oneself).await?;
    Ok(HttpResponse::Accepted().json(requested))
}

/// Gather everything that is held on a person
///
/// As a job. Whoever asked, and nobody else, may fetch it for a week.
#[utoipa::path(
    operation_id = "personal_data.export", tag = "personal_data", request_body = Nothing,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 202, body = Requested), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body))
)]
#[post("/users/{id}/personal_data/export")]
async fn export(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<HttpResponse> {
    let requested = personal_data::request(&state.store, &caller, *id).await?;
    Ok(HttpResponse::Accepted().json(requested))
}

/// Exports that the caller asked for
#[utoipa::path(
    operation_id = "personal_data.list", tag = "personal_data",
    responses((status = 200, body = ExportList), (status = 403, body = problem::Body))
)]
#[get("/personal_data/exports")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<ExportList>> {
    Ok(web::Json(personal_data::exports(&state.store, &caller).await?))
}

/// Fetch an export that the caller asked for
///
/// JSON lines: first what it is, then `{"table", "row"}` for each row. Each time it is fetched is recorded.
#[utoipa::path(
    operation_id = "personal_data.download", tag = "personal_data", params(("id" = ExportId, Path, description = "The export")),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 403, body = problem::Body),
              (status = 404, body = problem::Body), (status = 409, body = problem::Body))
)]
#[get("/personal_data/exports/{id}/file")]
async fn download(state: web::Data<State>, caller: Caller, id: web::Path<ExportId>) -> Answer<HttpResponse> {
    let fetched = personal_data::download(&state.store, &caller, *id).await?;
    let name = format!("personal-data-{id}.jsonl");
    let named = (name.as_str(), "application/x-ndjson; charset=utf-8");
    Ok(attachment::file(state, caller, named, fetched))
}

/// Erase a person, after the days that the organization leaves to think again
///
/// Their values go everywhere, their sessions and keys end, and what stands sealed in the logs can be opened by nobody. It cannot
/// be undone once it has begun.
#[utoipa::path(
    operation_id = "users.erase", tag = "personal_data", request_body = Erase, params(("id" = UserId, Path, description = "The person")),
    responses((status = 202, body = Erasure), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 422, body = problem::Body))
)]
#[post("/users/{id}/erasure")]
async fn erase(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(wanted): Json<Erase>,
) -> Answer<HttpResponse> {
    let asked = personal_data::erase_later(&state.store, &caller, *id, &wanted.reason).await?;
    Ok(HttpResponse::Accepted().json(asked))
}

/// The newest erasure of a person
///
/// Nothing (204) where nobody has asked for one.
#[utoipa::path(
    operation_id = "users.erasure", tag = "personal_data", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = Erasure), (status = 204), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[get("/users/{id}/erasure")]
async fn erasure(state: web::Data<State>, caller: Caller, id: web::Path<UserId>) -> Answer<HttpResponse> {
    Ok(match personal_data::erasure(&state.store, &caller, *id).await? {
        Some(erasure) => HttpResponse::Ok().json(erasure),
        None => HttpResponse::NoContent().finish(),
    })
}

/// Take an erasure back that has not begun
#[utoipa::path(
    operation_id = "users.cancel_erasure", tag = "personal_data", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = Erasure), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body))
)]
#[delete("/users/{id}/erasure")]
async fn cancel_erasure(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
) -> Answer<web::Json<Erasure>> {
    Ok(web::Json(
        personal_data::cancel_erasure(&state.store, &caller, *id).await?,
    ))
}
