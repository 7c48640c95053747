//! The end of one session, or of many in one act.

use crate::http::problem::Body;
use crate::http::{Answer, Caller, Json, Problem, State};
use actix_web::{HttpResponse, delete, post, web};
use signalbox_core::kernel::id::{RoleId, SessionId, UserId};
use signalbox_core::sessions::{self, EndedSessions, NotBefore, Whose};

/// End one's other sessions
///
/// The session that asks stays. Everything that hangs on the others ends at once.
#[utoipa::path(
    operation_id = "me.revoke_sessions", tag = "me",
    responses((status = 200, body = EndedSessions), (status = 403, body = Body))
)]
#[delete("/me/sessions")]
pub(super) async fn others(state: web::Data<State>, caller: Caller) -> Answer<web::Json<EndedSessions>> {
    Ok(web::Json(sessions::end_others(&state.store, &caller).await?))
}

/// End a session
///
/// Everything that hangs on it ends at once. A session that has ended stays ended.
#[utoipa::path(
    operation_id = "sessions.revoke", tag = "sessions", params(("id" = SessionId, Path, description = "The session")),
    responses((status = 204), (status = 403, body = Body), (status = 404, body = Body))
)]
#[delete("/sessions/{id}")]
pub(super) async fn one(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<SessionId>,
) -> Result<HttpResponse, Problem> {
    sessions::revoke(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End all sessions of a person
///
/// None that began before the instant counts any more, on whichever node. API keys stay.
#[utoipa::path(
    operation_id = "sessions.revoke_of_user", tag = "sessions", params(("id" = UserId, Path, description = "The person")),
    request_body = NotBefore,
    responses((status = 200, body = EndedSessions), (status = 403, body = Body), (status = 404, body = Body),
              (status = 422, body = Body))
)]
#[post("/users/{id}/sessions/revoke")]
pub(super) async fn of_person(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    Json(wanted): Json<NotBefore>,
) -> Answer<web::Json<EndedSessions>> {
    let ended = sessions::end_all(&state.store, &caller, Whose::Person(*id), &wanted).await?;
    Ok(web::Json(ended))
}

/// End all sessions of those who hold a role
///
/// One act: where somebody among them may do what the caller may not, nobody's end. The caller's own end too where they
/// hold it.
#[utoipa::path(
    operation_id = "sessions.revoke_of_role", tag = "sessions", params(("id" = RoleId, Path, description = "The role")),
    request_body = NotBefore,
    responses((status = 200, body = EndedSessions), (status = 403, body = Body), (status = 404, body = Body),
              (status = 422, body = Body))
)]
#[post("/roles/{id}/sessions/revoke")]
pub(super) async fn of_role(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<RoleId>,
    Json(wanted): Json<NotBefore>,
) -> Answer<web::Json<EndedSessions>> {
    let ended = sessions::end_all(&state.store, &caller, Whose::Role(*id), &wanted).await?;
    Ok(web::Json(ended))
}

/// End everybody's sessions
///
/// The caller's own too. Needs `settings:update` beside `sessions:revoke`.
#[utoipa::path(
    operation_id = "sessions.revoke_all", tag = "sessions", request_body = NotBefore,
    responses((status = 200, body = EndedSessions), (status = 403, body = Body), (status = 422, body = Body))
)]
#[post("/sessions/revoke")]
pub(super) async fn everybody(
    state: web::Data<State>,
    caller: Caller,
    Json(wanted): Json<NotBefore>,
) -> Answer<web::Json<EndedSessions>> {
    let ended = sessions::end_all(&state.store, &caller, Whose::Organization, &wanted).await?;
    Ok(web::Json(ended))
}
