//! Breaking an actor on purpose, for whole-binary fault tests. The route exists only while `SIGNALBOX_FAULTS=1`, is no part
//! of the published API, and still asks for a signed-in caller who may see the tree.

use super::System;
use crate::http::{Answer, Caller, Json};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use signalbox_actors::supervision::{FaultError, Poison};
use signalbox_core::kernel::error::{Error, Kind};

/// Adds the route, if this node takes faults.
pub fn routes(app: &mut web::ServiceConfig, system: &System) {
    if system.tree.takes_faults() {
        app.route("/faults/actors", web::post().to(poison));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    actor: String,
    poison: Kinds,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kinds {
    Panic,
    Freeze,
    Hang,
    Start,
}

async fn poison(system: web::Data<System>, caller: Caller, Json(fault): Json<Fault>) -> Answer<HttpResponse> {
    caller.require("system:read")?;
    let poison = match fault.poison {
        Kinds::Panic => Poison::Panic,
        Kinds::Freeze => Poison::Freeze,
        Kinds::Hang => Poison::Hang,
        Kinds::Start => Poison::Start,
    };
    system.tree.poison(&fault.actor, poison).map_err(|why| {
        let kind = match why {
            FaultError::Off => Kind::Forbidden,
            FaultError::NotRunning => Kind::NotFound,
        };
        Error::new(kind, "system.fault", why.to_string())
    })?;
    Ok(HttpResponse::NoContent().finish())
}
