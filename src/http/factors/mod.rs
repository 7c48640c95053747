//! `/api/v1/me/factors`, `/api/v1/me/prove`: one's own second factors, and proving again who one is; and taking those of
//! others away.

mod own;
mod prove;
mod reset;

use super::{Answer, AnyCaller, Caller, Json, State};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(own::list)
        .service(own::begin)
        .service(own::confirm)
        .service(own::rename)
        .service(own::remove)
        .service(own::recovery_codes)
        .service(prove::what)
        .service(prove::passkey)
        .service(prove::send_code)
        .service(prove::prove)
        .service(reset::reset);
}
