//! The id by which a refusal is explained: what was refused, to whom, sealed. Nothing is kept of it here.

use super::State;
use actix_web::{HttpMessage, HttpRequest, web};
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::page;
use signalbox_core::roles::refusals::{self, Refusal};
use signalbox_core::sessions::standing::KeyTerms;
use std::sync::Arc;

/// Who asks, where they are known.
#[derive(Clone)]
pub struct Asker {
    /// Of which organization.
    pub organization: OrganizationId,
    /// The person, or whose key it is.
    pub user: UserId,
    /// Of the API key, if it is one.
    pub key: Option<Arc<KeyTerms>>,
}

/// Notes who asks, for what may be refused to them later on.
pub fn note(request: &HttpRequest, asker: Asker) {
    request.extensions_mut().insert(asker);
}

/// The id that a 403 carries. `None` for every other error.
pub(super) fn explain_id(request: &HttpRequest, error: &Error, trace_id: &str) -> Option<String> {
    if error.kind != Kind::Forbidden {
        return None;
    }
    let store = &request.app_data::<web::Data<State>>()?.store;
    let asker = request.extensions().get::<Asker>().cloned();
    let key = asker.as_ref().and_then(|asker| asker.key.as_ref());
    let refusal = Refusal {
        at: page::micros(store.clock.now()),
        organization: asker.as_ref().map(|asker| asker.organization),
        user: asker.as_ref().map(|asker| asker.user),
        code: error.code.to_string(),
        trace_id: trace_id.to_owned(),
        beyond_scopes: key
            .zip(error.lacks())
            .is_some_and(|(key, missing)| !key.scopes.contains(&missing.permission)),
        missing: error.lacks().cloned(),
    };
    refusals::id(&store.sealer, &refusal).ok()
}
