//! Headers every answer carries.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// How a browser is told to keep to TLS for two years (RFC 6797): by this name, and by all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hsts {
    /// Not at all: it came without.
    Silent,
    /// By this name alone.
    Host,
    /// By all names below it too.
    Subdomains,
}

/// Adds what is not there yet.
pub fn secure(headers: &mut HeaderMap, hsts: Hsts) {
    let mut add = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    add(X_FRAME_OPTIONS, "DENY");
    add(REFERRER_POLICY, "no-referrer");
    add(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    add(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    add(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
    // what a person may see is kept by nobody on the way
    add(CACHE_CONTROL, "no-store");
    match hsts {
        Hsts::Silent => {}
        Hsts::Host => add(STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
        Hsts::Subdomains => add(STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    }
}
