//! `/api/v1/me/linked_accounts`: one's own accounts at providers.

use crate::http::auth::providers::{Away, Leaving, away, away_cookie, public_url, went_on};
use crate::http::{Answer, Caller, Json, State};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use signalbox_core::kernel::id::{LinkedAccountId, ProviderId};
use signalbox_core::providers::{self, LinkedAccounts, Returned};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list).service(finish).service(start).service(unlink);
}

/// My linked accounts
#[utoipa::path(
    operation_id = "me.linked_accounts", tag = "me",
    responses((status = 200, body = LinkedAccounts), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/linked_accounts")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<LinkedAccounts>> {
    Ok(web::Json(providers::linked(&state.store, &caller).await?))
}

/// Leave for a provider to link my account there
///
/// Needs a proof of who you are from the last ten minutes.
#[utoipa::path(
    operation_id = "me.link_start", tag = "me", request_body = Leaving,
    params(("id" = ProviderId, Path, description = "The provider")),
    responses((status = 200, body = Away), (status = 403, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body), (status = 409, body = crate::http::problem::Body))
)]
#[post("/me/linked_accounts/{id}/start")]
async fn start(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<ProviderId>,
    Json(leaving): Json<Leaving>,
) -> Answer<HttpResponse> {
    let (directory, public_url) = (&state.providers, public_url(&state));
    let started = providers::start_link(directory, &caller, *id, public_url, leaving.next()).await?;
    Ok(away(started))
}

/// Come back from a provider with an account to link
///
/// In the session in which you left. The header `X-Signalbox-Next` says where in the console to go on.
#[utoipa::path(
    operation_id = "me.link_finish", tag = "me", request_body = Returned,
    responses((status = 204), (status = 401, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body))
)]
#[post("/me/linked_accounts/finish")]
async fn finish(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    Json(returned): Json<Returned>,
) -> Answer<HttpResponse> {
    let (cookie, public_url) = (away_cookie(&request), public_url(&state));
    let linked = providers::finish_link(
        &state.providers,
        &caller,
        public_url,
        cookie.as_deref(),
        &returned,
    );
    let next = linked.await?;
    let mut answer = HttpResponse::NoContent().finish();
    went_on(&mut answer, next)?;
    Ok(answer)
}

/// Unlink one of my accounts
///
/// Never the last way in. Needs a proof of who you are from the last ten minutes.
#[utoipa::path(
    operation_id = "me.unlink", tag = "me",
    params(("id" = LinkedAccountId, Path, description = "The linked account")),
    responses((status = 204), (status = 403, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body), (status = 409, body = crate::http::problem::Body))
)]
#[delete("/me/linked_accounts/{id}")]
async fn unlink(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<LinkedAccountId>,
) -> Answer<HttpResponse> {
    providers::unlink(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
