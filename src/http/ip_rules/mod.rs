//! `/api/v1/ip_rules`: which addresses are let in.

use super::{Answer, Caller, Json, State};
use actix_web::{HttpResponse, delete, get, post, web};
use signalbox_core::ip_rules::{self, IpRule, IpRuleList, NewIpRule};
use signalbox_core::kernel::id::IpRuleId;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list).service(create).service(delete);
}

/// Allowed networks, and the address you come from
#[utoipa::path(
    operation_id = "ip_rules.list", tag = "ip_rules",
    responses((status = 200, body = IpRuleList), (status = 403, body = super::problem::Body))
)]
#[get("/ip_rules")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<IpRuleList>> {
    Ok(web::Json(ip_rules::list(&state.store, &caller).await?))
}

/// Allow a network, to everybody or to the holders of a role
///
/// With the first rule of its kind all other addresses are refused, and what is open from there ends at once. A change that
/// would shut out the address you come from is refused.
#[utoipa::path(
    operation_id = "ip_rules.create", tag = "ip_rules", request_body = NewIpRule,
    responses((status = 201, body = IpRule), (status = 403, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/ip_rules")]
async fn create(state: web::Data<State>, caller: Caller, Json(new): Json<NewIpRule>) -> Answer<HttpResponse> {
    let rule = ip_rules::create(&state.store, &caller, &new).await?;
    Ok(HttpResponse::Created().json(rule))
}

/// Take an allowed network away
#[utoipa::path(
    operation_id = "ip_rules.delete", tag = "ip_rules", params(("id" = IpRuleId, Path, description = "The rule")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body),
              (status = 409, body = super::problem::Body))
)]
#[delete("/ip_rules/{id}")]
async fn delete(state: web::Data<State>, caller: Caller, id: web::Path<IpRuleId>) -> Answer<HttpResponse> {
    ip_rules::delete(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
