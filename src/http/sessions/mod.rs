//! `/api/v1/users/{id}/sessions` and `/api/v1/sessions/{id}`.

use super::{Answer, Caller, Problem, State};
use actix_web::{HttpResponse, delete, get, web};
use serde::Serialize;
use signalbox_core::kernel::id::{SessionId, UserId};
use signalbox_core::sessions::{self, Listed};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list).service(revoke);
}

/// Open sessions of one person.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Sessions {
    /// Newest first, 200 at most.
    items: Vec<Listed>,
}

/// Open sessions of a person
#[utoipa::path(
    operation_id = "sessions.list", tag = "sessions", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = Sessions), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body))
)]
#[get("/users/{id}/sessions")]
async fn list(state: web::Data<State>, caller: Caller, id: web::Path<UserId>) -> Answer<web::Json<Sessions>> {
    let items = sessions::list(&state.store, &caller, *id).await?;
    Ok(web::Json(Sessions { items }))
}

/// End a session
///
/// Everything that hangs on it ends at once. A session that has ended stays ended.
#[utoipa::path(
    operation_id = "sessions.revoke", tag = "sessions", params(("id" = SessionId, Path, description = "The session")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body))
)]
#[delete("/sessions/{id}")]
async fn revoke(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    sessions::revoke(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
