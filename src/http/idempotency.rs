//! `Idempotency-Key` on POST: the key and the hash of the body are noted on the way in; `Change` keeps the answer.

use super::{Problem, json};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use sha2::{Digest, Sha256};
use signalbox_core::change::idempotency;
use signalbox_core::kernel::ctx::{Ctx, Idempotency};
use signalbox_core::kernel::error::{Error as CoreError, Kind};

const HEADER: &str = "idempotency-key";

/// Middleware: notes the key. The body is read here, hashed and put back; an upload streams on, and what came is noted when
/// it is there ([`sent`]).
pub async fn read_key(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match noted(&mut request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(problem) => Ok(request.error_response(problem)),
    }
}

async fn noted(request: &mut ServiceRequest) -> Result<(), Problem> {
    if request.method() != Method::POST {
        return Ok(());
    }
    let Some(key) = request.headers().get(HEADER) else {
        return Ok(());
    };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or_else(bad_key)?.to_owned();
    let request_hash = hash(request).await?;
    let operation = format!("{} {}", request.method(), request.path());
    request.extensions_mut().insert(Idempotency {
        key,
        operation,
        request_hash,
    });
    Ok(())
}

/// An upload is there: `content` is the hash of what came.
pub(super) fn sent(request: &HttpRequest, content: [u8; 32]) {
    if let Some(asked) = request.extensions_mut().get_mut::<Idempotency>() {
        let mut hash = Sha256::new();
        hash.update(request.query_string());
        hash.update(content);
        asked.request_hash = hash.finalize().into();
    }
}

/// Puts the key into `ctx`, or answers as before when this request was answered before.
pub(super) async fn replay(
    request: &HttpRequest,
    store: &signalbox_core::Store,
    ctx: &mut Ctx,
) -> Result<(), Problem> {
    let asked = request.extensions().get::<Idempotency>().cloned();
    let Some(asked) = asked else { return Ok(()) };
    ctx.cause = Some(asked.key.clone());
    ctx.idempotency = Some(asked);
    match idempotency::find(store, ctx).await? {
        Some(answer) => Err(Problem::Replay(answer)),
        None => Ok(()),
    }
}

async fn hash(request: &mut ServiceRequest) -> Result<[u8; 32], Problem> {
    let mut hash = Sha256::new();
    hash.update(request.query_string());
    let header = |name| request.headers().get(name).map(|value| value.as_bytes().to_vec());
    let kind = header(CONTENT_TYPE).unwrap_or_default();
    if kind.starts_with(b"multipart/") {
        hash.update(header(actix_web::http::header::CONTENT_LENGTH).unwrap_or_default());
    } else {
        let limit = json::limit(request.request());
        let body = json::read(request.take_payload(), limit).await?;
        hash.update(&body);
        request.set_payload(Payload::from(body));
    }
    Ok(hash.finalize().into())
}

fn bad_key() -> Problem {
    CoreError::new(
        Kind::Malformed,
        "idempotency.bad_key",
        "An Idempotency-Key has 1 to 255 visible characters; a fresh UUID is a good one.",
    )
    .into()
}
