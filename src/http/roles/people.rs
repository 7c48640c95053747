//! What people hold: roles of many at once, and what is said of one directly.

use super::{Answer, Caller, IfMatch, Json, State, problem};
use crate::http::etag;
use actix_web::{HttpResponse, get, post, put, web};
use serde::Serialize;
use signalbox_core::kernel::id::UserId;
use signalbox_core::roles::{self, Bulk, BulkItem, Direct, OfUser};

/// What came of it, person by person.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BulkResult {
    /// In the order that was asked.
    items: Vec<BulkItem>,
}

/// Give and take roles of many people
///
/// Each person is changed on their own: who cannot be changed keeps what they have, and the others are changed. To ask again
/// does no harm.
#[utoipa::path(
    operation_id = "roles.assign_many", tag = "roles", request_body = Bulk,
    responses((status = 200, body = BulkResult), (status = 403, body = problem::Body), (status = 422, body = problem::Body))
)]
#[post("/roles/assign")]
pub(super) async fn assign_many(
    state: web::Data<State>,
    caller: Caller,
    Json(bulk): Json<Bulk>,
) -> Answer<web::Json<BulkResult>> {
    let items = roles::assign_many(&state.store, &caller, &bulk).await?;
    Ok(web::Json(BulkResult { items }))
}

/// What a person may do, and what of it is said of them directly
#[utoipa::path(
    operation_id = "users.permissions", tag = "roles", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = OfUser), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[get("/users/{id}/permissions")]
pub(super) async fn permissions(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
) -> Answer<HttpResponse> {
    let held = roles::of_user(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), held.version).json(held))
}

/// Say what a person may do directly
///
/// Grants and denials on everything, under a condition, or on single rows; these, no more and no less. Nobody grants what
/// they do not hold that far, and nobody changes their own.
#[utoipa::path(
    operation_id = "users.set_permissions", tag = "roles", request_body = Direct,
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The person's version that you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = OfUser), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 412, body = problem::Body), (status = 422, body = problem::Body))
)]
#[put("/users/{id}/permissions")]
pub(super) async fn set_permissions(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
    Json(direct): Json<Direct>,
) -> Answer<HttpResponse> {
    let held = roles::set_of_user(&state.store, &caller, *id, version, &direct).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), held.version).json(held))
}
