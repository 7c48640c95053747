//! How long sessions of the organization last.

use crate::http::problem::Body;
use crate::http::{Answer, Caller, Json, State};
use actix_web::{get, put, web};
use signalbox_core::sessions::{self, Timeouts};

/// How long sessions last
#[utoipa::path(
    operation_id = "sessions.timeouts", tag = "sessions",
    responses((status = 200, body = Timeouts), (status = 403, body = Body))
)]
#[get("/sessions/timeouts")]
pub(super) async fn get(state: web::Data<State>, caller: Caller) -> Answer<web::Json<Timeouts>> {
    Ok(web::Json(sessions::timeouts(&state.store, &caller).await?))
}

/// Say how long sessions last
///
/// A shorter time ends those that are past it at once, with what hangs on them.
#[utoipa::path(
    operation_id = "sessions.set_timeouts", tag = "sessions", request_body = Timeouts,
    responses((status = 200, body = Timeouts), (status = 403, body = Body), (status = 422, body = Body))
)]
#[put("/sessions/timeouts")]
pub(super) async fn set(
    state: web::Data<State>,
    caller: Caller,
    Json(wanted): Json<Timeouts>,
) -> Answer<web::Json<Timeouts>> {
    Ok(web::Json(
        sessions::set_timeouts(&state.store, &caller, wanted).await?,
    ))
}
