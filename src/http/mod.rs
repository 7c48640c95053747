//! REST under `/api/v1`: decode, call core, encode.
//!
//! [`routes`] is the table of contents: every operation of the hub is reached from it, in reading order. An operation's id
//! is `<feature>.<verb>` (DESIGN §7), the same in the OpenAPI document, in metrics and in the audit log.
//!
//! A handler takes a [`Caller`] (who asks, checked), a [`Json`] or query, calls one function of core and answers
//! [`Answer`]. Errors of core become RFC 9457 problems in one place, [`problem`].

pub mod access;
mod acting;
pub mod admission;
mod api_keys;
mod attachment;
mod audit;
mod auth;
mod bulk;
pub mod caller;
pub mod console;
pub mod cors;
pub mod etag;
mod factors;
mod find;
mod forwarded;
pub mod headers;
pub mod idempotency;
mod impersonation;
mod imports;
mod invitations;
mod ip_rules;
mod jobs;
pub mod json;
pub mod limits;
mod live;
mod live_token;
mod me;
mod messages;
pub mod observe;
pub mod openapi;
pub mod operations;
mod organizations;
pub mod origin;
mod overview;
pub mod pace;
pub mod page;
mod personal_data;
pub mod problem;
mod profiles;
mod providers;
pub mod refused;
mod roles;
mod saved_filters;
pub mod server_api;
mod sessions;
mod signing_keys;
pub mod state;
pub mod system;
mod teams;
mod users;

pub use caller::{AnyCaller, Caller};
pub use etag::IfMatch;
pub use json::Json;
pub use problem::Problem;
pub use state::State;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, Error, HttpRequest, web};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

/// Every operation under `/api/v1`, in reading order. People first, who are asked for most: actix-web tries one route after the
/// other, and behind all others finding this one took an eighth of the request (`loadtests auth`).
fn routes(api: &mut ServiceConfig) {
    api.configure(users::routes)
        .configure(auth::routes)
        .configure(me::routes)
        .configure(factors::routes)
        .configure(impersonation::routes)
        .configure(sessions::routes)
        .configure(invitations::routes)
        .configure(bulk::routes)
        .configure(personal_data::routes)
        .configure(profiles::routes)
        .configure(roles::routes)
        .configure(teams::routes)
        .configure(api_keys::routes)
        .configure(ip_rules::routes)
        .configure(organizations::routes)
        .configure(messages::routes)
        .configure(signing_keys::routes)
        .configure(providers::routes)
        .configure(audit::routes)
        .configure(imports::routes)
        .configure(jobs::routes)
        .configure(overview::routes)
        .configure(find::routes)
        .configure(saved_filters::routes)
        .configure(live_token::routes)
        .configure(live::routes)
        .configure(crate::live::api_routes)
        .configure(system::routes);
}

/// The whole HTTP application of one worker. `state` is shared by all of them.
pub fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let (app, document) = App::new()
        .into_utoipa_app()
        .openapi(openapi::document())
        .service(utoipa_actix_web::scope("/api/v1").configure(routes))
        .split_for_parts();
    app.app_data(state)
        .app_data(web::Data::new(operations::Operations::of(&document)))
        .app_data(web::QueryConfig::default().error_handler(problem::of_query))
        .app_data(web::PathConfig::default().error_handler(problem::of_path))
        .route("/api/openapi.json", web::get().to(openapi::serve))
        .app_data(web::Data::new(document))
        .route("/.well-known/jwks.json", web::get().to(signing_keys::public))
        .route("/assets/{name}", web::get().to(console::asset))
        .default_service(web::to(nothing_here))
        .wrap(from_fn(idempotency::read_key))
        .wrap(from_fn(pace::keep_pace))
        .wrap(from_fn(admission::admit))
        .wrap(from_fn(limits::keep))
        .wrap(from_fn(cors::preflight))
        .wrap(from_fn(observe::observe))
}

/// The OpenAPI document of all operations, without starting anything.
pub fn document() -> utoipa::openapi::OpenApi {
    App::new()
        .into_utoipa_app()
        .openapi(openapi::document())
        .service(utoipa_actix_web::scope("/api/v1").configure(routes))
        .split_for_parts()
        .1
}

/// Whatever no route answers: a known path with another method is 405, and what is not ours is a page of the console.
async fn nothing_here(
    request: HttpRequest,
    operations: web::Data<operations::Operations>,
) -> Answer<actix_web::HttpResponse> {
    let methods = operations.methods(request.path());
    if !methods.is_empty() {
        return Err(Problem::method(methods));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) && console::is_page(request.path()) {
        return console::page(request.path());
    }
    Err(Problem::no_route())
}
