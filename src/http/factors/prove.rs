use super::{Answer, AnyCaller, Json, State};
use crate::http::auth::{Tokens, answer, by_cookie, client, require_site, site};
use crate::http::limits::Trier;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use signalbox_core::auth::prove as proving;
use signalbox_core::factors::{Ceremony, FactorKind, Proof};
use signalbox_core::kernel::error::Kind;
use signalbox_core::providers::{self, Available};

/// What may be shown.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Provable {
    /// Factors of which one must be shown; empty where there is none.
    kinds: Vec<FactorKind>,
    /// Whether there is a password, which counts where there is no factor.
    has_password: bool,
    /// Through which one may sign in again instead (`again` of `POST /api/v1/auth/providers/{id}/start`), where there is no factor.
    providers: Vec<Available>,
    /// Seconds that a proof counts.
    counts_for: i64,
}

/// How I prove again who I am
#[utoipa::path(
    operation_id = "me.what_proves", tag = "me",
    responses((status = 200, body = Provable), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/prove")]
pub async fn what(state: web::Data<State>, caller: AnyCaller) -> Answer<web::Json<Provable>> {
    let (owed, has_password) = proving::what_proves(&state.auth, &caller).await?;
    let providers = if owed.kinds.is_empty() {
        providers::ways_in(&state.store, &caller).await?
    } else {
        Vec::new()
    };
    Ok(web::Json(Provable {
        kinds: owed.kinds,
        has_password,
        providers,
        counts_for: signalbox_core::kernel::ctx::RECENT.whole_seconds(),
    }))
}

/// Begin to prove it with a passkey
#[utoipa::path(
    operation_id = "me.ask_passkey", tag = "me",
    responses((status = 200, body = Ceremony), (status = 409, body = crate::http::problem::Body))
)]
#[post("/me/prove/passkey")]
pub async fn passkey(
    state: web::Data<State>,
    request: HttpRequest,
    caller: AnyCaller,
) -> Answer<web::Json<Ceremony>> {
    let site = require_site(&request, &state)?;
    Ok(web::Json(
        proving::ask_for_own_passkey(&state.auth, &caller, &site).await?,
    ))
}

/// Send a code to my phone, to prove it with
#[utoipa::path(
    operation_id = "me.send_code", tag = "me",
    responses((status = 204), (status = 404, body = crate::http::problem::Body),
              (status = 429, body = crate::http::problem::Body))
)]
#[post("/me/prove/code")]
pub async fn send_code(state: web::Data<State>, caller: AnyCaller) -> Answer<HttpResponse> {
    proving::send_own_code(&state.auth, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Prove again who I am
///
/// The session goes on under a new id, with new tokens; the old ones are good for half a minute more. Acts that answer
/// `auth.step_up_needed` are allowed for the next 10 minutes. Whoever has a second factor shows it. Wrong passwords are limited:
/// 10 in a session in 15 minutes.
#[utoipa::path(
    operation_id = "me.prove", tag = "me", request_body = Proof,
    responses((status = 200, body = Tokens), (status = 403, body = crate::http::problem::Body),
              (status = 429, body = crate::http::problem::Body))
)]
#[post("/me/prove")]
pub async fn prove(
    state: web::Data<State>,
    request: HttpRequest,
    caller: AnyCaller,
    Json(proof): Json<Proof>,
) -> Answer<HttpResponse> {
    // before anything is counted: a key must not use up its owner's attempts
    caller.require_session()?;
    let trier = Trier::within(caller.credential.id().unwrap_or_default());
    let by_password = proof.kind().is_none();
    if by_password {
        state.logins.hear(&state.store.bus, &trier).await;
        state.logins.admit(&trier)?;
    }
    let attempt = by_password.then(|| state.logins.begin(&trier)).transpose()?;
    let (site, client) = (site(&request, &state), client(&request));
    let outcome = proving::prove_again(&state.auth, &caller, &proof, site.as_ref(), &client).await;
    match (attempt, &outcome) {
        (Some(attempt), Err(error)) if error.kind == Kind::Forbidden => {
            attempt.failed(&state.store.bus).await;
        }
        (Some(attempt), _) => attempt.take_back(),
        (None, _) => {}
    }
    Ok(answer(&state, &outcome?, by_cookie(&request)))
}
