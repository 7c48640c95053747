//! One person: add, see, change, delete.

use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use signalbox_core::kernel::id::UserId;
use signalbox_core::users::service::{self, OneUser};
use signalbox_core::users::{NewUser, UserChange, UserItem};

/// Add a person
///
/// Roles need `roles:assign`, and none of them may hold a permission that you lack.
#[utoipa::path(
    operation_id = "users.create", tag = "users", request_body = NewUser,
    responses((status = 201, body = UserItem), (status = 403, body = super::super::problem::Body),
              (status = 409, body = super::super::problem::Body), (status = 422, body = super::super::problem::Body))
)]
#[post("/users")]
pub(super) async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewUser>,
) -> Answer<HttpResponse> {
    let item = service::create(&state.store, &caller, &new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header(("location", format!("/api/v1/users/{}", item.id)));
    Ok(etag::etag(&mut answer, item.version).json(item))
}

/// One person
#[utoipa::path(
    operation_id = "users.get", tag = "users", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = OneUser), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body))
)]
#[get("/users/{id}")]
pub(super) async fn get(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
) -> Answer<HttpResponse> {
    let mut answer = HttpResponse::Ok();
    if let Some(users) = &state.users {
        let seen = users.get(&caller, *id).await?;
        answer.content_type(ContentType::json());
        return Ok(etag::etag(&mut answer, seen.version).body(seen.body));
    }
    let one = service::get(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut answer, one.user.version).json(one))
}

/// Change a person
///
/// What is absent stays, null empties. Another e-mail address ends the person's sessions.
#[utoipa::path(
    operation_id = "users.update", tag = "users", request_body = UserChange,
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = UserItem), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body), (status = 409, body = super::super::problem::Body),
              (status = 412, body = super::super::problem::Body), (status = 422, body = super::super::problem::Body))
)]
#[patch("/users/{id}")]
pub(super) async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
    Json(change): Json<UserChange>,
) -> Answer<HttpResponse> {
    let item = service::update(&state.store, &caller, *id, version, &change).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Delete a person
///
/// The row stays for the record; the person's sessions end.
#[utoipa::path(
    operation_id = "users.delete", tag = "users",
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body), (status = 409, body = super::super::problem::Body),
              (status = 412, body = super::super::problem::Body))
)]
#[delete("/users/{id}")]
pub(super) async fn delete(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    service::delete(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}
