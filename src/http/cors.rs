//! Which pages of other hosts may call the API (the CORS protocol, <https://fetch.spec.whatwg.org/#http-cors-protocol>): those
//! that `server.allowed_origins` names, with a token that they carry themselves.
//!
//! Invariant: no answer allows credentials, so no browser sends the console's cookies along; nor does one allow every origin.

use super::State;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID, Traceparent";
const EXPOSED: &str = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Idempotent-Replayed";

/// Middleware: answers a browser's question whether a page may ask at all. Whoever may not is answered as anybody who asks for
/// a method that is not there.
pub async fn preflight(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && origin(request.request()).is_some();
    if !asks {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let answer = HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish();
    Ok(request.into_response(answer))
}

/// The page that may read the answer to `request`, if one of another host asks. What a stream has said for itself stays.
pub fn reader(request: &HttpRequest, headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
    origin(request).filter(|_| !said)
}

/// Lets the page at `origin` read the answer.
pub fn allow(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// The origin of an allowed page that asks the API.
fn origin(request: &HttpRequest) -> Option<HeaderValue> {
    let sent = request.headers().get(ORIGIN)?;
    let state = request.app_data::<web::Data<State>>()?;
    let allowed = &state.settings.server.allowed_origins;
    let is_allowed = allowed
        .iter()
        .any(|allowed| allowed.as_bytes() == sent.as_bytes());
    (is_allowed && request.path().starts_with("/api/v1/")).then(|| sent.clone())
}
