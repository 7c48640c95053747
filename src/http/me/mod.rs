//! `/api/v1/me`: oneself.

mod email;
mod get;
mod password;
mod profile;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(get::get)
        .service(password::change)
        .service(email::get)
        .service(email::change)
        .service(email::keep)
        .service(profile::get)
        .service(profile::update)
        .service(profile::remove)
        .service(profile::privacy)
        .service(profile::set_privacy)
        .service(profile::link_wallet)
        .service(profile::unlink_wallet);
}
