//! `/api/v1/system`: how this node is, for the System page.

mod faults;

use super::{Answer, Caller, State};
use crate::config::Role;
use actix_web::{get, web};
use serde::Serialize;
use signalbox_actors::supervision::{ActorStatus, Tree};
use time::OffsetDateTime;
use utoipa_actix_web::service_config::ServiceConfig;

pub use faults::routes as fault_routes;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(actors).service(info);
}

/// What is asked about, shared by all workers.
pub struct System {
    /// The supervision tree.
    pub tree: Tree,
    /// This start of this process.
    pub node: String,
    /// When it started.
    pub started_at: OffsetDateTime,
}

/// The supervision tree of the node that answers.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Actors {
    /// Which node.
    node: String,
    /// In start order.
    items: Vec<ActorStatus>,
}

/// What runs where.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Info {
    /// The hub's version.
    version: &'static str,
    /// This start of this process.
    node: String,
    /// When it started.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// The database server.
    postgres: Server,
    /// The cache and bus.
    redis: Server,
    /// What this node does.
    #[schema(value_type = Vec<String>)]
    roles: Vec<Role>,
}

/// A server the hub works with.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Server {
    /// Its version; `null` while it does not answer.
    version: Option<String>,
}

/// The supervision tree of this node
///
/// Changes come as `system.actors` on `feed:system`, at most once a second.
#[utoipa::path(
    operation_id = "system.actors", tag = "system",
    responses((status = 200, body = Actors), (status = 403, body = super::problem::Body))
)]
#[get("/system/actors")]
async fn actors(system: web::Data<System>, caller: Caller) -> Answer<web::Json<Actors>> {
    caller.require("system:read")?;
    Ok(web::Json(Actors {
        node: system.node.clone(),
        items: system.tree.snapshot(),
    }))
}

/// What runs where
#[utoipa::path(
    operation_id = "system.info", tag = "system",
    responses((status = 200, body = Info), (status = 403, body = super::problem::Body))
)]
#[get("/system/info")]
async fn info(state: web::Data<State>, system: web::Data<System>, caller: Caller) -> Answer<web::Json<Info>> {
    caller.require("system:read")?;
    // A server that is down must not take with it the page that shows so.
    let (postgres, redis) = futures::join!(state.store.db.server_version(), state.store.bus.server_version());
    Ok(web::Json(Info {
        version: env!("CARGO_PKG_VERSION"),
        node: system.node.clone(),
        started_at: system.started_at,
        postgres: Server {
            version: postgres.ok(),
        },
        redis: Server { version: redis.ok() },
        roles: state.settings.roles.clone(),
    }))
}
