use super::{Answer, Caller, State};
use actix_web::{HttpResponse, delete, web};
use signalbox_core::factors;
use signalbox_core::kernel::id::UserId;

/// Take somebody's second factors away
///
/// For whoever lost them all. The person is told. Needs a proof of who one is of the last 10 minutes.
#[utoipa::path(
    operation_id = "users.reset_factors", tag = "users",
    params(("id" = UserId, Path, description = "The person.")),
    responses((status = 204), (status = 403, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body))
)]
#[delete("/users/{id}/factors")]
pub async fn reset(state: web::Data<State>, caller: Caller, id: web::Path<UserId>) -> Answer<HttpResponse> {
    factors::reset(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
