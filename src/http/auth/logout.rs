use super::cookies;
use crate::http::{Answer, AnyCaller, State};
use actix_web::{HttpResponse, post, web};
use signalbox_core::auth;

/// Sign out
///
/// The session ends at once, with every stream that hangs on it.
#[utoipa::path(
    operation_id = "auth.logout", tag = "auth",
    responses((status = 204), (status = 401, body = crate::http::problem::Body))
)]
#[post("/auth/logout")]
pub async fn logout(state: web::Data<State>, caller: AnyCaller) -> Answer<HttpResponse> {
    auth::logout(&state.auth, &caller).await?;
    let mut answer = HttpResponse::NoContent();
    if caller.is_impersonated() {
        // the way back to the operator's own session stays
        return Ok(answer.cookie(cookies::access(String::new(), 0)).finish());
    }
    for cookie in cookies::clear() {
        answer.cookie(cookie);
    }
    Ok(answer.finish())
}
