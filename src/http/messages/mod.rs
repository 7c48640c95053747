//! `/api/v1/development_outbox`: messages that nobody is configured to send.

use super::page::Page;
use super::{Answer, Caller, State};
use actix_web::{get, web};
use signalbox_core::messages::DevelopmentOutbox;
use signalbox_core::organizations;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list);
}

/// Mail and SMS that were not sent, because nobody is configured to
///
/// With `settings:read` one sees that there were messages; whom they were to and what they say needs `settings:update` and
/// a signed-in person, who may do at least as much as whom it was to.
#[utoipa::path(
    operation_id = "messages.development_outbox", tag = "messages", params(Page),
    responses((status = 200, body = DevelopmentOutbox), (status = 403, body = super::problem::Body))
)]
#[get("/development_outbox")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    page: web::Query<Page>,
) -> Answer<web::Json<DevelopmentOutbox>> {
    let page = page.into_inner();
    let found =
        organizations::development_outbox(&state.store, &caller, page.limit, page.cursor.as_deref()).await?;
    Ok(web::Json(found))
}
