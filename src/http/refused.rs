//! The id by which a refusal is explained: what was refused, to whom, sealed. Nothing is kept of it here.

use super::State;
use actix_web::{HttpMessage, HttpRequest, web};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::page;
use signalbox_core::roles::refusals::{self, Refusal};

/// Who asks, where they are known.
#[derive(Clone, Copy)]
struct Asker(OrganizationId, UserId);

/// Notes who asks, for what may be refused to them later on.
pub(super) fn note(request: &HttpRequest, organization: OrganizationId, user: UserId) {
    request.extensions_mut().insert(Asker(organization, user));
}

/// The id that a 403 carries. `None` for every other error.
pub(super) fn explain_id(request: &HttpRequest, error: &Error, trace_id: &str) -> Option<String> {
    if error.kind != Kind::Forbidden {
        return None;
    }
    let store = &request.app_data::<web::Data<State>>()?.store;
    let asker = request.extensions().get::<Asker>().copied();
    let refusal = Refusal {
        at: page::micros(store.clock.now()),
        organization: asker.map(|Asker(organization, _)| organization),
        user: asker.map(|Asker(_, user)| user),
        code: error.code.to_string(),
        trace_id: trace_id.to_owned(),
        missing: error.lacks().cloned(),
    };
    refusals::id(&store.sealer, &refusal).ok()
}
