//! `/api/v1/auth`: in, on, and out again.

pub(super) mod cookies;
mod factor;
pub(super) mod links;
mod login;
mod logout;
mod passkey;
pub mod providers;
mod recovery;
mod refresh;
mod sign_up;
mod tickets;

use super::caller::{REFRESH_COOKIE, require_origin};
use super::origin::Origin;
use super::{Answer, Problem, State};
use actix_web::http::header::{AUTHORIZATION, ORIGIN};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use secrecy::ExposeSecret;
use serde::Serialize;
use signalbox_core::auth::sign_in::{self, FactorNeeded, Method, Outcome};
use signalbox_core::auth::{Client, SignedIn, csrf_token};
use signalbox_core::factors::{FactorKind, Site, passkey as passkeys};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::{SessionId, UserId};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(login::login)
        .service(factor::factor)
        .service(factor::send_code)
        .service(factor::enroll)
        .service(factor::confirm)
        .service(passkey::options)
        .service(passkey::passkey)
        .service(refresh::refresh)
        .service(logout::logout)
        .service(providers::list)
        .service(providers::finish)
        .service(providers::start)
        .service(providers::logout)
        .service(recovery::forgot)
        .service(recovery::reset)
        .service(recovery::confirm_email)
        .service(sign_up::open_to)
        .service(sign_up::ask)
        .service(sign_up::confirm)
        .service(tickets::create);
}

/// What sign-in and refresh answer. Programs get tokens; a browser gets them as cookies that no script can read, and the
/// token that its requests must repeat.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Tokens {
    /// JWT for `Authorization: Bearer`. Absent in cookie mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    /// Life of the access token in seconds.
    expires_in: i64,
    /// Opaque, good for one refresh. Absent in cookie mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// The session.
    session_id: SessionId,
    /// For the header X-CSRF-Token. Only in cookie mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// What sign-in answers whoever owes a second factor.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FactorAsked {
    /// What is owed.
    factor_needed: Asked,
}

/// What is owed.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Asked {
    /// Stands for the proof that was given. Good for one session, and only from where it was got.
    ticket: String,
    /// What may be shown; where `enroll` is true, what may be set up.
    kinds: Vec<FactorKind>,
    /// Life of the ticket in seconds.
    expires_in: i64,
    /// True: a role demands a factor, and one must be set up first.
    enroll: bool,
}

/// True for the console's own pages, which keep their tokens in cookies.
pub(super) fn is_console(request: &HttpRequest) -> bool {
    let client = request.headers().get("x-signalbox-client");
    client.is_some_and(|client| client == "console")
}

impl Tokens {
    fn of(state: &State, signed_in: &SignedIn, by_cookie: bool) -> Self {
        let csrf = by_cookie.then(|| csrf_token(&state.store.sealer, signed_in.session));
        Self {
            access_token: (!by_cookie).then(|| signed_in.access_token.clone()),
            expires_in: signed_in.expires_in,
            refresh_token: (!by_cookie).then(|| signed_in.refresh_token.expose_secret().to_owned()),
            session_id: signed_in.session,
            csrf_token: csrf,
        }
    }
}

/// The tokens, in cookies where the page keeps them there.
pub(super) fn answer(state: &State, signed_in: &SignedIn, by_cookie: bool) -> HttpResponse {
    begin_answer(signed_in, by_cookie).json(Tokens::of(state, signed_in, by_cookie))
}

fn begin_answer(signed_in: &SignedIn, by_cookie: bool) -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    if by_cookie {
        for cookie in cookies::set(signed_in) {
            answer.cookie(cookie);
        }
    }
    answer
}

/// What stands before every way in: no secret travels in the clear, and no foreign page signs anybody in.
fn enter(request: &HttpRequest, state: &State) -> Answer<()> {
    require_https(request, state)?;
    if is_console(request) {
        require_origin(request, state, false)?;
    }
    Ok(())
}

/// True where a cookie carries the session.
pub(super) fn by_cookie(request: &HttpRequest) -> bool {
    !request.headers().contains_key(AUTHORIZATION)
}

/// The site that asks, where it is a page of the hub's own that was opened by a name.
pub(super) fn site(request: &HttpRequest, state: &State) -> Option<Site> {
    require_origin(request, state, true).ok()?;
    Site::of(request.headers().get(ORIGIN)?.to_str().ok()?).ok()
}

/// As [`site`], where nothing goes without.
pub(super) fn require_site(request: &HttpRequest, state: &State) -> Answer<Site> {
    Ok(site(request, state).ok_or_else(passkeys::needs_name)?)
}

/// Tokens, or what is still owed.
fn outcome(state: &State, outcome: Outcome, by_cookie: bool) -> HttpResponse {
    match outcome {
        Outcome::SignedIn(signed_in) => answer(state, &signed_in, by_cookie),
        Outcome::FactorNeeded(needed) => HttpResponse::Accepted().json(asked(state, &needed)),
    }
}

fn asked(state: &State, needed: &FactorNeeded) -> FactorAsked {
    let left = needed.expires_at - state.store.clock.now();
    FactorAsked {
        factor_needed: Asked {
            ticket: needed.ticket.expose_secret().to_owned(),
            kinds: needed.kinds.clone(),
            expires_in: left.whole_seconds(),
            enroll: needed.enroll,
        },
    }
}

/// Signs in whoever came by a link in a mail, having proved by `methods` who they are.
pub(super) async fn come_in(
    state: &State,
    request: &HttpRequest,
    user: UserId,
    methods: &[Method],
) -> Result<HttpResponse, Problem> {
    let known = sign_in::proven(&state.auth, user, methods, None, &client(request)).await?;
    Ok(outcome(state, known, is_console(request)))
}

/// From where somebody comes.
pub(super) fn client(request: &HttpRequest) -> Client {
    let origin = Origin::noted(request);
    let by_cookie = is_console(request);
    let before = request.cookie(REFRESH_COOKIE).filter(|_| by_cookie);
    Client {
        ip: origin.as_ref().and_then(|origin| origin.ip),
        user_agent: origin.as_ref().and_then(|origin| origin.user_agent.clone()),
        trace_id: origin.map(|origin| origin.trace_id.clone()).unwrap_or_default(),
        by_cookie,
        replaces: before.map(|cookie| cookie.value().to_owned().into()),
    }
}

/// Passwords and tokens do not travel in the clear. From this machine they do not travel.
pub(super) fn require_https(request: &HttpRequest, state: &State) -> Result<(), Problem> {
    let safe = Origin::noted(request).is_some_and(|origin| origin.https || origin.loopback());
    if safe || !state.settings.auth.https_required {
        return Ok(());
    }
    let detail = match &state.settings.server.public_url {
        Some(url) if url.starts_with("https://") => format!("Sign in over TLS, at {url}."),
        _ => "Sign in over TLS: put a proxy with a certificate in front of the hub, name its network in \
              server.trusted_proxies and its address in server.public_url. On a network where everybody is trusted, set \
              auth.https_required = false."
            .to_owned(),
    };
    Err(Error::new(Kind::Forbidden, "auth.https_required", detail).into())
}
