//! `/api/v1/api_keys` and `/api/v1/api_key_policy`: how programs come in.

mod pace;

use super::page::Page;
use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, get, patch, post, web};
use serde::Deserialize;
use signalbox_core::api_keys::{
    self, ApiKeyChange, ApiKeyItem, ApiKeyList, NewApiKey, OneApiKey, Query, Revealed, Rotation,
};
use signalbox_core::audit::search::AuditList;
use signalbox_core::kernel::id::{ApiKeyId, UserId};
use signalbox_core::settings::ApiKeys;
use utoipa_actix_web::service_config::ServiceConfig;

pub use pace::KeyPace;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list)
        .service(create)
        .service(get)
        .service(update)
        .service(rotate)
        .service(revoke)
        .service(timeline)
        .service(policy);
}

/// Which keys.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// Only keys of this person.
    owner: Option<UserId>,
}

/// Why a key is taken back.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Revocation {
    /// For the record, at most 2000 characters.
    reason: String,
}

/// API keys, newest first
#[utoipa::path(
    operation_id = "api_keys.list", tag = "api_keys", params(Asked),
    responses((status = 200, body = ApiKeyList), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/api_keys")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<ApiKeyList>> {
    let asked = asked.into_inner();
    let query = Query {
        owner: asked.owner,
        limit: asked.limit,
        cursor: asked.cursor,
    };
    Ok(web::Json(api_keys::list(&state.store, &caller, &query).await?))
}

/// Make a key that acts as you
///
/// The answer's secret is shown once. The key may do what you may do at that moment and its scopes name. Needs a signed-in
/// person: a key makes no keys. A person has 100 at most that are not revoked.
#[utoipa::path(
    operation_id = "api_keys.create", tag = "api_keys", request_body = NewApiKey,
    responses((status = 201, body = Revealed), (status = 403, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/api_keys")]
async fn create(state: web::Data<State>, caller: Caller, Json(new): Json<NewApiKey>) -> Answer<HttpResponse> {
    let environment = &state.settings.auth.api_key_environment;
    let made = api_keys::create(&state.store, &caller, environment, &new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header(("location", format!("/api/v1/api_keys/{}", made.key.id)));
    Ok(etag::etag(&mut answer, made.key.version).json(made))
}

/// One key
#[utoipa::path(
    operation_id = "api_keys.get", tag = "api_keys", params(("id" = ApiKeyId, Path, description = "The key")),
    responses((status = 200, body = OneApiKey), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/api_keys/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<ApiKeyId>) -> Answer<HttpResponse> {
    let one = api_keys::get(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), one.key.version).json(one))
}

/// Change what a key is called and may do
///
/// What is absent stays, null takes a limit away. What the key may do no longer ends at once, on its open streams too.
#[utoipa::path(
    operation_id = "api_keys.update", tag = "api_keys", request_body = ApiKeyChange,
    params(("id" = ApiKeyId, Path, description = "The key"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = ApiKeyItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 412, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[patch("/api_keys/{id}")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ApiKeyId>,
    IfMatch(version): IfMatch,
    Json(change): Json<ApiKeyChange>,
) -> Answer<HttpResponse> {
    let item = api_keys::update(&state.store, &caller, *id, version, &change).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Give your key another secret
///
/// The answer's secret is shown once. The one of before works for as long as is asked for, and what is open by it ends
/// with it.
#[utoipa::path(
    operation_id = "api_keys.rotate", tag = "api_keys", request_body = Rotation,
    params(("id" = ApiKeyId, Path, description = "The key")),
    responses((status = 200, body = Revealed), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[post("/api_keys/{id}/rotate")]
async fn rotate(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ApiKeyId>,
    Json(rotation): Json<Rotation>,
) -> Answer<HttpResponse> {
    let environment = &state.settings.auth.api_key_environment;
    let made = api_keys::rotate(&state.store, &caller, environment, *id, rotation).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), made.key.version).json(made))
}

/// Take a key back
///
/// Requests and streams by it end at once, on every node. A revoked key stays revoked.
#[utoipa::path(
    operation_id = "api_keys.revoke", tag = "api_keys", request_body = Revocation,
    params(("id" = ApiKeyId, Path, description = "The key")),
    responses((status = 200, body = ApiKeyItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/api_keys/{id}/revoke")]
async fn revoke(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ApiKeyId>,
    Json(why): Json<Revocation>,
) -> Answer<HttpResponse> {
    let item = api_keys::revoke(&state.store, &caller, *id, &why.reason).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// The life of a key, from the audit log, newest first
#[utoipa::path(
    operation_id = "api_keys.timeline", tag = "api_keys",
    params(("id" = ApiKeyId, Path, description = "The key"), Page),
    responses((status = 200, body = AuditList), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/api_keys/{id}/timeline")]
async fn timeline(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ApiKeyId>,
    page: web::Query<Page>,
) -> Answer<web::Json<AuditList>> {
    let page = page.into_inner();
    let life = api_keys::life(&state.store, &caller, *id, page.limit, page.cursor).await?;
    Ok(web::Json(life))
}

/// What this organization wants of its keys
///
/// For whoever sees keys. It is set with `PATCH /api/v1/settings`.
#[utoipa::path(
    operation_id = "api_keys.policy", tag = "api_keys",
    responses((status = 200, body = ApiKeys), (status = 403, body = super::problem::Body))
)]
#[get("/api_key_policy")]
async fn policy(state: web::Data<State>, caller: Caller) -> Answer<web::Json<ApiKeys>> {
    Ok(web::Json(api_keys::policy(&state.store, &caller).await?))
}
