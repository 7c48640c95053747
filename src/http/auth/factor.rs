use super::{Tokens, answer, client, enter, is_console, site};
use crate::http::{Answer, Json, State};
use actix_web::{HttpRequest, HttpResponse, post, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use signalbox_core::auth::sign_in;
use signalbox_core::factors::{Confirmation, Enrollment, Proof, Wanted};

/// A factor for a ticket.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowFactor {
    /// Of sign-in.
    #[schema(value_type = String)]
    ticket: SecretString,
    /// What is shown.
    proof: Proof,
}

/// Show the second factor that sign-in asked for
///
/// Each kind of factor counts its own failures: after five in a row there is a wait that grows from a minute to an hour. The
/// others stay open.
#[utoipa::path(
    operation_id = "auth.factor", tag = "auth", security(()), request_body = ShowFactor,
    responses((status = 200, body = Tokens), (status = 401, body = crate::http::problem::Body),
              (status = 403, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/factor")]
pub async fn factor(
    state: web::Data<State>,
    request: HttpRequest,
    Json(shown): Json<ShowFactor>,
) -> Answer<HttpResponse> {
    enter(&request, &state)?;
    let (site, client) = (site(&request, &state), client(&request));
    let signed_in =
        sign_in::complete(&state.auth, &shown.ticket, &shown.proof, site.as_ref(), &client).await?;
    Ok(answer(&state, &signed_in, is_console(&request)))
}

/// For whom a code is sent.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendCode {
    /// Of sign-in.
    #[schema(value_type = String)]
    ticket: SecretString,
}

/// Send a code to the phone that is a second factor
///
/// Good for 5 minutes, 5 tries, and once. One in 30 seconds and 5 in an hour at most.
#[utoipa::path(
    operation_id = "auth.send_code", tag = "auth", security(()), request_body = SendCode,
    responses((status = 204), (status = 401, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/factor/code")]
pub async fn send_code(
    state: web::Data<State>,
    request: HttpRequest,
    Json(ask): Json<SendCode>,
) -> Answer<HttpResponse> {
    enter(&request, &state)?;
    sign_in::send_code(&state.auth, &ask.ticket, &client(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A factor to be set up for a ticket.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrollFactor {
    /// Of sign-in.
    #[schema(value_type = String)]
    ticket: SecretString,
    /// What is to be set up.
    factor: Wanted,
}

/// Begin to set up the factor that a role demands
///
/// For whoever sign-in answered `enroll: true`.
#[utoipa::path(
    operation_id = "auth.enroll", tag = "auth", security(()), request_body = EnrollFactor,
    responses((status = 200, body = Enrollment), (status = 401, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body))
)]
#[post("/auth/enroll")]
pub async fn enroll(
    state: web::Data<State>,
    request: HttpRequest,
    Json(wanted): Json<EnrollFactor>,
) -> Answer<web::Json<Enrollment>> {
    enter(&request, &state)?;
    let (site, client) = (site(&request, &state), client(&request));
    let begun = sign_in::begin_enrollment(
        &state.auth,
        &wanted.ticket,
        &wanted.factor,
        site.as_ref(),
        &client,
    )
    .await?;
    Ok(web::Json(begun))
}

/// That the factor works.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmFactor {
    /// Of sign-in.
    #[schema(value_type = String)]
    ticket: SecretString,
    /// What was set up.
    confirmation: Confirmation,
}

/// Tokens, and what is shown once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct EnteredAndEnrolled {
    /// The session.
    #[serde(flatten)]
    tokens: Tokens,
    /// Ten recovery codes, shown once.
    recovery_codes: Vec<String>,
}

/// Finish setting up the factor that a role demands, and sign in
#[utoipa::path(
    operation_id = "auth.confirm_enrollment", tag = "auth", security(()), request_body = ConfirmFactor,
    responses((status = 200, body = EnteredAndEnrolled), (status = 401, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body))
)]
#[post("/auth/enroll/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    request: HttpRequest,
    Json(done): Json<ConfirmFactor>,
) -> Answer<HttpResponse> {
    enter(&request, &state)?;
    let (site, client) = (site(&request, &state), client(&request));
    let (signed_in, enrolled) = sign_in::finish_enrollment(
        &state.auth,
        &done.ticket,
        &done.confirmation,
        site.as_ref(),
        &client,
    )
    .await?;
    let by_cookie = is_console(&request);
    let mut answer = super::begin_answer(&signed_in, by_cookie);
    Ok(answer.json(EnteredAndEnrolled {
        tokens: Tokens::of(&state, &signed_in, by_cookie),
        recovery_codes: enrolled.recovery_codes.unwrap_or_default(),
    }))
}
