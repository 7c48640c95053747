//! The id by which a refusal is explained: what was refused, to whom, sealed. Nothing is kept of it here.

use super::State;
use actix_web::{HttpMessage, HttpRequest, web};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::page;
use signalbox_core::roles::refusals::{self, Refusal};
use signalbox_core::sessions::standing::Standing;
use std::sync::Arc;

/// Who asks, where they are known, as they stand.
#[derive(Clone)]
struct Asker(Arc<Standing>);

/// Notes who asks, for what may be refused to them later on.
pub(super) fn note(request: &HttpRequest, standing: &Arc<Standing>) {
    request.extensions_mut().insert(Asker(Arc::clone(standing)));
}

/// The id that a 403 carries. `None` for every other error.
pub(super) fn explain_id(request: &HttpRequest, error: &Error, trace_id: &str) -> Option<String> {
    if error.kind != Kind::Forbidden {
        return None;
    }
    let store = &request.app_data::<web::Data<State>>()?.store;
    let asker = request.extensions().get::<Asker>().cloned();
    let asker = asker.as_ref().map(|Asker(standing)| standing);
    let key = asker.and_then(|standing| standing.key.as_ref());
    let refusal = Refusal {
        at: page::micros(store.clock.now()),
        organization: asker.map(|standing| standing.organization),
        user: asker.map(|standing| standing.user),
        code: error.code.to_string(),
        trace_id: trace_id.to_owned(),
        beyond_scopes: key
            .zip(error.lacks())
            .is_some_and(|(key, missing)| !key.scopes.contains(&missing.permission)),
        missing: error.lacks().cloned(),
    };
    refusals::id(&store.sealer, &refusal).ok()
}
