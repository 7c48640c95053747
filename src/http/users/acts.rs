//! What is done to a person: ban, unban, reset the password.

use super::{Answer, Caller, Json, State, etag};
use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use signalbox_core::kernel::id::UserId;
use signalbox_core::users::UserItem;
use signalbox_core::users::service::{self, OneTimePassword};

/// Why somebody is shut out.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Ban {
    /// For operators to read, 1 to 2000 characters.
    reason: String,
}

/// An act that needs no more than its name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Shut a person out
///
/// Sessions and streams of theirs end at once.
#[utoipa::path(
    operation_id = "users.ban", tag = "users", request_body = Ban,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = UserItem), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body), (status = 409, body = super::super::problem::Body),
              (status = 422, body = super::super::problem::Body))
)]
#[post("/users/{id}/ban")]
pub(super) async fn ban(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(ban): Json<Ban>,
) -> Answer<HttpResponse> {
    let item = service::ban(&state.store, &caller, *id, &ban.reason).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Let a person in again
#[utoipa::path(
    operation_id = "users.unban", tag = "users", request_body = Nothing,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = UserItem), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body), (status = 409, body = super::super::problem::Body))
)]
#[post("/users/{id}/unban")]
pub(super) async fn unban(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<HttpResponse> {
    let item = service::unban(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Force a new password
///
/// The answer's one-time password is shown once; its first use asks for a new one. The person's sessions end.
#[utoipa::path(
    operation_id = "users.reset_password", tag = "users", request_body = Nothing,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = OneTimePassword), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body), (status = 409, body = super::super::problem::Body))
)]
#[post("/users/{id}/reset_password")]
pub(super) async fn reset_password(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<web::Json<OneTimePassword>> {
    Ok(web::Json(
        service::reset_password(&state.store, &caller, *id).await?,
    ))
}
