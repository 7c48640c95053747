//! `/api/v1/find`: one box for whatever somebody pastes.

use super::{Answer, Caller, State};
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use signalbox_core::users::find::{self, Found};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(get);
}

/// What is looked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// An id, or an e-mail address, in full.
    q: String,
}

/// What was found.
#[derive(Serialize, utoipa::ToSchema)]
struct Finds {
    /// Empty when nothing has this id or address, or nothing that the viewer may see.
    items: Vec<Found>,
}

/// Find by exact id or e-mail address
#[utoipa::path(
    operation_id = "find.query", tag = "find", params(Asked),
    responses((status = 200, body = Finds), (status = 401, body = super::problem::Body))
)]
#[get("/find")]
async fn get(state: web::Data<State>, caller: Caller, asked: web::Query<Asked>) -> Answer<web::Json<Finds>> {
    let items = find::exactly(&state.store, &caller, &asked.q).await?;
    Ok(web::Json(Finds { items }))
}
