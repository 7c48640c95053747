//! `/api/v1/live/token`: what a page shows at the live door instead of its cookie.

use super::{Answer, Caller, State};
use actix_web::{post, web};
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(create);
}

/// A token for the live protocol's connect.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveToken {
    /// JWT that opens live connections of this session or API key and nothing else.
    token: String,
    /// Its life in seconds.
    expires_in: i64,
}

/// A token for the live connection
#[utoipa::path(
    operation_id = "live.token", tag = "live",
    responses((status = 200, body = LiveToken), (status = 401, body = super::problem::Body))
)]
#[post("/live/token")]
async fn create(state: web::Data<State>, caller: Caller) -> Answer<web::Json<LiveToken>> {
    let known = &caller.0.known;
    let (token, expires_in) = state.auth.live_token(&known.standing, known.evidence.secret())?;
    Ok(web::Json(LiveToken { token, expires_in }))
}
