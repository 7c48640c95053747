//! Signing oneself up.

use super::{FactorAsked, Tokens, client, come_in, is_console, links, require_https};
use crate::http::caller::require_origin;
use crate::http::{Answer, Json, State};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use signalbox_core::auth::sign_in::Method;
use signalbox_core::sign_ups::{self, OpenTo};

/// Who signs up.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// E-mail address.
    #[schema(format = "email")]
    email: String,
}

/// Who comes.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmSignUp {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
    /// Name as it is shown, 1 to 200 characters.
    name: String,
    /// At least 8 characters, at most 1024 bytes.
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Who may sign up
#[utoipa::path(
    operation_id = "auth.sign_up_open", tag = "auth", security(()), responses((status = 200, body = OpenTo))
)]
#[get("/auth/sign_up")]
pub async fn open_to(state: web::Data<State>) -> Answer<web::Json<OpenTo>> {
    Ok(web::Json(sign_ups::open_to(&state.store).await?))
}

/// Sign up, where the organization lets people
///
/// A mail goes to the address: with a link, or, where somebody has it already, with that news. The answer is the same.
#[utoipa::path(
    operation_id = "auth.sign_up", tag = "auth", security(()), request_body = SignUp,
    responses((status = 202), (status = 403, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/sign_up")]
pub async fn ask(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<SignUp>,
) -> Answer<HttpResponse> {
    links::asked(&state, &request, &body.email)?;
    sign_ups::ask(&state.store, &body.email, &client(&request)).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Come in by the link of a sign-up
#[utoipa::path(
    operation_id = "auth.confirm_sign_up", tag = "auth", security(()), request_body = ConfirmSignUp,
    responses((status = 200, body = Tokens), (status = 202, body = FactorAsked), (status = 410, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/sign_up/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<ConfirmSignUp>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    if is_console(&request) {
        require_origin(&request, &state, false)?;
    }
    let turn = state.store.passwords.turn().await?;
    let chosen = (body.name.as_str(), body.password);
    let user = sign_ups::confirm(&state.store, turn, &body.token, chosen, &client(&request)).await;
    let user = links::counted(&state, &request, user)?;
    come_in(&state, &request, user, &[Method::Mail, Method::Password]).await
}
