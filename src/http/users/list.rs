//! Lists of people, and of what happened to one.

use super::{Answer, Caller, Page, State};
use actix_web::{get, web};
use serde::Deserialize;
use signalbox_core::activity::list::ActivityList;
use signalbox_core::kernel::id::{RoleId, TeamId, UserId};
use signalbox_core::users::search::{Query, Sort};
use signalbox_core::users::service::{self, UserList};
use signalbox_core::users::{UserStatus, lines};

/// Which people, in which order.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort.
    cursor: Option<String>,
    /// Text in name, e-mail or department; under three characters, the beginning of one of them.
    q: Option<String>,
    /// Only people in this state.
    status: Option<UserStatus>,
    /// Only holders of this role, themselves or through a team.
    role: Option<RoleId>,
    /// Only members of this team.
    team: Option<TeamId>,
    /// Only this department, whatever its case.
    department: Option<String>,
    /// Order; newest first when absent.
    #[serde(default)]
    sort: Sort,
}

/// People
///
/// `total` is exact up to 10,000. Who may not see e-mail addresses neither finds nor sorts by them.
#[utoipa::path(
    operation_id = "users.list", tag = "users", params(Asked),
    responses((status = 200, body = UserList), (status = 403, body = super::super::problem::Body),
              (status = 422, body = super::super::problem::Body))
)]
#[get("/users")]
pub(super) async fn list(
    state: web::Data<State>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<UserList>> {
    let asked = asked.into_inner();
    let query = Query {
        q: asked.q,
        status: asked.status,
        role: asked.role,
        team: asked.team,
        department: asked.department,
        sort: asked.sort,
        limit: asked.limit,
        cursor: asked.cursor,
    };
    Ok(web::Json(service::list(&state.store, &caller, &query).await?))
}

/// What a person did, and what was done to them
#[utoipa::path(
    operation_id = "users.activity", tag = "users",
    params(("id" = UserId, Path, description = "The person"), Page),
    responses((status = 200, body = ActivityList), (status = 403, body = super::super::problem::Body),
              (status = 404, body = super::super::problem::Body))
)]
#[get("/users/{id}/activity")]
pub(super) async fn activity(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<UserId>,
    page: web::Query<Page>,
) -> Answer<web::Json<ActivityList>> {
    let cursor = page.cursor.as_deref();
    let lines = lines::of(&state.store, &caller, *id, page.limit, cursor).await?;
    Ok(web::Json(lines))
}
