//! The console: one page and its assets, from inside the binary.
//!
//! Invariant: an asset's name changes with its content, so it is kept for ever; the page is kept by nobody, because its
//! nonce is good once.

use super::{Answer, Problem};
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderMap,
    IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_embed::{Embed, EmbeddedFile};
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::seal::random;

#[derive(Embed)]
#[folder = "static/console"]
struct Files;

/// Paths of the hub's own, which are never a page of the console.
const NOT_PAGES: &[&str] = &["/api", "/connection", "/docs", "/assets"];

/// Encodings an asset may lie beside itself in, best first.
const ENCODINGS: &[(&str, &str)] = &[("br", ".br"), ("gzip", ".gz")];

/// A worker obeys the policy its own script came with: the live worker reaches this hub and nobody else.
const WORKER_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// True when a GET of `path` is a page of the console, which finds its own way by the address.
pub fn is_page(path: &str) -> bool {
    !NOT_PAGES.iter().any(|own| {
        path.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// `GET /assets/{name}`.
pub async fn asset(request: HttpRequest, name: web::Path<String>) -> Answer<HttpResponse> {
    let path = format!("assets/{name}");
    let copy = ENCODINGS.iter().any(|(_, suffix)| path.ends_with(suffix));
    let file = if copy { None } else { Files::get(&path) };
    let plain = file.ok_or_else(Problem::no_route)?;
    let (encoding, file) =
        encoded(&path, request.headers()).map_or((None, None), |(e, f)| (Some(e), Some(f)));
    let kind = plain.metadata.mimetype().to_owned();
    let file = file.unwrap_or(plain);
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((CONTENT_SECURITY_POLICY, WORKER_POLICY))
        .insert_header((ETAG, tag.as_str()));
    if request
        .headers()
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        return Ok(answer.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    if let Some(encoding) = encoding {
        answer.insert_header((CONTENT_ENCODING, encoding));
    }
    answer.content_type(kind);
    Ok(body(&mut answer, file))
}

/// The page, or a file that lies beside it (an icon).
pub fn page(path: &str) -> Answer<HttpResponse> {
    let beside = path.trim_start_matches('/');
    if beside != "index.html"
        && let Some(file) = Files::get(beside)
    {
        let mut answer = HttpResponse::Ok();
        answer
            .content_type(file.metadata.mimetype())
            .insert_header((CACHE_CONTROL, "public, max-age=3600"));
        return Ok(body(&mut answer, file));
    }
    let index = Files::get("index.html").ok_or_else(Problem::no_route)?;
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    let nonce = STANDARD.encode(bytes);
    let html = std::str::from_utf8(&index.data).map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, policy(&nonce)))
        .body(html.replace("__CSP_NONCE__", &nonce)))
}

/// Nothing but the page's own files, no script in the page, styles of this nonce, and no string ever becomes code: the one
/// Trusted Types policy there may be gives the live worker's address (`docs/adr/0003-shared-worker.md`).
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types live-worker"
    )
}

fn encoded(path: &str, headers: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    ENCODINGS
        .iter()
        .filter(|(name, _)| accepts(accepted, name))
        .find_map(|(name, suffix)| {
            let file = Files::get(&format!("{path}{suffix}"))?;
            Some((*name, file))
        })
}

/// Whether `name` is in an Accept-Encoding header and not refused by `q=0`.
fn accepts(accepted: &str, name: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let named = words.next().is_some_and(|word| word.eq_ignore_ascii_case(name));
        named && !words.any(|word| matches!(word, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn body(answer: &mut HttpResponseBuilder, file: EmbeddedFile) -> HttpResponse {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => answer.body(bytes),
        std::borrow::Cow::Owned(bytes) => answer.body(bytes),
    }
}
