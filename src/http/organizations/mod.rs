//! `/api/v1/organization` and `/api/v1/settings`: the organization of whoever asks.

use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, get, patch, web};
use serde_json::{Map, Value};
use signalbox_core::organizations::{self, Organization, OrganizationChange, SettingsNow};
use signalbox_core::settings::Settings;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(read)
        .service(update)
        .service(settings)
        .service(update_settings);
}

/// Your organization
#[utoipa::path(
    operation_id = "organizations.get", tag = "organizations",
    responses((status = 200, body = Organization), (status = 403, body = super::problem::Body))
)]
#[get("/organization")]
async fn read(state: web::Data<State>, caller: Caller) -> Answer<HttpResponse> {
    let one = organizations::get(&state.store, &caller).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), one.version).json(one))
}

/// Rename your organization
#[utoipa::path(
    operation_id = "organizations.update", tag = "organizations", request_body = OrganizationChange,
    params(("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = Organization), (status = 403, body = super::problem::Body),
              (status = 412, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[patch("/organization")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    IfMatch(version): IfMatch,
    Json(wanted): Json<OrganizationChange>,
) -> Answer<HttpResponse> {
    let one = organizations::update(&state.store, &caller, version, &wanted).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), one.version).json(one))
}

/// What your organization has set
#[utoipa::path(
    operation_id = "settings.get", tag = "organizations",
    responses((status = 200, body = SettingsNow), (status = 403, body = super::problem::Body))
)]
#[get("/settings")]
async fn settings(state: web::Data<State>, caller: Caller) -> Answer<HttpResponse> {
    let now = organizations::settings(&state.store, &caller).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), now.version).json(now))
}

/// Change settings
///
/// By JSON merge patch (RFC 7396): what is absent stays, null sets back to the default. It holds on every node at once.
#[utoipa::path(
    operation_id = "settings.update", tag = "organizations", request_body = Settings,
    params(("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = SettingsNow), (status = 403, body = super::problem::Body),
              (status = 412, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[patch("/settings")]
async fn update_settings(
    state: web::Data<State>,
    caller: Caller,
    IfMatch(version): IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Answer<HttpResponse> {
    let now = organizations::update_settings(&state.store, &caller, version, &patch).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), now.version).json(now))
}
