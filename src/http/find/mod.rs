//! `/api/v1/find`: one box for whatever somebody pastes.

use super::{Answer, Caller, State};
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use signalbox_core::api_keys::{self, secret};
use signalbox_core::sessions;
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
    /// An id, an e-mail address or an IP address, in full; or an API key, of which no more is looked at than how it begins, such as
    /// `sbx_live_4fQz`.
    q: String,
}

/// What was found.
#[derive(Serialize, utoipa::ToSchema)]
struct Finds {
    /// Empty when nothing has this id, address or beginning, or nothing that the viewer may see; at most 20, the newest.
    items: Vec<Found>,
}

/// Find by exact id, e-mail address, IP address or beginning of an API key
///
/// A person by id or e-mail address; open sessions by the IP address that they were opened from, for whoever may see sessions; API
/// keys by how they begin, for whoever may see API keys.
#[utoipa::path(
    operation_id = "find.query", tag = "find", params(Asked),
    responses((status = 200, body = Finds), (status = 401, body = super::problem::Body))
)]
#[get("/find")]
async fn get(state: web::Data<State>, caller: Caller, asked: web::Query<Asked>) -> Answer<web::Json<Finds>> {
    let (store, q) = (&state.store, asked.q.trim());
    let items = match q.parse() {
        Ok(ip) => sessions::from_address(store, &caller, ip).await?,
        Err(_) if secret::looks_like(q) => api_keys::by_prefix(store, &caller, q).await?,
        Err(_) => find::exactly(store, &caller, q).await?,
    };
    Ok(web::Json(Finds { items }))
}
