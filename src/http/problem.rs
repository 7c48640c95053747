//! Errors as RFC 9457 problems: the one place where a kind becomes a status code.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use signalbox_core::change::idempotency;
use signalbox_core::kernel::error::{Error, FieldError, Kind};

/// What a handler fails with.
#[derive(Debug)]
pub enum Problem {
    /// An error of core.
    Error(Box<Error>),
    /// Not an error at all: this request was answered before, under the same `Idempotency-Key`.
    Replay(idempotency::Answer),
    /// The path is known, the method is not.
    Method(Vec<String>),
    /// An error with further headers.
    WithHeaders(Box<Error>, Vec<(HeaderName, String)>),
}

/// The body of a problem (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// Stable URI of this type of problem.
    #[schema(example = "urn:signalbox:problem:user.not_found")]
    r#type: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status code.
    status: u16,
    /// Stable code, `<feature>.<what>`.
    #[schema(example = "user.not_found")]
    code: String,
    /// What to do next.
    detail: String,
    /// Names this request in the hub's log.
    trace_id: String,
    /// By field, where fields are to blame.
    errors: Vec<FieldError>,
    /// Of a 403: with it, whoever may see roles learns why, by GET /api/v1/explanations/{id}.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain_id: Option<String>,
    /// The present representation, where `If-Match` named an older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<serde_json::Value>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

impl Problem {
    /// No operation at this path.
    pub fn no_route() -> Self {
        Error::new(
            Kind::NotFound,
            "request.unknown_path",
            "There is nothing at this address. GET /api/openapi.json lists what there is.",
        )
        .into()
    }

    /// The path knows other methods.
    pub fn method(allowed: Vec<String>) -> Self {
        Self::Method(allowed)
    }

    /// The answer, naming the request in the log by `trace_id`.
    pub fn answer(&self, trace_id: &str) -> HttpResponse {
        self.explained(trace_id, None)
    }

    /// As [`Self::answer`], with the id by which a refusal is explained.
    pub fn explained(&self, trace_id: &str, explain_id: Option<String>) -> HttpResponse {
        match self {
            Self::Error(error) => render(error, &[], trace_id, explain_id),
            Self::WithHeaders(error, headers) => render(error, headers, trace_id, explain_id),
            Self::Replay(answer) => replay(answer),
            Self::Method(allowed) => {
                let allowed = allowed.join(", ");
                let error = Error::new(
                    Kind::Method,
                    "request.method",
                    format!("This address takes {allowed}."),
                );
                render(&error, &[(ALLOW, allowed)], trace_id, None)
            }
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) | Self::WithHeaders(error, _) => error.fmt(f),
            Self::Replay(_) => f.write_str("answered before"),
            Self::Method(_) => f.write_str("request.method"),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Error(error) | Self::WithHeaders(error, _) => status(error.kind),
            Self::Replay(answer) => StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK),
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Without a trace id, which only the outermost layer knows; it writes the answer anew.
    fn error_response(&self) -> HttpResponse {
        self.answer("")
    }
}

/// The status code of a kind.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Stale => StatusCode::PRECONDITION_FAILED,
        Kind::ConditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Kind::Gone => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
        Kind::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn render(
    error: &Error,
    headers: &[(HeaderName, String)],
    trace_id: &str,
    explain_id: Option<String>,
) -> HttpResponse {
    let status = status(error.kind);
    let mut answer = HttpResponseBuilder::new(status);
    for (name, value) in headers {
        answer.insert_header((name.clone(), value.as_str()));
    }
    if let Some(seconds) = error.retry_after {
        answer.insert_header((RETRY_AFTER, seconds));
    }
    if error.kind == Kind::Unauthenticated {
        answer.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"signalbox\""));
    }
    if let Some(version) = error
        .current
        .as_ref()
        .and_then(|now| now.get("version")?.as_i64())
    {
        super::etag::etag(&mut answer, version);
    }
    let body = Body {
        r#type: format!("urn:signalbox:problem:{}", error.code),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        code: error.code.to_string(),
        detail: error.detail.clone(),
        trace_id: trace_id.to_owned(),
        errors: error.errors.clone(),
        explain_id,
        current: error.current.as_deref().cloned(),
    };
    let text = serde_json::to_vec(&body).unwrap_or_default();
    answer.content_type("application/problem+json").body(text)
}

fn replay(answer: &idempotency::Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponseBuilder::new(status);
    response.insert_header(("idempotent-replayed", "true"));
    match &answer.body {
        Some(body) => response.json(body),
        None => response.finish(),
    }
}

/// Query parameters that cannot be used.
pub fn of_query(error: actix_web::error::QueryPayloadError, _: &actix_web::HttpRequest) -> actix_web::Error {
    let said = match &error {
        actix_web::error::QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    };
    let field = super::json::named(&said).unwrap_or("query").to_owned();
    Problem::from(Error::field(
        field,
        "unusable",
        format!("A query parameter cannot be used: {said}."),
    ))
    .into()
}

/// An id in the path that is none.
pub fn of_path(error: actix_web::error::PathError, _: &actix_web::HttpRequest) -> actix_web::Error {
    Problem::from(Error::new(
        Kind::Malformed,
        "request.path",
        format!("A part of the address cannot be used: {error}. Ids are UUIDs."),
    ))
    .into()
}

/// Any other error of the framework, as a problem of its status.
pub fn of_framework(status: StatusCode) -> Error {
    let (kind, code, detail) = match status {
        StatusCode::NOT_FOUND => (
            Kind::NotFound,
            "request.unknown_path",
            "There is nothing at this address.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            Kind::Method,
            "request.method",
            "This address takes other methods.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            Kind::TooLarge,
            "request.too_large",
            "The body is larger than allowed here.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            Kind::MediaType,
            "request.media_type",
            "This media type is not understood here.",
        ),
        StatusCode::REQUEST_TIMEOUT => (
            Kind::Timeout,
            "request.timeout",
            "The request took too long to arrive.",
        ),
        status if status.is_client_error() => (
            Kind::Malformed,
            "request.malformed",
            "The request cannot be understood.",
        ),
        _ => return Error::internal("the framework failed"),
    };
    Error::new(kind, code, detail)
}
