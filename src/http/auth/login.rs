use super::cookies::{device, remember};
use super::{FactorAsked, Tokens, client, enter, is_console, outcome};
use crate::http::limits::Trier;
use crate::http::{Answer, Json, State};
use actix_web::{HttpRequest, HttpResponse, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use signalbox_core::auth;
use signalbox_core::kernel::error::Kind;

/// Who signs in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// E-mail address; case and spaces around it do not matter.
    #[schema(format = "email")]
    email: String,
    /// Password.
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Sign in
///
/// Whoever has a second factor gets 202 and a ticket instead of tokens. Failures are limited: 10 per account and address in
/// 15 minutes, 100 per address and minute. With `X-Signalbox-Client: console` the tokens are set as cookies instead of
/// answered.
#[utoipa::path(
    operation_id = "auth.login", tag = "auth", security(()),
    request_body = Login,
    responses((status = 200, body = Tokens), (status = 202, body = FactorAsked),
              (status = 401, body = crate::http::problem::Body),
              (status = 403, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/login")]
pub async fn login(
    state: web::Data<State>,
    request: HttpRequest,
    Json(login): Json<Login>,
) -> Answer<HttpResponse> {
    enter(&request, &state)?;
    let client = client(&request);
    let trier = Trier::of(&login.email, client.ip, device(&request, &state, &login.email));
    let refused = |error| state.logins.described(error, &trier);
    state.logins.hear(&state.store.bus, &trier).await;
    state.logins.admit(&trier).map_err(refused)?;
    let turn = state.store.passwords.turn().await?;
    let attempt = state.logins.begin(&trier).map_err(refused)?;
    let known = auth::login(&state.auth, turn, &login.email, login.password, &client).await;
    match &known {
        Ok(_) => attempt.succeeded(&state.store.bus).await,
        Err(error) if matches!(error.kind, Kind::Unauthenticated | Kind::Forbidden) => {
            attempt.failed(&state.store.bus).await;
        }
        Err(_) => attempt.take_back(),
    }
    let mut answer = match known {
        Ok(known) => outcome(&state, known, is_console(&request)),
        Err(error) => return Err(refused(error)),
    };
    if is_console(&request) {
        remember(&mut answer, &state, &login.email)?;
    }
    state.logins.describe(&trier, answer.headers_mut());
    Ok(answer)
}
