use crate::http::{Answer, Caller, Json, State};
use actix_web::{HttpResponse, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use signalbox_core::auth::{Purpose, TICKET_LIFE};

/// What a ticket is for.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// What it opens.
    purpose: Purpose,
}

/// A ticket.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Ticket {
    /// For the address, as `?ticket=`. Good once.
    ticket: String,
    /// Its life in seconds.
    expires_in: i64,
}

/// Get a one-time ticket for a stream or a socket
///
/// For platforms that let nobody set a header on them. It opens one connection of this session within 30 seconds.
#[utoipa::path(
    operation_id = "auth.ticket", tag = "auth", request_body = NewTicket,
    responses((status = 201, body = Ticket), (status = 401, body = crate::http::problem::Body),
              (status = 403, body = crate::http::problem::Body), (status = 429, body = crate::http::problem::Body))
)]
#[post("/auth/tickets")]
pub async fn create(
    state: web::Data<State>,
    caller: Caller,
    Json(wanted): Json<NewTicket>,
) -> Answer<HttpResponse> {
    let ticket = state.auth.ticket(&caller, wanted.purpose).await?;
    Ok(HttpResponse::Created().json(Ticket {
        ticket: ticket.expose_secret().to_owned(),
        expires_in: TICKET_LIFE.whole_seconds(),
    }))
}
