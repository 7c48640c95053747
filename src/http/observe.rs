//! The outermost layer: notes where a request comes from, writes its problem with the trace id, counts and times it.
//!
//! Invariant: nothing personal is logged: the route's pattern, never its path or query.

use super::headers::Hsts;
use super::operations::{Operation, Operations, answers};
use super::origin::Origin;
use super::{Problem, State, caller, cors, headers, limits, problem, refused};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use signalbox_core::kernel::error::{Error as CoreError, Kind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// Middleware; see above.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let origin = Rc::new(Origin::of(&request, &state.settings));
    let span =
        tracing::info_span!("request", trace_id = %origin.trace_id, on_behalf_of = tracing::field::Empty);
    let operation = request
        .app_data::<web::Data<Operations>>()
        .and_then(|operations| operations.asked(&request));
    origin.note(&request);
    if let Some(operation) = &operation {
        request.extensions_mut().insert(Arc::clone(operation));
    }
    // No clone of the request may live while it is routed: actix takes its parts apart. Whatever fails on the way in is an
    // answer with an error in it, never an `Err`.
    let answered = next.call(request).instrument(span.clone()).await?;
    let mut answer = describe(answered.map_into_boxed_body(), &origin, &span).await;
    if let Some(told) = limits::tell(answer.request(), answer.headers()) {
        for (name, value) in told {
            answer.headers_mut().insert(name, value);
        }
    }
    if let Some(page) = cors::reader(answer.request(), answer.headers()) {
        cors::allow(page, answer.headers_mut());
    }
    headers::secure(answer.headers_mut(), hsts(&state, origin.https));
    if let Some(operation) = &operation {
        state.limits.took(operation, started.elapsed());
    }
    count(
        operation.as_deref(),
        answer.request(),
        answer.status().as_u16(),
        started,
        &span,
    );
    Ok(answer)
}

/// What is said of TLS where this request came by it, or the hub is reached by it, whatever this came by: a browser heeds it
/// over TLS alone.
fn hsts(state: &State, https: bool) -> Hsts {
    let server = &state.settings.server;
    let public = server.public_url.as_deref();
    match https || public.is_some_and(|url| url.starts_with("https://")) {
        false => Hsts::Silent,
        true if server.hsts_subdomains => Hsts::Subdomains,
        true => Hsts::Host,
    }
}

async fn describe(answer: ServiceResponse, origin: &Origin, span: &tracing::Span) -> ServiceResponse {
    if answer.response().error().is_none() {
        return answer;
    }
    let refusal = match answer.status().as_u16() {
        400 | 413 | 415 | 422 => caller::refusal(&answer.request().clone()).await.map(Error::from),
        _ => None,
    };
    let described = refusal
        .as_ref()
        .or(answer.response().error())
        .map(|error| explain(error, answer.request(), origin, span));
    match described {
        Some(response) => answer.into_response(response),
        None => answer,
    }
}

/// The problem of an error, whoever raised it. The chain of causes goes to the log and no further.
fn explain(
    error: &Error,
    request: &HttpRequest,
    origin: &Origin,
    span: &tracing::Span,
) -> actix_web::HttpResponse {
    if let Some(problem) = error.as_error::<Problem>() {
        let mut explain_id = None;
        if let Problem::Error(error) | Problem::WithHeaders(error, _) = problem {
            log(error, span);
            explain_id = refused::explain_id(request, error, &origin.trace_id);
        }
        return problem.explained(&origin.trace_id, explain_id);
    }
    let status = error.as_response_error().status_code();
    let mut described = problem::of_framework(status);
    if described.kind == Kind::Internal {
        described.source = Some(error.to_string().into());
        log(&described, span);
    }
    Problem::from(described).answer(&origin.trace_id)
}

fn log(error: &CoreError, span: &tracing::Span) {
    let chain = || {
        let mut text = String::new();
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        text
    };
    match error.kind {
        Kind::Internal => tracing::error!(parent: span, code = %error.code, "a request failed{}", chain()),
        Kind::Unavailable | Kind::Timeout => {
            tracing::warn!(parent: span, code = %error.code, "a request could not be served{}", chain());
        }
        _ => {}
    }
}

fn count(
    operation: Option<&Operation>,
    request: &HttpRequest,
    status: u16,
    started: Instant,
    span: &tracing::Span,
) {
    let took = started.elapsed();
    let took_us = took.as_micros() as u64;
    if let Some(operation) = operation {
        tracing::debug!(parent: span, operation = operation.id, status, took_us, "answered");
        operation.answered(status, took);
        return;
    }
    let pattern = request.match_pattern().unwrap_or_else(|| "none".to_owned());
    tracing::debug!(parent: span, operation = pattern, status, took_us, "answered");
    answers(pattern.clone(), status).increment(1);
    metrics::histogram!("signalbox_http_request_seconds", "operation" => pattern).record(took.as_secs_f64());
}
