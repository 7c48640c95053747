use crate::http::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, delete, get, patch, post, web};
use signalbox_core::kernel::id::{UserId, WalletId};
use signalbox_core::profiles::{self, NewWallet, Privacy, PrivacyChange, ProfileChange, ProfileItem};

/// What is one's own belongs to whoever has signed in; a program asks for a person by their id.
fn oneself(caller: &Caller) -> Answer<UserId> {
    caller.require_session()?;
    Ok(caller.0.known.standing.user)
}

/// Your profile
#[utoipa::path(
    operation_id = "me.profile", tag = "me",
    responses((status = 200, body = ProfileItem), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/profile")]
pub async fn get(state: web::Data<State>, caller: Caller) -> Answer<HttpResponse> {
    let item = profiles::get(&state.store, &caller, oneself(&caller)?).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Change your profile
#[utoipa::path(
    operation_id = "me.update_profile", tag = "me", request_body = ProfileChange,
    params(("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = ProfileItem), (status = 403, body = crate::http::problem::Body),
              (status = 412, body = crate::http::problem::Body), (status = 422, body = crate::http::problem::Body))
)]
#[patch("/me/profile")]
pub async fn update(
    state: web::Data<State>,
    caller: Caller,
    IfMatch(version): IfMatch,
    Json(wanted): Json<ProfileChange>,
) -> Answer<HttpResponse> {
    let item = profiles::update(&state.store, &caller, oneself(&caller)?, version, &wanted).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Wipe your profile, with privacy and wallets
#[utoipa::path(
    operation_id = "me.delete_profile", tag = "me",
    params(("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = crate::http::problem::Body),
              (status = 412, body = crate::http::problem::Body))
)]
#[delete("/me/profile")]
pub async fn remove(
    state: web::Data<State>,
    caller: Caller,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    profiles::remove(&state.store, &caller, oneself(&caller)?, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who sees what of your profile
#[utoipa::path(
    operation_id = "me.privacy", tag = "me",
    responses((status = 200, body = Privacy), (status = 403, body = crate::http::problem::Body))
)]
#[get("/me/privacy")]
pub async fn privacy(state: web::Data<State>, caller: Caller) -> Answer<web::Json<Privacy>> {
    Ok(web::Json(profiles::privacy(&state.store, &caller).await?))
}

/// Decide who sees what of your profile
///
/// What is absent stays.
#[utoipa::path(
    operation_id = "me.set_privacy", tag = "me", request_body = Privacy,
    responses((status = 200, body = Privacy), (status = 403, body = crate::http::problem::Body),
              (status = 422, body = crate::http::problem::Body))
)]
#[patch("/me/privacy")]
pub async fn set_privacy(
    state: web::Data<State>,
    caller: Caller,
    Json(wanted): Json<PrivacyChange>,
) -> Answer<web::Json<Privacy>> {
    Ok(web::Json(
        profiles::set_privacy(&state.store, &caller, &wanted).await?,
    ))
}

/// Link a wallet to yourself
#[utoipa::path(
    operation_id = "me.link_wallet", tag = "me", request_body = NewWallet,
    responses((status = 201, body = ProfileItem), (status = 403, body = crate::http::problem::Body),
              (status = 409, body = crate::http::problem::Body), (status = 422, body = crate::http::problem::Body))
)]
#[post("/me/wallets")]
pub async fn link_wallet(
    state: web::Data<State>,
    caller: Caller,
    Json(new): Json<NewWallet>,
) -> Answer<HttpResponse> {
    let item = profiles::link(&state.store, &caller, oneself(&caller)?, &new).await?;
    Ok(HttpResponse::Created().json(item))
}

/// Unlink a wallet of yours
#[utoipa::path(
    operation_id = "me.unlink_wallet", tag = "me", params(("id" = WalletId, Path, description = "The wallet")),
    responses((status = 204), (status = 403, body = crate::http::problem::Body),
              (status = 404, body = crate::http::problem::Body))
)]
#[delete("/me/wallets/{id}")]
pub async fn unlink_wallet(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<WalletId>,
) -> Answer<HttpResponse> {
    profiles::unlink(&state.store, &caller, oneself(&caller)?, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
