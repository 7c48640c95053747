//! A new password by mail, and confirming another address.

use super::{FactorAsked, Tokens, client, come_in, is_console, links, require_https};
use crate::http::caller::require_origin;
use crate::http::{Answer, Json, State};
use actix_web::{HttpRequest, HttpResponse, post, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use signalbox_core::auth::sign_in::Method;
use signalbox_core::email_changes::{self, Confirmed};
use signalbox_core::recovery;

/// Who has forgotten their password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// E-mail address; case and spaces around it do not matter.
    #[schema(format = "email")]
    email: String,
}

/// A new password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
    /// At least 8 characters, at most 1024 bytes.
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// What a mailbox says to another address.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmEmail {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
    /// False refuses it.
    confirm: bool,
}

/// What came of it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = EmailChangeState)]
pub struct ConfirmedEmail {
    /// `waiting` for the other mailbox, `changed`, or `refused`.
    state: Confirmed,
}

/// Ask for a link to a new password
///
/// The answer is the same, after the same time, whether or not there is such an account. The link is good for 30 minutes and
/// once.
#[utoipa::path(
    operation_id = "auth.forgot_password", tag = "auth", security(()), request_body = ForgotPassword,
    responses((status = 202), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/password/forgot")]
pub async fn forgot(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<ForgotPassword>,
) -> Answer<HttpResponse> {
    links::asked(&state, &request, &body.email)?;
    recovery::forgot(&state.store, &body.email, &client(&request)).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Choose a new password by a link
///
/// Every session ends, and a new one begins; a second factor is asked for first (202), as at every sign-in.
#[utoipa::path(
    operation_id = "auth.reset_password", tag = "auth", security(()), request_body = ResetPassword,
    responses((status = 200, body = Tokens), (status = 202, body = FactorAsked), (status = 403, body = crate::http::problem::Body),
              (status = 410, body = crate::http::problem::Body), (status = 422, body = crate::http::problem::Body),
              (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/password/reset")]
pub async fn reset(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<ResetPassword>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    if is_console(&request) {
        require_origin(&request, &state, false)?;
    }
    let turn = state.store.passwords.turn().await?;
    let user = recovery::reset(&state.store, turn, &body.token, body.password, &client(&request)).await;
    let user = links::counted(&state, &request, user)?;
    come_in(&state, &request, user, &[Method::Mail, Method::Password]).await
}

/// Confirm or refuse another address
///
/// Both mailboxes must confirm, within 24 hours; either may refuse.
#[utoipa::path(
    operation_id = "auth.confirm_email", tag = "auth", security(()), request_body = ConfirmEmail,
    responses((status = 200, body = ConfirmedEmail), (status = 409, body = crate::http::problem::Body),
              (status = 410, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/email/confirm")]
pub async fn confirm_email(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<ConfirmEmail>,
) -> Answer<web::Json<ConfirmedEmail>> {
    let client = client(&request);
    let done = email_changes::confirm(&state.store, &body.token, body.confirm, &client).await;
    let state = links::counted(&state, &request, done)?;
    Ok(web::Json(ConfirmedEmail { state }))
}
