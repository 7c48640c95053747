//! Where a request comes from: address, scheme and host, believing forwarding headers of trusted proxies only.

use super::forwarded::Forwarded;
use crate::config::{ForwardedBy, Settings};
use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, HeaderMap};
use signalbox_core::kernel::network;
use std::net::IpAddr;
use std::rc::Rc;
use uuid::Uuid;

/// Facts of one request, noted before anything else happens to it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Of the client, behind however many trusted proxies, and IPv4 where it is IPv4 in IPv6. `None` where a trusted proxy
    /// says something that cannot be read: then rules about addresses refuse.
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
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let server = &settings.server;
        let trusted = |ip: IpAddr| network::contains(&server.trusted_proxies, ip);
        let said = match server.forwarded_by {
            _ if !peer.is_some_and(trusted) => Forwarded::direct(peer),
            ForwardedBy::XForwardedFor => Forwarded::by_x_forwarded(headers, peer, &trusted),
            ForwardedBy::Forwarded => Forwarded::by_forwarded(headers, peer, &trusted),
        };
        let request_id = signalbox_core::kernel::id::EventId::new().0;
        Self {
            ip: said.ip,
            https: said
                .proto
                .is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
            host: said
                .host
                .or_else(|| text(headers, HOST.as_str()).map(str::to_owned))
                .or_else(|| {
                    request
                        .uri()
                        .authority()
                        .map(|authority| authority.as_str().to_owned())
                })
                .unwrap_or_default(),
            user_agent: text(headers, "user-agent").map(|agent| agent.chars().take(400).collect()),
            request_id,
            trace_id: text(headers, "traceparent")
                .and_then(trace_id)
                .unwrap_or_else(|| request_id.simple().to_string()),
        }
    }

    /// Notes it for `request`, for [`Self::noted`].
    pub fn note(self: &Rc<Self>, request: &ServiceRequest) {
        request.extensions_mut().insert(Rc::clone(self));
    }

    /// What `observe` noted for `request`.
    pub fn noted(request: &HttpRequest) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }

    /// True when the client is this machine.
    pub fn loopback(&self) -> bool {
        self.ip.is_some_and(|ip| ip.is_loopback())
    }
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
