//! `/api/v1/providers`: through whom people sign in; and one's own accounts there.

mod linked;

use super::auth::providers::public_url;
use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, delete, get, patch, post, web};
use signalbox_core::kernel::id::ProviderId;
use signalbox_core::providers::{
    self, NewProvider, OneProvider, ProviderChange, ProviderItem, ProviderList, Tested,
};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list)
        .service(create)
        .service(get)
        .service(update)
        .service(delete)
        .service(test)
        .configure(linked::routes);
}

/// All providers
#[utoipa::path(
    operation_id = "providers.list", tag = "providers",
    responses((status = 200, body = ProviderList), (status = 403, body = super::problem::Body))
)]
#[get("/providers")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<ProviderList>> {
    Ok(web::Json(
        providers::list(&state.store, &caller, public_url(&state)).await?,
    ))
}

/// Add a provider
///
/// Needs a proof of who you are from the last ten minutes. Its claims give no role that holds more than you do.
#[utoipa::path(
    operation_id = "providers.create", tag = "providers", request_body = NewProvider,
    responses((status = 201, body = ProviderItem), (status = 403, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/providers")]
async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewProvider>,
) -> Answer<HttpResponse> {
    let item = providers::create(&state.store, &caller, &new, public_url(&state)).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header(("location", format!("/api/v1/providers/{}", item.id)));
    Ok(etag::etag(&mut answer, item.version).json(item))
}

/// One provider
#[utoipa::path(
    operation_id = "providers.get", tag = "providers",
    params(("id" = ProviderId, Path, description = "The provider")),
    responses((status = 200, body = OneProvider), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/providers/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<ProviderId>) -> Answer<HttpResponse> {
    let one = providers::get(&state.store, &caller, *id, public_url(&state)).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), one.provider.version).json(one))
}

/// Change a provider
///
/// Who its people are is never changed: not its issuer, its keys' address, its audience, nor its subject's claim.
#[utoipa::path(
    operation_id = "providers.update", tag = "providers", request_body = ProviderChange,
    params(("id" = ProviderId, Path, description = "The provider"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = ProviderItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 412, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[patch("/providers/{id}")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ProviderId>,
    IfMatch(version): IfMatch,
    Json(change): Json<ProviderChange>,
) -> Answer<HttpResponse> {
    let public_url = public_url(&state);
    let item = providers::update(&state.store, &caller, *id, version, &change, public_url).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Delete a provider
///
/// With every link to it, and the roles that came from it. Sessions that were opened through it go on.
#[utoipa::path(
    operation_id = "providers.delete", tag = "providers",
    params(("id" = ProviderId, Path, description = "The provider"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 412, body = super::problem::Body))
)]
#[delete("/providers/{id}")]
async fn delete(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ProviderId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    providers::delete(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ask a provider whether it works
///
/// Fetches its configuration and its keys now.
#[utoipa::path(
    operation_id = "providers.test", tag = "providers",
    params(("id" = ProviderId, Path, description = "The provider")),
    responses((status = 200, body = Tested), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[post("/providers/{id}/test")]
async fn test(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ProviderId>,
) -> Answer<web::Json<Tested>> {
    Ok(web::Json(providers::test(&state.providers, &caller, *id).await?))
}
