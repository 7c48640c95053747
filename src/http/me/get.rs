use crate::http::{Answer, AnyCaller, State};
use actix_web::{get, web};
use serde::Serialize;
use signalbox_core::auth::{self, Oneself};
use signalbox_core::impersonation::{self, Acting};
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::id::{ApiKeyId, SessionId};

/// Who the caller is and may do.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Me {
    /// Person, organization, roles.
    #[serde(flatten)]
    oneself: Oneself,
    /// Permissions held now on everything, sorted.
    #[schema(example = json!(["users:read"]))]
    permissions: Vec<String>,
    /// Permissions held now on some rows only, sorted.
    #[schema(example = json!(["users:update"]))]
    limited: Vec<String>,
    /// The session that asks; null for an API key.
    session_id: Option<SessionId>,
    /// The API key that asks; null for a session.
    api_key_id: Option<ApiKeyId>,
    /// For the header X-CSRF-Token, where cookies are used; null for an API key.
    csrf_token: Option<String>,
    /// Set while an operator acts as this person.
    impersonation: Option<Acting>,
    /// True: nothing but POST /api/v1/me/password is allowed now.
    must_change_password: bool,
}

/// Who am I, and what may I do
#[utoipa::path(
    operation_id = "me.get", tag = "me",
    responses((status = 200, body = Me), (status = 401, body = crate::http::problem::Body))
)]
#[get("/me")]
pub async fn get(state: web::Data<State>, caller: AnyCaller) -> Answer<web::Json<Me>> {
    let standing = &caller.known.standing;
    let oneself = auth::oneself(&state.store, standing.organization, standing.user).await?;
    let (session, key) = match standing.credential {
        Credential::Session(session) => (Some(session), None),
        Credential::ApiKey(key) => (None, Some(key)),
        Credential::External(_) | Credential::Internal => (None, None),
    };
    let impersonation = impersonation::acting(&state.store, standing).await?;
    let held = &caller.ctx.permissions;
    let limited = held.reaches().filter(|(name, _)| !held.has(name));
    Ok(web::Json(Me {
        oneself,
        permissions: held.iter().map(str::to_owned).collect(),
        limited: limited.map(|(name, _)| name.to_owned()).collect(),
        session_id: session,
        api_key_id: key,
        csrf_token: session.map(|session| auth::csrf_token(&state.store.sealer, session)),
        impersonation,
        must_change_password: standing.must_change_password,
    }))
}
