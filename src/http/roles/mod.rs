//! `/api/v1/roles`, `/api/v1/permissions`, who holds what, and why.

mod explain;
mod one;
mod people;

use super::page::Page;
use super::{Answer, Caller, IfMatch, Json, State, etag, problem};
use actix_web::{HttpResponse, get, put, web};
use serde::{Deserialize, Serialize};
use signalbox_core::kernel::id::{RoleId, UserId};
use signalbox_core::roles::{self, Permission, RoleList};
use signalbox_core::users::UserItem;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list)
        .service(one::create)
        .service(one::get)
        .service(one::update)
        .service(one::update_many)
        .service(one::delete)
        .service(one::members)
        .service(one::history)
        .service(people::assign_many)
        .service(explain::what_if)
        .service(permissions)
        .service(explain::holders)
        .service(assign)
        .service(people::permissions)
        .service(people::set_permissions)
        .service(explain::explain)
        .service(explain::refusal);
}

/// All permissions.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Permissions {
    /// By category.
    items: Vec<Permission>,
}

/// What somebody is to hold.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// These roles, no more and no fewer.
    roles: Vec<RoleId>,
}

/// All roles and what each may do
#[utoipa::path(
    operation_id = "roles.list", tag = "roles",
    responses((status = 200, body = RoleList), (status = 403, body = super::problem::Body))
)]
#[get("/roles")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<RoleList>> {
    Ok(web::Json(roles::list(&state.store, &caller).await?))
}

/// All permissions there are
#[utoipa::path(
    operation_id = "permissions.list", tag = "roles",
    responses((status = 200, body = Permissions), (status = 403, body = super::problem::Body))
)]
#[get("/permissions")]
async fn permissions(state: web::Data<State>, caller: Caller) -> Answer<web::Json<Permissions>> {
    let items = roles::permissions(&state.store, &caller).await?;
    Ok(web::Json(Permissions { items }))
}

/// Give and take roles
///
/// Nobody gives a role holding a permission they lack, changes their own roles, or takes the last owner's.
#[utoipa::path(
    operation_id = "roles.assign", tag = "roles", request_body = Assignment,
    params(("id" = UserId, Path, description = "The person"),
           ("If-Match" = Option<String>, Header, description = "The person's version that you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = UserItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 412, body = super::problem::Body))
)]
#[put("/users/{id}/roles")]
async fn assign(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    IfMatch(version): IfMatch,
    Json(body): Json<Assignment>,
) -> Answer<HttpResponse> {
    let item = roles::assign(&state.store, &caller, *id, version, &body.roles).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}
