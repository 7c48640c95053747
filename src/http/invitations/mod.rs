//! `/api/v1/invitations`: asking people to come, and coming.

use super::auth::{FactorAsked, Tokens, client, come_in, is_console, links, require_https};
use super::caller::require_origin;
use super::page::Page;
use super::{Answer, Caller, Json, State, etag};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use secrecy::SecretString;
use serde::Deserialize;
use signalbox_core::auth::sign_in::Method;
use signalbox_core::invitations::{self, InvitationItem, InvitationList, Look, NewInvitation};
use signalbox_core::kernel::id::InvitationId;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    // before those with an id
    api.service(look)
        .service(accept)
        .service(list)
        .service(create)
        .service(resend)
        .service(withdraw);
}

/// A link's token.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = LinkToken)]
#[serde(deny_unknown_fields)]
struct Token {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
}

/// Who comes.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvitation {
    /// What stands behind the `#` of the link.
    #[schema(value_type = String, format = "password")]
    token: SecretString,
    /// The password to sign in with from now on: at least 8 characters, at most 1024 bytes.
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// An act that needs no more than its name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Who is invited, newest first
#[utoipa::path(
    operation_id = "invitations.list", tag = "invitations", params(Page),
    responses((status = 200, body = InvitationList), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/invitations")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    page: web::Query<Page>,
) -> Answer<web::Json<InvitationList>> {
    let page = page.into_inner();
    let found = invitations::list(&state.store, &caller, page.limit, page.cursor.as_deref()).await?;
    Ok(web::Json(found))
}

/// Invite somebody
///
/// A link goes to their address. Needs `users:create` too, and for roles `roles:assign`; none of them may hold a permission that
/// you lack.
#[utoipa::path(
    operation_id = "invitations.create", tag = "invitations", request_body = NewInvitation,
    responses((status = 201, body = InvitationItem), (status = 403, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/invitations")]
async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewInvitation>,
) -> Answer<HttpResponse> {
    let item = invitations::create(&state.store, &caller, &new).await?;
    Ok(etag::etag(&mut HttpResponse::Created(), item.version).json(item))
}

/// Send an invitation again
///
/// With another link, good for as long as a new one; the one of before is of no use any more.
#[utoipa::path(
    operation_id = "invitations.resend", tag = "invitations", request_body = Nothing,
    params(("id" = InvitationId, Path, description = "The invitation")),
    responses((status = 200, body = InvitationItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body))
)]
#[post("/invitations/{id}/resend")]
async fn resend(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<InvitationId>,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<web::Json<InvitationItem>> {
    Ok(web::Json(invitations::resend(&state.store, &caller, *id).await?))
}

/// Take an invitation back
///
/// Its link is of no use any more, and the address is free for another invitation.
#[utoipa::path(
    operation_id = "invitations.withdraw", tag = "invitations", request_body = Nothing,
    params(("id" = InvitationId, Path, description = "The invitation")),
    responses((status = 200, body = InvitationItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body))
)]
#[post("/invitations/{id}/withdraw")]
async fn withdraw(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<InvitationId>,
    Json(Nothing {}): Json<Nothing>,
) -> Answer<web::Json<InvitationItem>> {
    Ok(web::Json(
        invitations::withdraw(&state.store, &caller, *id).await?,
    ))
}

/// What an invitation's link leads to
#[utoipa::path(
    operation_id = "invitations.look", tag = "invitations", security(()), request_body = Token,
    responses((status = 200, body = Look), (status = 410, body = super::problem::Body),
              (status = 429, body = super::problem::Body))
)]
#[post("/invitations/look")]
async fn look(
    state: web::Data<State>,
    request: HttpRequest,
    Json(link): Json<Token>,
) -> Answer<web::Json<Look>> {
    let shown = invitations::look(&state.store, &link.token).await;
    Ok(web::Json(links::counted(&state, &request, shown)?))
}

/// Come in by an invitation's link
///
/// Whoever is invited chooses a password and is signed in; a second factor that a role demands is asked for first (202).
#[utoipa::path(
    operation_id = "invitations.accept", tag = "invitations", security(()), request_body = AcceptInvitation,
    responses((status = 200, body = Tokens), (status = 202, body = FactorAsked), (status = 403, body = super::problem::Body),
              (status = 410, body = super::problem::Body), (status = 422, body = super::problem::Body),
              (status = 429, body = super::problem::Body))
)]
#[post("/invitations/accept")]
async fn accept(
    state: web::Data<State>,
    request: HttpRequest,
    Json(body): Json<AcceptInvitation>,
) -> Answer<HttpResponse> {
    require_https(&request, &state)?;
    if is_console(&request) {
        require_origin(&request, &state, false)?;
    }
    let client = client(&request);
    let turn = state.store.passwords.turn().await?;
    let accepted = invitations::accept(&state.store, turn, &body.token, body.password, &client).await;
    let accepted = links::counted(&state, &request, accepted)?;
    come_in(&state, &request, accepted.user, &[Method::Mail, Method::Password]).await
}
