//! `ETag: "<version>"` and `If-Match: "<version>"` (RFC 9110 §13.1.1).

use super::Problem;
use super::operations::Operation;
use actix_web::dev::Payload;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponseBuilder};
use signalbox_core::kernel::error::{Error, Kind};
use std::future::{Ready, ready};
use std::sync::Arc;

/// The version that the caller believes is the present one; `None` where it does not care (absent, or `*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.headers().get(IF_MATCH) {
            None => Ok(Self(None)),
            Some(value) => parse(value).ok_or_else(|| {
                Problem::from(Error::new(
                    Kind::Malformed,
                    "request.if_match",
                    "If-Match is the item's version in quotes, such as \"3\", as ETag gave it.",
                ))
            }),
        })
    }
}

/// Refuses a condition where nothing is compared with it: a change that its sender wanted only under a condition is not made
/// without (RFC 9110 §13.1.1).
pub fn require_compared(request: &HttpRequest) -> Result<(), Error> {
    let Some(sent) = request.headers().get(IF_MATCH) else {
        return Ok(());
    };
    let operation = request.extensions().get::<Arc<Operation>>().map(Arc::clone);
    let compares = operation.is_none_or(|operation| operation.compares);
    if compares || request.method().is_safe() || sent == "*" {
        return Ok(());
    }
    Err(Error::new(
        Kind::Stale,
        "request.if_match_unsupported",
        "Nothing was done: this operation compares no version. Send it without If-Match.",
    ))
}

fn parse(value: &HeaderValue) -> Option<IfMatch> {
    let text = value.to_str().ok()?.trim();
    if text == "*" {
        return Some(IfMatch(None));
    }
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let version = quoted.strip_prefix('"')?.strip_suffix('"')?;
    version.parse().ok().map(|version| IfMatch(Some(version)))
}

/// Adds the ETag of an item's `version`.
pub fn etag(answer: &mut HttpResponseBuilder, version: i64) -> &mut HttpResponseBuilder {
    answer.insert_header((ETAG, format!("\"{version}\"")))
}
