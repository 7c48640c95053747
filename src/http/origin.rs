//! Where a request comes from: address, scheme and host, believing forwarding headers of trusted proxies only.

use crate::config::Settings;
use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::http::uri::Authority;
use std::net::IpAddr;
use uuid::Uuid;

/// Facts of one request, noted before anything else happens to it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Of the client, behind however many trusted proxies.
    pub ip: Option<IpAddr>,
    /// True when the client speaks TLS to us or to a trusted proxy.
    pub https: bool,
    /// Host and port the client asked for.
    pub host: String,
    /// At most 400 characters.
    pub user_agent: Option<String>,
    /// This request.
    pub request_id: Uuid,
    /// W3C trace id, 32 hex digits: the caller's, or a new one.
    pub trace_id: String,
}

impl Origin {
    /// Reads a request.
    pub fn of(request: &ServiceRequest, settings: &Settings) -> Self {
        let headers = request.headers();
        let peer = request.peer_addr().map(|peer| peer.ip());
        let trusted = |ip: &IpAddr| settings.server.trusted_proxies.iter().any(|net| net.contains(ip));
        let behind_proxy = peer.as_ref().is_some_and(trusted);
        let forwarded = |name| behind_proxy.then(|| text(headers, name)).flatten();
        let request_id = signalbox_core::kernel::id::EventId::new().0;
        Self {
            ip: if behind_proxy {
                client(headers, &trusted).or(peer)
            } else {
                peer
            },
            https: forwarded("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            host: forwarded("x-forwarded-host")
                .or_else(|| text(headers, HOST.as_str()))
                .or_else(|| request.uri().authority().map(Authority::as_str))
                .unwrap_or_default()
                .to_owned(),
            user_agent: text(headers, "user-agent").map(|agent| agent.chars().take(400).collect()),
            request_id,
            trace_id: text(headers, "traceparent")
                .and_then(trace_id)
                .unwrap_or_else(|| request_id.simple().to_string()),
        }
    }

    /// What `observe` noted for `request`.
    pub fn noted(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// True when the client is this machine.
    pub fn loopback(&self) -> bool {
        self.ip.is_some_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// The nearest address that is not a trusted proxy's: everything left of it is the client's own claim.
fn client(headers: &HeaderMap, trusted: &impl Fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok())
        .collect();
    let mut nearest = None;
    for part in lines.iter().flat_map(|line| line.split(',')).rev() {
        let ip: IpAddr = part.trim().parse().ok()?;
        nearest = Some(ip);
        if !trusted(&ip) {
            break;
        }
    }
    nearest
}

/// Of `00-<32 hex>-<16 hex>-<2 hex>`; zeros are not an id.
fn trace_id(traceparent: &str) -> Option<String> {
    let mut parts = traceparent.split('-');
    let (version, id, span) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let good = hex(version, 2) && hex(id, 32) && hex(span, 16) && id.bytes().any(|b| b != b'0');
    good.then(|| id.to_ascii_lowercase())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
