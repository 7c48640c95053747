//! `/api/v1/users`: people, and what may be done with them.

mod acts;
mod list;
mod one;

use super::{Answer, Caller, IfMatch, Json, State, etag, page::Page};
use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(list::list)
        .service(one::create)
        .service(one::get)
        .service(one::update)
        .service(one::delete)
        .service(acts::ban)
        .service(acts::unban)
        .service(acts::reset_password)
        .service(list::activity);
}
