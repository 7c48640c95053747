use super::{Answer, Caller, Json, State};
use crate::http::auth::site;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use signalbox_core::factors::{
    self, Confirmation, Enrolled, Enrollment, Factor, Factors, NewName, RecoveryCodes, Wanted,
};
use signalbox_core::kernel::id::FactorId;

/// My second factors
#[utoipa::path(
    operation_id = "me.factors", tag = "me",
    responses((status = 200, body = Factors), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/factors")]
pub async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<Factors>> {
    Ok(web::Json(factors::list(&state.store, &caller).await?))
}

/// Begin to set up a second factor
///
/// Nothing counts until it is confirmed. Needs a proof of who one is of the last 10 minutes.
#[utoipa::path(
    operation_id = "me.begin_factor", tag = "me", request_body = Wanted,
    responses((status = 200, body = Enrollment), (status = 403, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body))
)]
#[post("/me/factors")]
pub async fn begin(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    Json(wanted): Json<Wanted>,
) -> Answer<web::Json<Enrollment>> {
    let site = site(&request, &state);
    let begun = factors::begin_own(&state.store, &caller, &wanted, site.as_ref()).await?;
    Ok(web::Json(begun))
}

/// Confirm a second factor
///
/// With a code of the app, or with what the browser made. The first factor comes with recovery codes, shown once.
#[utoipa::path(
    operation_id = "me.add_factor", tag = "me", request_body = Confirmation,
    responses((status = 201, body = Enrolled), (status = 409, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body))
)]
#[post("/me/factors/confirm")]
pub async fn confirm(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    Json(confirmation): Json<Confirmation>,
) -> Answer<HttpResponse> {
    let site = site(&request, &state);
    let enrolled = factors::confirm_own(&state.store, &caller, &confirmation, site.as_ref()).await?;
    Ok(HttpResponse::Created().json(enrolled))
}

/// Rename a second factor
#[utoipa::path(
    operation_id = "me.rename_factor", tag = "me", request_body = NewName,
    params(("id" = FactorId, Path, description = "The factor.")),
    responses((status = 200, body = Factor), (status = 404, body = crate::http::problem::Body))
)]
#[patch("/me/factors/{id}")]
pub async fn rename(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<FactorId>,
    Json(wanted): Json<NewName>,
) -> Answer<web::Json<Factor>> {
    let renamed = factors::rename(&state.store, &caller, *id, &wanted.name).await?;
    Ok(web::Json(renamed))
}

/// Remove a second factor
///
/// Needs a proof of who one is of the last 10 minutes. The last one stays where a role demands one.
#[utoipa::path(
    operation_id = "me.remove_factor", tag = "me",
    params(("id" = FactorId, Path, description = "The factor.")),
    responses((status = 204), (status = 404, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body))
)]
#[delete("/me/factors/{id}")]
pub async fn remove(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<FactorId>,
) -> Answer<HttpResponse> {
    factors::remove(&state.store, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Make new recovery codes
///
/// Those made before are good no more. Needs a proof of who one is of the last 10 minutes.
#[utoipa::path(
    operation_id = "me.recovery_codes", tag = "me",
    responses((status = 200, body = RecoveryCodes), (status = 409, body = crate::http::problem::Body))
)]
#[post("/me/recovery_codes")]
pub async fn recovery_codes(state: web::Data<State>, caller: Caller) -> Answer<web::Json<RecoveryCodes>> {
    Ok(web::Json(
        factors::make_recovery_codes(&state.store, &caller).await?,
    ))
}
