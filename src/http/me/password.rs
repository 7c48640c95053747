use crate::http::limits::Trier;
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
    /// 8 to 128 characters; none that guessers try first.
    #[schema(value_type = String, format = "password")]
    new_password: SecretString,
}

/// Choose a new password
///
/// Every other session of the caller ends. Wrong present passwords are limited: 10 in a session in 15 minutes.
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
    caller.ctx.require_recent_proof(state.store.clock.now())?;
    let trier = Trier::within(caller.credential.id().unwrap_or_default());
    state.logins.hear(&state.store.bus, &trier).await;
    state.logins.admit(&trier)?;
    let turn = state.store.passwords.turn().await?;
    let attempt = state.logins.begin(&trier)?;
    let (current, new) = (body.current_password, body.new_password);
    let outcome = auth::change_password(&state.auth, &caller, turn, current, new).await;
    match &outcome {
        Err(error) if error.kind == Kind::Forbidden => attempt.failed(&state.store.bus).await,
        _ => attempt.take_back(),
    }
    outcome?;
    Ok(HttpResponse::NoContent().finish())
}
