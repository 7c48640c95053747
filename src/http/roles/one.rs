//! One role: make, see, change (several together, too), delete, who holds it, what was done to it.

use super::{Answer, Caller, IfMatch, Json, Page, State, etag, problem};
use actix_web::{HttpResponse, delete, get, patch, post, web};
use signalbox_core::audit::search::{self, AuditList, Query};
use signalbox_core::kernel::id::RoleId;
use signalbox_core::roles::{self, ChangedRoles, MemberList, NewRole, Role, RoleChange, RoleChanges};

/// Make a role
///
/// Nobody gives a role what they do not hold on everything: not by what it says, not by what it inherits.
#[utoipa::path(
    operation_id = "roles.create", tag = "roles", request_body = NewRole,
    responses((status = 201, body = Role), (status = 403, body = problem::Body),
              (status = 409, body = problem::Body), (status = 422, body = problem::Body))
)]
#[post("/roles")]
pub(super) async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewRole>,
) -> Answer<HttpResponse> {
    let role = roles::create(&state.store, &caller, &new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header(("location", format!("/api/v1/roles/{}", role.id)));
    Ok(etag::etag(&mut answer, role.version).json(role))
}

/// One role
#[utoipa::path(
    operation_id = "roles.get", tag = "roles", params(("id" = RoleId, Path, description = "The role")),
    responses((status = 200, body = Role), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[get("/roles/{id}")]
pub(super) async fn get(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
) -> Answer<HttpResponse> {
    let role = roles::get(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), role.version).json(role))
}

/// Change a role
///
/// What is absent stays; a list replaces what there is. What its holders may do changes at once, on open streams too. The
/// hub's own roles stay as they are, nobody changes a role that may do what they may not, and none inherits from itself.
#[utoipa::path(
    operation_id = "roles.update", tag = "roles", request_body = RoleChange,
    params(("id" = RoleId, Path, description = "The role"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = Role), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 412, body = problem::Body), (status = 422, body = problem::Body))
)]
#[patch("/roles/{id}")]
pub(super) async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
    IfMatch(version): IfMatch,
    Json(change): Json<RoleChange>,
) -> Answer<HttpResponse> {
    let role = roles::update(&state.store, &caller, *id, version, &change).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), role.version).json(role))
}

/// Change several roles together
///
/// All of them, or none: what is refused of one, as it would be of it alone, leaves all as they are. Each may name the version
/// that you saw. Where one is another by now nothing is changed, and `current.items` has all that are (412).
#[utoipa::path(
    operation_id = "roles.update_many", tag = "roles", request_body = RoleChanges,
    responses((status = 200, body = ChangedRoles), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 412, body = problem::Body), (status = 422, body = problem::Body))
)]
#[patch("/roles")]
pub(super) async fn update_many(
    state: web::Data<State>,
    caller: Caller,
    Json(changes): Json<RoleChanges>,
) -> Answer<web::Json<ChangedRoles>> {
    Ok(web::Json(
        roles::update_many(&state.store, &caller, &changes).await?,
    ))
}

/// Delete a role
///
/// Only one that nobody holds and no role inherits from.
#[utoipa::path(
    operation_id = "roles.delete", tag = "roles",
    params(("id" = RoleId, Path, description = "The role"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 412, body = problem::Body))
)]
#[delete("/roles/{id}")]
pub(super) async fn delete(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    roles::delete(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who holds a role
#[utoipa::path(
    operation_id = "roles.members", tag = "roles", params(("id" = RoleId, Path, description = "The role"), Page),
    responses((status = 200, body = MemberList), (status = 403, body = problem::Body),
              (status = 404, body = problem::Body), (status = 422, body = problem::Body))
)]
#[get("/roles/{id}/members")]
pub(super) async fn members(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
    page: web::Query<Page>,
) -> Answer<web::Json<MemberList>> {
    let list = roles::members(&state.store, &caller, *id, page.limit, page.cursor.as_deref()).await?;
    Ok(web::Json(list))
}

/// What was done to a role, newest first
///
/// From the audit log: a role that was deleted has its history too.
#[utoipa::path(
    operation_id = "roles.history", tag = "roles", params(("id" = RoleId, Path, description = "The role"), Page),
    responses((status = 200, body = AuditList), (status = 403, body = problem::Body), (status = 422, body = problem::Body))
)]
#[get("/roles/{id}/history")]
pub(super) async fn history(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
    page: web::Query<Page>,
) -> Answer<web::Json<AuditList>> {
    caller.require("roles:read")?;
    let page = page.into_inner();
    let query = Query {
        subject: Some(id.0),
        limit: page.limit,
        cursor: page.cursor,
        ..Query::default()
    };
    Ok(web::Json(search::list(&state.store, &caller, &query).await?))
}
