//! `/api/v1/live`: nodes, connections and channels of live delivery, for operators. What stands in one node's memory is
//! asked of every node; who does not answer in time is named in `missing`.

mod channels;
mod connections;
mod nodes;
mod people;
mod streams;

use super::{Answer, Caller, Json, State, problem};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::live::application::APPLICATION;
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(nodes::list)
        .service(connections::list)
        .service(connections::get)
        .service(connections::disconnect)
        .service(channels::list)
        .service(channels::get)
        .service(streams::newest)
        .service(streams::publish);
}

/// Whose connections and channels a caller sees: their organization's, and the application's.
fn seen_by(caller: &Caller) -> Vec<OrganizationId> {
    vec![caller.organization, APPLICATION]
}
