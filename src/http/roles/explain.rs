//! Why somebody may do something, who may, and what a change would do.

use super::{Answer, Caller, Json, State, problem};
use actix_web::{get, post, web};
use serde::Deserialize;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::Resource;
use signalbox_core::roles::refusals::{self, Opened};
use signalbox_core::roles::{self, Explanation, HolderList, Preview, Proposal, Question};
use uuid::Uuid;

/// Which permission, on what.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `<feature>:<verb>`.
    permission: String,
    /// Kind of the row, such as `user`; absent: everything.
    resource_kind: Option<String>,
    /// Id of the row.
    resource_id: Option<Uuid>,
}

/// Which permission, on what, and which page.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AskedPage {
    /// `<feature>:<verb>`.
    permission: String,
    /// Kind of the row, such as `user`; absent: anything at all.
    resource_kind: Option<String>,
    /// Id of the row.
    resource_id: Option<Uuid>,
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn resource(kind: Option<String>, id: Option<Uuid>) -> Result<Option<Resource>> {
    match (kind, id) {
        (None, None) => Ok(None),
        (Some(kind), Some(id)) => Ok(Some(Resource { kind, id })),
        _ => Err(Error::field(
            "resource_id",
            "incomplete",
            "Name the row by resource_kind and resource_id together, or leave out both.",
        )),
    }
}

/// Why a person may do something, or may not
#[utoipa::path(
    operation_id = "users.explain", tag = "roles", params(("id" = UserId, Path, description = "The person"), Asked),
    responses((status = 200, body = Explanation), (status = 403, body = problem::Body),
              (status = 404, body = problem::Body), (status = 422, body = problem::Body))
)]
#[get("/users/{id}/explain")]
pub(super) async fn explain(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    asked: web::Query<Asked>,
) -> Answer<web::Json<Explanation>> {
    let asked = asked.into_inner();
    let question = Question {
        user: *id,
        permission: asked.permission,
        resource: resource(asked.resource_kind, asked.resource_id)?,
    };
    Ok(web::Json(roles::explain(&state.store, &caller, &question).await?))
}

/// Who may do something
///
/// A page may be short, or empty, before the last: follow `next_cursor` until it is null.
#[utoipa::path(
    operation_id = "permissions.holders", tag = "roles", params(AskedPage),
    responses((status = 200, body = HolderList), (status = 403, body = problem::Body),
              (status = 404, body = problem::Body), (status = 422, body = problem::Body))
)]
#[get("/permissions/holders")]
pub(super) async fn holders(
    state: web::Data<State>,
    caller: Caller,
    asked: web::Query<AskedPage>,
) -> Answer<web::Json<HolderList>> {
    let asked = asked.into_inner();
    let resource = resource(asked.resource_kind, asked.resource_id)?;
    let cursor = asked.cursor.as_deref();
    let list = roles::who_can(
        &state.store,
        &caller,
        &asked.permission,
        resource.as_ref(),
        asked.limit,
        cursor,
    )
    .await?;
    Ok(web::Json(list))
}

/// What a change of rights would do
///
/// Pairs of a person and a permission that would be gained and lost. Nothing is written.
#[utoipa::path(
    operation_id = "roles.what_if", tag = "roles", request_body = Proposal,
    responses((status = 200, body = Preview), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 422, body = problem::Body))
)]
#[post("/roles/what_if")]
pub(super) async fn what_if(
    state: web::Data<State>,
    caller: Caller,
    Json(proposal): Json<Proposal>,
) -> Answer<web::Json<Preview>> {
    Ok(web::Json(roles::what_if(&state.store, &caller, &proposal).await?))
}

/// Why somebody was refused
///
/// By the `explain_id` of the problem that they were answered, up to 30 days later; the reasons are those of now.
#[utoipa::path(
    operation_id = "explanations.get", tag = "roles",
    params(("id" = String, Path, description = "explain_id of a 403")),
    responses((status = 200, body = Opened), (status = 403, body = problem::Body), (status = 404, body = problem::Body))
)]
#[get("/explanations/{id}")]
pub(super) async fn refusal(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<String>,
) -> Answer<web::Json<Opened>> {
    Ok(web::Json(refusals::open(&state.store, &caller, &id).await?))
}
