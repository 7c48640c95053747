//! The OpenAPI 3.1 document, made from the code. `docs/openapi.json` is its committed copy.

use super::problem;
use actix_web::{HttpResponse, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Signalbox",
        description = "A self-hosted live operations hub. Errors are RFC 9457 problems (application/problem+json) with a stable code; \
                       lists page by cursor; POST takes an Idempotency-Key, PATCH and DELETE take If-Match.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(problem::Body, signalbox_core::users::search::Sort)),
    modifiers(&Schemes),
    security(("bearer" = []), ("cookie" = [], "csrf" = []))
)]
struct Head;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "For programs: an API key, or the access_token of auth.login.",
            ));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let cookie = ApiKeyValue::with_description(
            super::caller::ACCESS_COOKIE,
            "For browsers: set by auth.login with X-Signalbox-Client: console.",
        );
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "With cookies, on everything but GET: csrf_token of auth.login or me.get.",
        );
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
    }
}

/// The document before any operation is added.
pub fn document() -> OpenApi {
    let mut document = Head::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
}

/// `GET /api/openapi.json`.
pub async fn serve(document: web::Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document.get_ref())
}
