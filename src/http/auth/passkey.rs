use super::{Tokens, answer, client, enter, is_console, require_site};
use crate::http::{Answer, Json, State};
use actix_web::{HttpRequest, HttpResponse, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use signalbox_core::auth::sign_in;
use signalbox_core::factors::Ceremony;

/// For whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskPasskey {
    /// Of sign-in, where a passkey is to be the second factor. Without one it is to be all.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    ticket: Option<SecretString>,
}

/// Begin to sign in with a passkey
///
/// The page that asks must be the hub's own, and opened by a name: passkeys are bound to it.
#[utoipa::path(
    operation_id = "auth.ask_passkey", tag = "auth", security(()), request_body = AskPasskey,
    responses((status = 200, body = Ceremony), (status = 401, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body))
)]
#[post("/auth/passkey/options")]
pub async fn options(
    state: web::Data<State>,
    request: HttpRequest,
    Json(ask): Json<AskPasskey>,
) -> Answer<web::Json<Ceremony>> {
    enter(&request, &state)?;
    let site = require_site(&request, &state)?;
    let begun = sign_in::ask_for_passkey(&state.auth, ask.ticket.as_ref(), &site, &client(&request)).await?;
    Ok(web::Json(begun))
}

/// A passkey's answer.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowPasskey {
    /// As it was given with the options.
    ceremony: String,
    /// What the browser answered (`AuthenticationResponseJSON` of WebAuthn).
    #[schema(value_type = Object)]
    credential: Value,
}

/// Sign in with a passkey alone
///
/// It knows its owner by a PIN, a finger or a face, so no second factor is asked for.
#[utoipa::path(
    operation_id = "auth.passkey", tag = "auth", security(()), request_body = ShowPasskey,
    responses((status = 200, body = Tokens), (status = 401, body = crate::http::problem::Body),
              (status = 403, body = crate::http::problem::Body))
)]
#[post("/auth/passkey")]
pub async fn passkey(
    state: web::Data<State>,
    request: HttpRequest,
    Json(shown): Json<ShowPasskey>,
) -> Answer<HttpResponse> {
    enter(&request, &state)?;
    let site = require_site(&request, &state)?;
    let signed_in = sign_in::by_passkey(
        &state.auth,
        &shown.ceremony,
        &shown.credential,
        &site,
        &client(&request),
    )
    .await?;
    Ok(answer(&state, &signed_in, is_console(&request)))
}
