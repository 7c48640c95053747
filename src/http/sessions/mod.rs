//! Sessions: one's own under `/api/v1/me/sessions`, a person's, a role's, everybody's.

mod end;
mod lists;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn routes(api: &mut ServiceConfig) {
    api.service(lists::own)
        .service(end::others)
        .service(lists::all)
        .service(lists::of_person)
        .service(end::of_person)
        .service(end::of_role)
        .service(end::everybody)
        // behind the others: an id is any word
        .service(end::one);
}
