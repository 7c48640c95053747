//! `/api/v1/audit`: who did what to whom.

use super::{Answer, Caller, State};
use actix_web::{get, web};
use serde::Deserialize;
use signalbox_core::audit::search::{self, AuditList, Query};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list);
}

/// Which entries.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
    /// Only this act, such as `users.ban`.
    action: Option<String>,
    /// Only what this person did.
    actor: Option<Uuid>,
    /// Only what was done to this person or thing.
    subject: Option<Uuid>,
    /// Only what was done with this API key.
    api_key: Option<Uuid>,
}

/// Entries of the audit log, newest first
#[utoipa::path(
    operation_id = "audit.list", tag = "audit", params(Asked),
    responses((status = 200, body = AuditList), (status = 403, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[get("/audit")]
async fn list(
    state: web::Data<State>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<AuditList>> {
    let asked = asked.into_inner();
    let query = Query {
        action: asked.action,
        actor: asked.actor,
        subject: asked.subject,
        api_key: asked.api_key,
        limit: asked.limit,
        cursor: asked.cursor,
    };
    Ok(web::Json(search::list(&state.store, &caller, &query).await?))
}
