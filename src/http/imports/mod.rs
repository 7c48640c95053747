//! `/api/v1/imports`: people from a file.

mod upload;

use super::{Answer, Caller, Json, State, attachment, page::Page};
use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use signalbox_core::imports::{self, Import, ImportList, Mapping, Mode, Preview, Submitted};
use signalbox_core::kernel::id::ImportId;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(upload::create)
        .service(list)
        .service(get)
        .service(preview)
        .service(rejects)
        .service(dry_run)
        .service(commit);
}

/// How a file's columns are to be read this time.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Again {
    /// Field to column; as before when absent.
    #[serde(default)]
    mapping: Option<Mapping>,
}

/// Imports, newest first
#[utoipa::path(
    operation_id = "imports.list", tag = "imports", params(Page),
    responses((status = 200, body = ImportList), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/imports")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    page: web::Query<Page>,
) -> Answer<web::Json<ImportList>> {
    let cursor = page.cursor.as_deref();
    Ok(web::Json(
        imports::list(&state.store, &caller, page.limit, cursor).await?,
    ))
}

/// One import
#[utoipa::path(
    operation_id = "imports.get", tag = "imports", params(("id" = ImportId, Path, description = "The import")),
    responses((status = 200, body = Import), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/imports/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<ImportId>) -> Answer<web::Json<Import>> {
    Ok(web::Json(imports::get(&state.store, &caller, *id).await?))
}

/// The first 20 lines of an import's file, and what its columns seem to hold
#[utoipa::path(
    operation_id = "imports.preview", tag = "imports", params(("id" = ImportId, Path, description = "The import")),
    responses((status = 200, body = Preview), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/imports/{id}/preview")]
async fn preview(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ImportId>,
) -> Answer<web::Json<Preview>> {
    Ok(web::Json(imports::preview(&state.store, &caller, *id).await?))
}

/// Every rejected line with its reason, as CSV
#[utoipa::path(
    operation_id = "imports.rejects", tag = "imports", params(("id" = ImportId, Path, description = "The import")),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/imports/{id}/rejects")]
async fn rejects(state: web::Data<State>, caller: Caller, id: web::Path<ImportId>) -> Answer<HttpResponse> {
    let report = imports::rejects(&state.store, &caller, *id).await?;
    let name = format!("rejects-{id}.csv");
    Ok(attachment::file(state, caller, (&name, attachment::CSV), report))
}

/// Judge every line of an import's file, writing nobody
#[utoipa::path(
    operation_id = "imports.dry_run", tag = "imports", request_body = Again,
    params(("id" = ImportId, Path, description = "The import whose file is used")),
    responses((status = 202, body = Submitted), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/imports/{id}/dry_run")]
async fn dry_run(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ImportId>,
    asked: Option<Json<Again>>,
) -> Answer<HttpResponse> {
    again(&state, &caller, *id, Mode::DryRun, asked).await
}

/// Import the file of a preview or a dry run
#[utoipa::path(
    operation_id = "imports.commit", tag = "imports", request_body = Again,
    params(("id" = ImportId, Path, description = "The import whose file is used")),
    responses((status = 202, body = Submitted), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/imports/{id}/commit")]
async fn commit(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ImportId>,
    asked: Option<Json<Again>>,
) -> Answer<HttpResponse> {
    again(&state, &caller, *id, Mode::Commit, asked).await
}

async fn again(
    state: &State,
    caller: &Caller,
    source: ImportId,
    mode: Mode,
    asked: Option<Json<Again>>,
) -> Answer<HttpResponse> {
    let mapping = asked.and_then(|Json(asked)| asked.mapping);
    let submitted = imports::again(&state.store, caller, source, mode, mapping).await?;
    Ok(HttpResponse::Accepted().json(submitted))
}
