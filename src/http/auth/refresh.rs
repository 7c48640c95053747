use super::{Tokens, answer, client, is_console, require_https};
use crate::http::caller::{CSRF_HEADER, REFRESH_COOKIE, require_origin};
use crate::http::{Answer, Json, State};
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use signalbox_core::auth;

/// What is refreshed.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token; absent where the cookie carries it.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// Get new tokens for a refresh token
///
/// A refresh token is good once. Repeated within 10 seconds by the same client it gets the same successor; used again later or
/// from elsewhere, it ends its session, and its person is told.
#[utoipa::path(
    operation_id = "auth.refresh", tag = "auth", security(()),
    request_body = Refresh,
    responses((status = 200, body = Tokens), (status = 401, body = crate::http::problem::Body))
)]
#[post("/auth/refresh")]
pub async fn refresh(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<Refresh>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    let mut client = client(&request);
    client.by_cookie = body.refresh_token.is_none();
    if let Some(token) = body.refresh_token {
        let signed_in = auth::refresh(&state.auth, &token, None, &client).await?;
        return Ok(answer(&state, &signed_in, false));
    }
    let cookie = request.cookie(REFRESH_COOKIE).ok_or_else(auth::unauthenticated)?;
    require_origin(&request, &state, true)?;
    // A page that was reloaded no longer has its CSRF token. The client header proves the same: no foreign page can set
    // it without being asked first, and the hub answers no such question.
    let sent = request.headers().get(CSRF_HEADER).map(HeaderValue::as_bytes);
    let csrf = if is_console(&request) { None } else { Some(sent) };
    let token = SecretString::from(cookie.value().to_owned());
    let signed_in = auth::refresh(&state.auth, &token, csrf, &client).await?;
    Ok(answer(&state, &signed_in, true))
}
