//! Signing in through others: what may be chosen, leaving, coming back, and what a provider says of itself later.

use super::{FactorAsked, Tokens, client, cookies, is_console, outcome, require_https};
use crate::http::caller::require_origin;
use crate::http::{Answer, Json, Problem, State};
use actix_web::cookie::{Cookie, time::Duration};
use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::ProviderId;
use signalbox_core::providers::{self, Listed, Returned, Started};

/// Cookie with what a browser keeps while it is away at a provider. `__Host-`: set by this host over TLS, for this host alone.
const AWAY_COOKIE: &str = "__Host-signalbox_away";
/// Where in the console somebody goes on who came back.
const NEXT: HeaderName = HeaderName::from_static("x-signalbox-next");

/// Providers that one may choose.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ProviderChoices)]
pub struct Choices {
    /// Those on the sign-in page, oldest first.
    items: Vec<Listed>,
}

/// How somebody leaves for a provider.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeaveForProvider)]
pub struct Leaving {
    /// Where in the console to go on afterwards: a path of it.
    #[schema(example = "/users")]
    next: Option<String>,
}

/// How somebody leaves for a provider to sign in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeaveToSignIn)]
pub struct Entering {
    /// Where in the console to go on afterwards: a path of it.
    #[schema(example = "/users")]
    next: Option<String>,
    /// The provider is to ask who it is even where somebody is signed in there: by this whoever has neither a factor nor a password
    /// proves who they are. A session counts its proof from when the provider says that it was given (`auth_time`).
    #[serde(default)]
    again: bool,
}

impl Leaving {
    /// The path.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// Where to go.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = AwayToProvider)]
pub struct Away {
    /// The provider's own page, for the browser that asked: it holds a cookie that belongs to it.
    authorization_url: String,
}

/// A provider's word that somebody has signed out there, as a form.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = BackchannelLogout)]
struct Logout {
    /// The logout token.
    logout_token: String,
}

/// Providers to sign in through
#[utoipa::path(operation_id = "auth.providers", tag = "auth", security(()), responses((status = 200, body = Choices)))]
#[get("/auth/providers")]
pub async fn list(state: web::Data<State>) -> Answer<web::Json<Choices>> {
    let items = providers::listed(&state.store).await?;
    Ok(web::Json(Choices { items }))
}

/// Leave for a provider to sign in
///
/// Answers where the browser goes, and gives it a cookie for the way back. It is sent back to `/sign-in/callback` of the hub's
/// own address, which is `server.public_url` and nothing else.
#[utoipa::path(
    operation_id = "auth.provider_start", tag = "auth", security(()), request_body = Entering,
    params(("id" = ProviderId, Path, description = "The provider")),
    responses((status = 200, body = Away), (status = 404, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body), (status = 422, body = crate::http::problem::Body),
              (status = 503, body = crate::http::problem::Body))
)]
#[post("/auth/providers/{id}/start")]
pub async fn start(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<ProviderId>,
    Json(entering): Json<Entering>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    require_origin(&request, &state, is_console(&request))?;
    let next = entering.next.as_deref();
    let started = providers::start(&state.providers, *id, public_url(&state), next, entering.again).await?;
    Ok(away(started))
}

/// Come back from a provider
///
/// Takes what stood in the query of `/sign-in/callback`. Answers as `POST /api/v1/auth/login` does; the header
/// `X-Signalbox-Next` says where in the console to go on.
#[utoipa::path(
    operation_id = "auth.provider_finish", tag = "auth", security(()), request_body = Returned,
    responses((status = 200, body = Tokens), (status = 202, body = FactorAsked),
              (status = 401, body = crate::http::problem::Body), (status = 403, body = crate::http::problem::Body),
              (status = 503, body = crate::http::problem::Body))
)]
#[post("/auth/providers/finish")]
pub async fn finish(
    state: web::Data<State>,
    request: HttpRequest,
    Json(returned): Json<Returned>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    require_origin(&request, &state, is_console(&request))?;
    let (cookie, client) = (away_cookie(&request), client(&request));
    let (directory, public_url) = (&state.providers, public_url(&state));
    let finished = providers::finish(
        directory,
        &state.auth,
        public_url,
        cookie.as_deref(),
        &returned,
        &client,
    );
    let (known, next) = finished.await?;
    let mut answer = outcome(&state, known, is_console(&request));
    went_on(&mut answer, next)?;
    Ok(answer)
}

/// A provider says that somebody has signed out there
///
/// OpenID Connect Back-Channel Logout 1.0: what was opened through that sign-in has ended, with every stream, when this answers.
#[utoipa::path(
    operation_id = "auth.provider_logout", tag = "auth", security(()),
    request_body(content = Logout, content_type = "application/x-www-form-urlencoded"),
    params(("id" = ProviderId, Path, description = "The provider")),
    responses((status = 200), (status = 400, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body))
)]
#[post("/auth/providers/{id}/logout")]
pub async fn logout(
    state: web::Data<State>,
    request: HttpRequest,
    id: web::Path<ProviderId>,
    body: web::Bytes,
) -> Answer<HttpResponse> {
    let form = std::str::from_utf8(&body).ok();
    let form = form.and_then(|form| web::Query::<Logout>::from_query(form).ok());
    let form = form.ok_or_else(unreadable)?;
    providers::log_out(&state.providers, *id, &form.logout_token, &client(&request)).await?;
    Ok(HttpResponse::Ok().finish())
}

fn unreadable() -> Problem {
    let detail = "Send a form with logout_token, as application/x-www-form-urlencoded.";
    Error::new(Kind::Malformed, "request.malformed", detail).into()
}

/// The hub's own address, as configured.
pub fn public_url(state: &State) -> Option<&str> {
    state.settings.server.public_url.as_deref()
}

/// What the browser kept.
pub fn away_cookie(request: &HttpRequest) -> Option<String> {
    request
        .cookie(AWAY_COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

/// Sends a browser away, with what it is to keep.
pub fn away(started: Started) -> HttpResponse {
    HttpResponse::Ok()
        .cookie(cookie(started.cookie, Duration::seconds(started.lasts)))
        .json(Away {
            authorization_url: started.authorization_url,
        })
}

/// Takes the cookie away, which was good once, and says where to go on.
pub fn went_on(answer: &mut HttpResponse, next: Option<String>) -> Result<(), Problem> {
    answer
        .add_cookie(&cookie(String::new(), Duration::ZERO))
        .map_err(|error| Error::internal(error.to_string()))?;
    if let Some(next) = next.and_then(|next| next.parse().ok()) {
        answer.headers_mut().insert(NEXT, next);
    }
    Ok(())
}

fn cookie(value: String, life: Duration) -> Cookie<'static> {
    cookies::cookie(AWAY_COOKIE, value, life)
}
