//! The keys that sign tokens: `/api/v1/signing-keys`, and `/.well-known/jwks.json` for whoever checks our tokens.

use super::problem::Body;
use super::{Answer, Caller, State};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, post, web};
use serde::Serialize;
use signalbox_core::auth::{self, SigningKey};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list).service(rotate);
}

/// Keys that sign or verify tokens.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SigningKeys {
    /// Newest first.
    items: Vec<SigningKey>,
}

/// Keys that sign or verify tokens
#[utoipa::path(
    operation_id = "signing_keys.list", tag = "signing_keys",
    responses((status = 200, body = SigningKeys), (status = 403, body = Body))
)]
#[get("/signing-keys")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<SigningKeys>> {
    let items = auth::signing_keys(&state.store, &caller).await?;
    Ok(web::Json(SigningKeys { items }))
}

/// Have tokens signed with a new key
///
/// It signs after a minute, when every node knows it. The key before it verifies until the last token that it signed has run
/// out, so nobody is signed out.
#[utoipa::path(
    operation_id = "signing_keys.rotate", tag = "signing_keys",
    responses((status = 201, body = SigningKey), (status = 403, body = Body), (status = 409, body = Body))
)]
#[post("/signing-keys/rotate")]
async fn rotate(state: web::Data<State>, caller: Caller) -> Answer<HttpResponse> {
    let made = state.auth.rotate_keys(&caller).await?;
    Ok(HttpResponse::Created().json(made))
}

/// `GET /.well-known/jwks.json` (RFC 7517 §5). A key stands here a minute before it signs, so half of that may be kept.
pub async fn public(state: web::Data<State>) -> Answer<HttpResponse> {
    let keys = state.auth.public_keys().await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=30"))
        .content_type("application/jwk-set+json")
        .json(keys))
}
