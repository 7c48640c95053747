//! `/api/v1/me`: oneself.

mod get;
mod password;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(get::get).service(password::change);
}
