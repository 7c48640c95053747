use crate::http::{Answer, AnyCaller, Json, State};
use actix_web::{HttpResponse, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use signalbox_core::auth;
use signalbox_core::kernel::error::Kind;

/// Old and new.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The present one.
    #[schema(value_type = String, format = "password")]
    current_password: SecretString,
    /// At least 8 characters, at most 1024 bytes.
    #[schema(value_type = String, format = "password")]
    new_password: SecretString,
}

/// Choose a new password
///
/// Every other session of the caller ends. Wrong present passwords count as failed sign-ins.
#[utoipa::path(
    operation_id = "me.change_password", tag = "me", request_body = ChangePassword,
    responses((status = 204), (status = 403, body = crate::http::problem::Body), (status = 422, body = crate::http::problem::Body))
)]
#[post("/me/password")]
pub async fn change(
    state: web::Data<State>,
    caller: AnyCaller,
    Json(body): Json<ChangePassword>,
) -> Answer<HttpResponse> {
    // before anything is counted: a key must not use up its owner's attempts
    caller.ctx.require_session()?;
    let account = caller.known.standing.user.to_string();
    state.logins.admit(&account, caller.ctx.ip)?;
    let turn = state.store.passwords.turn().await?;
    let attempt = state.logins.begin(&account, caller.ctx.ip)?;
    let (current, new) = (body.current_password, body.new_password);
    let outcome = auth::change_password(&state.auth, &caller, turn, current, new).await;
    if !matches!(&outcome, Err(error) if error.kind == Kind::Forbidden) {
        attempt.take_back();
    }
    outcome?;
    Ok(HttpResponse::NoContent().finish())
}
