//! `/api/v1/teams`: teams, who is in them, and which roles they carry.

use super::{Answer, Caller, IfMatch, Json, State, etag};
use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use serde::Deserialize;
use signalbox_core::kernel::id::{RoleId, TeamId, UserId};
use signalbox_core::teams::{self, NewTeam, OneTeam, Team, TeamChange, TeamItem, TeamList};
use signalbox_core::users::{TeamRole, UserItem};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list)
        .service(create)
        .service(get)
        .service(update)
        .service(delete)
        .service(add_member)
        .service(remove_member)
        .service(give_role)
        .service(take_role);
}

/// What somebody is in a team.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Membership {
    /// `member` when absent.
    #[serde(default)]
    role: TeamRole,
}

/// All teams
///
/// Who is in one is asked of the people: `GET /api/v1/users?team=ID`.
#[utoipa::path(
    operation_id = "teams.list", tag = "teams",
    responses((status = 200, body = TeamList), (status = 403, body = super::problem::Body))
)]
#[get("/teams")]
async fn list(state: web::Data<State>, caller: Caller) -> Answer<web::Json<TeamList>> {
    Ok(web::Json(teams::list(&state.store, &caller).await?))
}

/// Make a team
#[utoipa::path(
    operation_id = "teams.create", tag = "teams", request_body = NewTeam,
    responses((status = 201, body = Team), (status = 403, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[post("/teams")]
async fn create(state: web::Data<State>, caller: Caller, Json(new): Json<NewTeam>) -> Answer<HttpResponse> {
    let team = teams::create(&state.store, &caller, &new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header(("location", format!("/api/v1/teams/{}", team.id)));
    Ok(etag::etag(&mut answer, team.version).json(team))
}

/// One team
#[utoipa::path(
    operation_id = "teams.get", tag = "teams", params(("id" = TeamId, Path, description = "The team")),
    responses((status = 200, body = OneTeam), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body))
)]
#[get("/teams/{id}")]
async fn get(state: web::Data<State>, caller: Caller, id: web::Path<TeamId>) -> Answer<HttpResponse> {
    let one = teams::get(&state.store, &caller, *id).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), one.item.team.version).json(one))
}

/// Change a team's name or description
#[utoipa::path(
    operation_id = "teams.update", tag = "teams", request_body = TeamChange,
    params(("id" = TeamId, Path, description = "The team"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 200, body = Team), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 412, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[patch("/teams/{id}")]
async fn update(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<TeamId>,
    IfMatch(version): IfMatch,
    Json(change): Json<TeamChange>,
) -> Answer<HttpResponse> {
    let team = teams::update(&state.store, &caller, *id, version, &change).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), team.version).json(team))
}

/// Delete a team
///
/// Whoever is in it leaves it; nobody is deleted. A team that carries roles is deleted by whoever may take them from all of
/// its people.
#[utoipa::path(
    operation_id = "teams.delete", tag = "teams",
    params(("id" = TeamId, Path, description = "The team"),
           ("If-Match" = Option<String>, Header, description = "The version you saw, in quotes, as ETag gave it")),
    responses((status = 204), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 412, body = super::problem::Body))
)]
#[delete("/teams/{id}")]
async fn delete(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<TeamId>,
    IfMatch(version): IfMatch,
) -> Answer<HttpResponse> {
    teams::delete(&state.store, &caller, *id, version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Put a person into a team
///
/// Or have them be something else in it. Nobody is put where they may do more than whoever puts them there, and where the team
/// carries roles, this gives them, and asks for what giving them asks for.
#[utoipa::path(
    operation_id = "teams.add_member", tag = "teams", request_body = Membership,
    params(("id" = TeamId, Path, description = "The team"), ("user" = UserId, Path, description = "The person")),
    responses((status = 200, body = UserItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body))
)]
#[put("/teams/{id}/members/{user}")]
async fn add_member(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(TeamId, UserId)>,
    Json(body): Json<Membership>,
) -> Answer<HttpResponse> {
    let item = teams::add_member(&state.store, &caller, path.0, path.1, body.role).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.version).json(item))
}

/// Take a person out of a team
///
/// Where it carries roles, this takes them, and asks for what taking them asks for.
#[utoipa::path(
    operation_id = "teams.remove_member", tag = "teams",
    params(("id" = TeamId, Path, description = "The team"), ("user" = UserId, Path, description = "The person")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body),
              (status = 409, body = super::problem::Body))
)]
#[delete("/teams/{id}/members/{user}")]
async fn remove_member(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(TeamId, UserId)>,
) -> Answer<HttpResponse> {
    teams::remove_member(&state.store, &caller, path.0, path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give a team a role
///
/// Whoever is in it holds the role from then on, whoever comes into it too, for as long as they are in it. It asks for what
/// giving it to each of them asks for. No team carries the owner role.
#[utoipa::path(
    operation_id = "teams.give_role", tag = "teams",
    params(("id" = TeamId, Path, description = "The team"), ("role" = RoleId, Path, description = "The role")),
    responses((status = 200, body = TeamItem), (status = 403, body = super::problem::Body),
              (status = 404, body = super::problem::Body), (status = 409, body = super::problem::Body),
              (status = 422, body = super::problem::Body))
)]
#[put("/teams/{id}/roles/{role}")]
async fn give_role(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(TeamId, RoleId)>,
) -> Answer<HttpResponse> {
    let item = teams::give_role(&state.store, &caller, path.0, path.1).await?;
    Ok(etag::etag(&mut HttpResponse::Ok(), item.team.version).json(item))
}

/// Take a role from a team
///
/// And with it from whoever is in it, unless they hold it in another way too.
#[utoipa::path(
    operation_id = "teams.take_role", tag = "teams",
    params(("id" = TeamId, Path, description = "The team"), ("role" = RoleId, Path, description = "The role")),
    responses((status = 204), (status = 403, body = super::problem::Body), (status = 404, body = super::problem::Body),
              (status = 409, body = super::problem::Body), (status = 422, body = super::problem::Body))
)]
#[delete("/teams/{id}/roles/{role}")]
async fn take_role(
    state: web::Data<State>,
    caller: Caller,
    path: web::Path<(TeamId, RoleId)>,
) -> Answer<HttpResponse> {
    teams::take_role(&state.store, &caller, path.0, path.1).await?;
    Ok(HttpResponse::NoContent().finish())
}
