use crate::http::auth::links;
use crate::http::{Answer, Caller, Json, State};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use signalbox_core::email_changes::{self, Pending};

/// Another address.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The address you want.
    #[schema(format = "email")]
    new_email: String,
}

/// What waits.
#[derive(Serialize, utoipa::ToSchema)]
pub struct WaitingEmail {
    /// Null: nothing.
    waiting: Option<Pending>,
}

/// Whether another address of yours waits to be confirmed
#[utoipa::path(
    operation_id = "me.email", tag = "me",
    responses((status = 200, body = WaitingEmail), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/email")]
pub async fn get(state: web::Data<State>, caller: Caller) -> Answer<web::Json<WaitingEmail>> {
    let waiting = email_changes::pending(&state.store, &caller).await?;
    Ok(web::Json(WaitingEmail { waiting }))
}

/// Ask for another address
///
/// A link goes to both; both must confirm within 24 hours. Needs a proof of who you are from the last ten minutes. Limited: 5 in
/// 15 minutes.
#[utoipa::path(
    operation_id = "me.change_email", tag = "me", request_body = ChangeEmail,
    responses((status = 202, body = Pending), (status = 403, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/me/email")]
pub async fn change(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    Json(body): Json<ChangeEmail>,
) -> Answer<HttpResponse> {
    // before anything is counted: what is asked for first is not asked for yet
    caller.require_recent_proof(state.store.clock.now())?;
    links::asked_by(&state, &request, caller.0.known.standing.user, &body.new_email)?;
    let waiting = email_changes::ask(&state.store, &caller, &body.new_email).await?;
    Ok(HttpResponse::Accepted().json(waiting))
}

/// Keep the address of now
#[utoipa::path(
    operation_id = "me.keep_email", tag = "me",
    responses((status = 204), (status = 403, body = crate::http::problem::Body))
)]
#[delete("/me/email")]
pub async fn keep(state: web::Data<State>, caller: Caller) -> Answer<HttpResponse> {
    email_changes::take_back(&state.store, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
