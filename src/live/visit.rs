//! Where a live connection comes from, and what it may bring: pages of other sites may open one where the operator says
//! so, but never with the session of somebody who is signed in here.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, HOST, HeaderName, ORIGIN,
    VARY,
};
use actix_web::{HttpResponseBuilder, web};
use signalbox_core::auth::Purpose;
use signalbox_core::kernel::error::{Error, Kind};

use super::Live;
use super::gate::Credentials;
use crate::http::State;
use crate::http::caller::ACCESS_COOKIE;
use crate::http::origin::Origin;

/// Where an EventSource stands, brought by itself.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells a proxy not to hold events back.
pub const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One request for a live connection.
#[derive(Debug)]
pub struct Visit {
    /// The session cookie, if the request comes from the hub's own pages or from a program.
    pub cookie: Option<String>,
    /// A one-time ticket out of the address, from whatever page.
    pub ticket: Option<String>,
    /// The client's address.
    pub address: String,
    /// The same, for rules about it.
    pub ip: Option<IpAddr>,
    /// The page's origin, where it is another site's and may come.
    foreign: Option<String>,
}

impl Visit {
    /// Reads a request.
    ///
    /// # Errors
    /// It comes from a page of another site that may not come.
    pub fn of(request: &HttpRequest, live: &Live) -> Result<Self, Error> {
        let noted = Origin::noted(request);
        let ip = noted.and_then(|noted| noted.ip);
        let address = ip.map(|ip| ip.to_string()).unwrap_or_default();
        let ticket = ticket(request.query_string());
        if is_own_page(request) {
            let cookie = request
                .cookie(ACCESS_COOKIE)
                .map(|cookie| cookie.value().to_owned());
            return Ok(Self {
                cookie,
                ticket,
                address,
                ip,
                foreign: None,
            });
        }
        let origin = header(request, &ORIGIN).filter(|origin| may_come(&live.allowed_origins, origin));
        match origin {
            Some(origin) => Ok(Self {
                cookie: None,
                ticket,
                address,
                ip,
                foreign: Some(origin.to_owned()),
            }),
            None => Err(Error::new(
                Kind::Forbidden,
                "live.foreign_origin",
                "This page is of another site. Open live connections from the hub's own address, or have the page's origin \
                 added to live.allowed_origins.",
            )),
        }
    }

    /// Lets a page of another site read the answer (Fetch §3.2, CORS).
    pub fn share(&self, response: &mut HttpResponseBuilder) {
        response.insert_header((VARY, "Origin"));
        if let Some(origin) = &self.foreign {
            response
                .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin.as_str()))
                .insert_header((ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
        }
    }
}

impl Visit {
    /// What the request itself shows, for a connection of that kind: a ticket, which says more than a cookie that is always
    /// there, else the cookie, else nothing.
    pub fn shown(&self, purpose: Purpose) -> Credentials {
        match (&self.ticket, &self.cookie) {
            (Some(ticket), _) => Credentials::Ticket(ticket.clone(), purpose),
            (None, Some(cookie)) => Credentials::Cookie(cookie.clone()),
            (None, None) => Credentials::Nothing,
        }
    }
}

/// The ticket in a query: letters, digits, `-` and `_`, so nothing in it is escaped.
fn ticket(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, ticket) = pairs.find(|(name, _)| *name == "ticket")?;
    Some(ticket.to_owned())
}

/// A Bearer token, else what [`Visit::shown`] has.
pub fn credentials(request: &HttpRequest, visit: &Visit) -> Credentials {
    let bearer = header(request, &AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = bearer {
        return Credentials::Token(token.trim().to_owned());
    }
    visit.shown(Purpose::Stream)
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Whether a request comes from the hub's own pages, or from no page at all.
fn is_own_page(request: &HttpRequest) -> bool {
    let Some(origin) = header(request, &ORIGIN) else {
        // programs send neither; browsers leave the origin out only where they say that the page is the site's own
        return header(request, &SEC_FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    };
    let noted = Origin::noted(request).map(|noted| noted.host.clone());
    let host = noted.as_deref().or(header(request, &HOST)).unwrap_or_default();
    let state = request.app_data::<web::Data<State>>();
    let public = state.and_then(|state| state.settings.server.public_url.as_deref());
    let from = origin.split_once("://").map(|(_, from)| from);
    from.is_some_and(|from| from.eq_ignore_ascii_case(host))
        || public.is_some_and(|url| url.eq_ignore_ascii_case(origin))
}

/// Whether `origin` is one of `allowed`: `*`, an origin, or one with `*` for the first part of its host.
fn may_come(allowed: &[String], origin: &str) -> bool {
    allowed.iter().any(|pattern| match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some(("", "")) => true,
        Some((before, after)) => {
            let within = origin
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after));
            // one part of a host and nothing else: neither another host before it nor a port or path
            within.is_some_and(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_comes_in_by_name_or_by_pattern_and_no_other_host_slips_through() {
        let allowed = [
            "https://app.example.com".to_owned(),
            "https://*.example.org".to_owned(),
        ];
        for origin in [
            "https://app.example.com",
            "https://a.example.org",
            "https://a.b.example.org",
        ] {
            assert!(may_come(&allowed, origin), "{origin}");
        }
        for origin in [
            "https://example.org",
            "http://app.example.com",
            "https://app.example.com.evil.com",
            "https://evil.com/.example.org",
            "https://evil.com:1.example.org",
            "https://.example.org.evil.com",
            "null",
        ] {
            assert!(!may_come(&allowed, origin), "{origin}");
        }
        assert!(may_come(&["*".to_owned()], "https://anything.example"));
        assert!(!may_come(&[], "https://app.example.com"));
    }
}
