//! `/api/v1/saved_filters`: views that people keep.

use super::{Answer, Caller, IfMatch, Json, State, etag, problem};
use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use serde::Deserialize;
use signalbox_core::kernel::id::SavedFilterId;
use signalbox_core::saved_filters::{self, NewSavedFilter, SavedFilter, SavedFilterChange, SavedFilterList};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list)
        .service(create)
        .service(update)
        .service(delete)
        .service(set_default)
        .service(unset_default);
}

/// Views of which page.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The page: `users`, `jobs`, `audit`, ...
    page: String,
}

/// Views of a page
#[utoipa::path(
    operation_id = "saved_filters.list", tag = "saved_filters", params(Asked),
    responses((status = 200, body = SavedFilterList), (status = 403, body = problem::Body))
)]
#[get("/saved_filters")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<SavedFilterList>> {
    Ok(web::Json(
        saved_filters::list(&state.store, &caller, &asked.page).await?,
    ))
}

/// Keep a view
#[utoipa::path(
    operation_id = "saved_filters.create", tag = "saved_filters", request_body = NewSavedFilter,
    responses((status = 201, body = SavedFilter), (status = 403, body = problem::Body),
              (status = 409, body = problem::Body), (status = 422, body = problem::Body))
)]
#[post("/saved_filters")]
async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewSavedFilter>,
) -> Answer<HttpResponse> {
    let made = saved_filters::create(&state.store, &caller, &new).await?;
    Ok(etag::etag(&mut HttpResponse::Created(), made.version).json(made))
}

/// Change a view
#[utoipa::path(
    operation_id = "saved_filters.update", tag = "saved_filters", request_body = SavedFilterChange,
    params(("id" = SavedFilterId, Path, description = "The view"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = SavedFilter), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 412, body = problem::Body), (status = 422, body = problem::Body))
)]
#[patch("/saved_filters/{id}")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SavedFilterId>,
    IfMatch(version): IfMatch,
    Json(change): Json<SavedFilterChange>,
) -> Answer<HttpResponse> {
    let view = saved_filters::update(&state.store, &caller, *id, version, &change).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), view.version).json(view))
}

/// Delete a view
#[utoipa::path(
    operation_id = "saved_filters.delete", tag = "saved_filters",
    params(("id" = SavedFilterId, Path, description = "The view"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 412, body = problem::Body))
)]
#[delete("/saved_filters/{id}")]
async fn delete(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SavedFilterId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    saved_filters::delete(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Have the page open with a view, for oneself
#[utoipa::path(
    operation_id = "saved_filters.set_default", tag = "saved_filters",
    params(("id" = SavedFilterId, Path, description = "The view")),
    responses((status = 204), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[put("/saved_filters/{id}/default")]
async fn set_default(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SavedFilterId>,
) -> Answer<HttpResponse> {
    saved_filters::set_default(&state.store, &caller, *id, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Have the page open without a view again, for oneself
#[utoipa::path(
    operation_id = "saved_filters.unset_default", tag = "saved_filters",
    params(("id" = SavedFilterId, Path, description = "The view")),
    responses((status = 204), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[delete("/saved_filters/{id}/default")]
async fn unset_default(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SavedFilterId>,
) -> Answer<HttpResponse> {
    saved_filters::set_default(&state.store, &caller, *id, false).await?;
    Ok(HttpResponse::NoContent().finish())
}
