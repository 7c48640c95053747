//! `/api/v1/users/{id}/profile` and `/wallets`: what somebody says of themselves, and their wallets.

use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, delete, get, patch, post, web};
use signalbox_core::kernel::id::{UserId, WalletId};
use signalbox_core::profiles::{self, NewWallet, ProfileChange, ProfileItem};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(read)
        .service(update)
        .service(remove)
        .service(link_wallet)
        .service(unlink_wallet);
}

/// A person's profile, as they show it to you
#[utoipa::path(
    operation_id = "profiles.get", tag = "profiles", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = ProfileItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/users/{id}/profile")]
async fn read(state: web::Data<State>, caller: Caller, id: web::Path<UserId>) -> Answer<HttpResponse> {
    let item = profiles::get(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Change a person's profile
#[utoipa::path(
    operation_id = "profiles.update", tag = "profiles", request_body = ProfileChange,
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = ProfileItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 412, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[patch("/users/{id}/profile")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
    Json(wanted): Json<ProfileChange>,
) -> Answer<HttpResponse> {
    let item = profiles::update(&state.store, &caller, *id, version, &wanted).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Wipe a person's profile, with privacy and wallets
#[utoipa::path(
    operation_id = "profiles.delete", tag = "profiles",
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body),
              (status = 412, body = super::problem::Body))
)]
#[delete("/users/{id}/profile")]
async fn remove(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    profiles::remove(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Link a wallet to a person
#[utoipa::path(
    operation_id = "profiles.link_wallet", tag = "profiles", request_body = NewWallet,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 201, body = ProfileItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[post("/users/{id}/wallets")]
async fn link_wallet(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(new): Json<NewWallet>,
) -> Answer<HttpResponse> {
    let item = profiles::link(&state.store, &caller, *id, &new).await?;
    Ok(HttpResponse::Created().json(item))
}

/// Unlink a wallet of a person
#[utoipa::path(
    operation_id = "profiles.unlink_wallet", tag = "profiles",
    params(("id" = UserId, Path, description = "The person"), ("wallet" = WalletId, Path, description = "The wallet")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body))
)]
#[delete("/users/{id}/wallets/{wallet}")]
async fn unlink_wallet(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(UserId, WalletId)>,
) -> Answer<HttpResponse> {
    let (user, wallet) = path.into_inner();
    profiles::unlink(&state.store, &caller, user, wallet).await?;
    Ok(HttpResponse::NoContent().finish())
}
