//! `/api/v1/overview` and `/api/v1/activity`: how things stand, and what happened last.

use super::{Answer, Caller, State, page::Page};
use actix_web::{get, web};
use signalbox_core::activity::list::ActivityList;
use signalbox_core::overview::{self, Overview};
use signalbox_core::users::lines;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(get).service(activity);
}

/// The numbers of the overview
#[utoipa::path(
    operation_id = "overview.get", tag = "overview",
    responses((status = 200, body = Overview), (status = 403, body = super::problem::Body))
)]
#[get("/overview")]
async fn get(state: web::Data<State>, caller: Caller) -> Answer<web::Json<Overview>> {
    Ok(web::Json(overview::read(&state.store, &caller).await?))
}

/// What happened, newest first
///
/// Whom the caller may not see (`users:read`) is in no line: neither id nor name.
#[utoipa::path(
    operation_id = "activity.list", tag = "overview", params(Page),
    responses((status = 200, body = ActivityList), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/activity")]
async fn activity(
    state: web::Data<State>,
    caller: Caller,
    page: web::Query<Page>,
) -> Answer<web::Json<ActivityList>> {
    let cursor = page.cursor.as_deref();
    Ok(web::Json(
        lines::of_all(&state.store, &caller, page.limit, cursor).await?,
    ))
}
