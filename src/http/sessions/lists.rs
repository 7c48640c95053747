//! Which sessions are open.

use crate::http::problem::Body;
use crate::http::{Answer, Caller, State};
use actix_web::{HttpRequest, get, web};
use serde::{Deserialize, Serialize};
use signalbox_actors::nodes::Nodes;
use signalbox_core::bus::questions::Question;
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::id::{OrganizationId, RoleId, UserId};
use signalbox_core::sessions::{self, Listed, SessionList};
use std::net::IpAddr;

/// Open sessions of one person.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Sessions {
    /// Newest first, 200 at most.
    items: Vec<Listed>,
}

/// Open sessions of one's own
///
/// How many live connections hang on each comes as `session.sockets` on `sessions:<user id>`, when that changes.
#[utoipa::path(
    operation_id = "me.list_sessions", tag = "me",
    responses((status = 200, body = Sessions), (status = 401, body = Body))
)]
#[get("/me/sessions")]
pub(super) async fn own(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
) -> Answer<web::Json<Sessions>> {
    caller.require_session()?;
    let me = caller
        .actor
        .user()
        .ok_or_else(|| Error::internal("a session belongs to nobody"))?;
    let mut items = sessions::list(&state.store, &caller, &state.places, me).await?;
    count_sockets(&request, caller.organization, &mut items).await;
    Ok(web::Json(Sessions { items }))
}

/// Open sessions of a person
///
/// How many live connections hang on each comes as `session.sockets` on `sessions:<user id>`, when that changes.
#[utoipa::path(
    operation_id = "sessions.list", tag = "sessions", params(("id" = UserId, Path, description = "The person")),
    responses((status = 200, body = Sessions), (status = 403, body = Body), (status = 404, body = Body))
)]
#[get("/users/{id}/sessions")]
pub(super) async fn of_person(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    id: web::Path<UserId>,
) -> Answer<web::Json<Sessions>> {
    let mut items = sessions::list(&state.store, &caller, &state.places, *id).await?;
    count_sockets(&request, caller.organization, &mut items).await;
    Ok(web::Json(Sessions { items }))
}

/// Which sessions.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only this person's.
    user: Option<UserId>,
    /// Only of those who hold this role, themselves or through a team.
    role: Option<RoleId>,
    /// Only those that were opened from this address.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters.
    cursor: Option<String>,
}

/// Open sessions of everybody
///
/// How many live connections hang on each comes as `session.sockets` on `feed:sessions`, when that changes.
#[utoipa::path(
    operation_id = "sessions.list_all", tag = "sessions", params(Asked),
    responses((status = 200, body = SessionList), (status = 403, body = Body))
)]
#[get("/sessions")]
pub(super) async fn all(
    state: web::Data<State>,
    request: HttpRequest,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<SessionList>> {
    let asked = asked.into_inner();
    let query = sessions::Query {
        user: asked.user,
        role: asked.role,
        // as it is kept
        ip: asked.ip.map(|ip| ip.to_canonical()),
        limit: asked.limit,
        cursor: asked.cursor,
    };
    let mut list = sessions::list_all(&state.store, &caller, &state.places, &query).await?;
    count_sockets(&request, caller.organization, &mut list.items).await;
    Ok(web::Json(list))
}

/// Asks the nodes. Where one of them does not answer, nothing is said of any session.
async fn count_sockets(request: &HttpRequest, organization: OrganizationId, items: &mut [Listed]) {
    let Some(nodes) = request.app_data::<web::Data<Nodes>>() else {
        return;
    };
    let organizations = vec![organization];
    let answers = nodes.ask(Question::Sockets { organizations }).await;
    if answers.missing.is_empty() {
        let sockets = answers.sockets();
        for item in items {
            item.sockets = Some(sockets.get(&item.id).map_or(0, |(_, count)| *count));
        }
    }
}
