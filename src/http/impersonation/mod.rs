//! Acting as somebody else: begin, elevate, end.

use super::auth::cookies;
use super::caller::ACCESS_COOKIE;
use super::{Answer, AnyCaller, Caller, Json, State, problem};
use actix_web::{HttpRequest, HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use signalbox_core::auth::csrf_token;
use signalbox_core::impersonation;
use signalbox_core::kernel::id::{SessionId, UserId};
use time::OffsetDateTime;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(begin).service(elevate).service(end);
}

/// Why.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// For the person and for operators to read, 10 to 2000 characters.
    reason: String,
}

/// What whoever acts as somebody gets. Programs get a token; a browser gets it as its access cookie, while its refresh cookie
/// stays the operator's own and leads back.
#[derive(Serialize, utoipa::ToSchema)]
struct Impersonating {
    /// JWT for `Authorization: Bearer`, with the claim `act`. Absent in cookie mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Its life in seconds, and the session's: it cannot be refreshed.
    expires_in: i64,
    /// The session.
    session_id: SessionId,
    /// Its end.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// For the header X-CSRF-Token. Only in cookie mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// Until when things may be changed.
#[derive(Serialize, utoipa::ToSchema)]
struct Elevated {
    /// Ten minutes, and never past the end of the whole.
    #[serde(with = "time::serde::rfc3339")]
    elevated_until: OffsetDateTime,
}

/// Act as somebody who may do less
///
/// For an hour at most, read-only unless elevated. The person sees it in their activity, and every act is recorded with both
/// names. It ends with the operator's own session.
#[utoipa::path(
    operation_id = "users.impersonate", tag = "impersonation", request_body = Why,
    params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = Impersonating), (status = 403, body = problem::Body), (status = 404, body = problem::Body),
              (status = 409, body = problem::Body), (status = 422, body = problem::Body))
)]
#[post("/users/{id}/impersonate")]
async fn begin(
    state: web::Data<State>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<UserId>,
    Json(why): Json<Why>,
) -> Answer<HttpResponse> {
    let begun = impersonation::begin(&state.auth, &caller, *id, &why.reason).await?;
    let by_cookie = request.cookie(ACCESS_COOKIE).is_some();
    let mut answer = HttpResponse::Ok();
    if by_cookie {
        answer.cookie(cookies::access(begun.access_token.clone(), begun.expires_in));
    }
    Ok(answer.json(Impersonating {
        access_token: (!by_cookie).then_some(begun.access_token),
        expires_in: begun.expires_in,
        session_id: begun.session,
        expires_at: begun.expires_at,
        csrf_token: by_cookie.then(|| csrf_token(&state.store.sealer, begun.session)),
    }))
}

/// Change things too, for ten minutes
#[utoipa::path(
    operation_id = "me.elevate", tag = "impersonation", request_body = Why,
    responses((status = 200, body = Elevated), (status = 403, body = problem::Body), (status = 409, body = problem::Body),
              (status = 422, body = problem::Body))
)]
#[post("/me/elevate")]
async fn elevate(
    state: web::Data<State>,
    caller: AnyCaller,
    Json(why): Json<Why>,
) -> Answer<web::Json<Elevated>> {
    let elevated_until = impersonation::elevate(&state.store, &caller, &why.reason).await?;
    Ok(web::Json(Elevated { elevated_until }))
}

/// Be oneself again
///
/// Everything that is open as the other person ends at once.
#[utoipa::path(
    operation_id = "impersonation.end", tag = "impersonation",
    responses((status = 204), (status = 409, body = problem::Body))
)]
#[post("/me/impersonation/end")]
async fn end(state: web::Data<State>, caller: AnyCaller, request: HttpRequest) -> Answer<HttpResponse> {
    impersonation::end(&state.store, &caller).await?;
    let mut answer = HttpResponse::NoContent();
    if request.cookie(ACCESS_COOKIE).is_some() {
        answer.cookie(cookies::access(String::new(), 0));
    }
    Ok(answer.finish())
}
