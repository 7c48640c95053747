//! What proxies say of where a request comes from: `X-Forwarded-*`, or `Forwarded` (RFC 7239).
//!
//! Each hop appends at the right. Read from there, every address that is a trusted proxy's was written by the next trusted
//! one; the first that is not is the client, and all left of it is the client's own claim, which nobody believes.
//!
//! Invariant: only the header that the operator names is read. A proxy that writes one passes the other on as it came.
//! Invariant: what a trusted proxy wrote and nobody can read is an unknown address, not the proxy's own.

use actix_web::http::header::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Where a request comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// The client's address, if it is known.
    pub ip: Option<IpAddr>,
    /// The scheme the client used.
    pub proto: Option<String>,
    /// The host the client asked.
    pub host: Option<String>,
}

impl Forwarded {
    /// Nobody stands between.
    pub(super) fn direct(peer: Option<IpAddr>) -> Self {
        Self {
            ip: peer,
            ..Self::default()
        }
    }

    /// As `X-Forwarded-For`, `-Proto` and `-Host` have it.
    pub(super) fn by_x_forwarded(
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &impl Fn(IpAddr) -> bool,
    ) -> Self {
        let nearest = |name| values(headers, name).next_back().map(str::to_owned);
        let hops = values(headers, "x-forwarded-for").rev().map(node);
        Self {
            ip: client(hops, peer, trusted).1,
            proto: nearest("x-forwarded-proto"),
            host: nearest("x-forwarded-host"),
        }
    }

    /// As `Forwarded` has it; scheme and host as the outermost trusted proxy was asked.
    pub(super) fn by_forwarded(
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        trusted: &impl Fn(IpAddr) -> bool,
    ) -> Self {
        let lines: Vec<&str> = lines(headers, "forwarded").collect();
        let mut elements: Vec<Element> = lines.iter().flat_map(|line| elements(line)).collect();
        elements.reverse();
        let hops = elements
            .iter()
            .map(|element| element.node.as_deref().and_then(node));
        let (taken, ip) = client(hops, peer, trusted);
        let outermost = taken.checked_sub(1).and_then(|at| elements.into_iter().nth(at));
        let outermost = outermost.unwrap_or_default();
        Self {
            ip,
            proto: outermost.proto,
            host: outermost.host,
        }
    }
}

/// How many hops were believed, and the first address from the right that is no trusted proxy's; the leftmost where all
/// are. `None` for an address that cannot be read.
fn client(
    hops: impl Iterator<Item = Option<IpAddr>>,
    peer: Option<IpAddr>,
    trusted: &impl Fn(IpAddr) -> bool,
) -> (usize, Option<IpAddr>) {
    let mut nearest = (0, peer);
    for hop in hops {
        nearest = (nearest.0 + 1, hop);
        if !hop.is_some_and(trusted) {
            break;
        }
    }
    nearest
}

/// Lines of a header that are text; one that is not is an empty one, which is no address.
fn lines<'a>(headers: &'a HeaderMap, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    lines.into_iter()
}

/// Values of a header that is a list, in all its lines.
fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
    let values: Vec<&str> = lines(headers, name)
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    values.into_iter()
}

/// An address as a proxy writes it: alone, with a port, or in brackets (RFC 7239 §6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let alone = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let ip = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))?;
    Some(ip.to_canonical())
}

/// One hop of `Forwarded`.
#[derive(Debug, Default)]
struct Element {
    node: Option<String>,
    proto: Option<String>,
    host: Option<String>,
}

/// The hops of one line: `for=192.0.2.43;proto=https, for="[2001:db8::1]:4711"`.
fn elements(line: &str) -> Vec<Element> {
    let read = |text: &str| {
        let mut element = Element::default();
        for pair in split(text, ';') {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value = Some(unquoted(value.trim()));
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => element.node = value,
                "proto" => element.proto = value,
                "host" => element.host = value,
                _ => {}
            }
        }
        element
    };
    if leaves_a_quote_open(line) {
        // whoever begins a quote and does not end it swallows what the proxy appends behind: then nothing is believed
        return vec![Element::default()];
    }
    split(line, ',').map(read).collect()
}

/// What stands inside quotes as one goes along a text (RFC 9110 §5.6.4).
#[derive(Default)]
struct Quotes {
    quoted: bool,
    escaped: bool,
}

impl Quotes {
    /// Takes the next letter; whether it stands outside.
    fn outside(&mut self, letter: char) -> bool {
        let outside = !self.quoted;
        if letter == '"' && !self.escaped {
            self.quoted = !self.quoted;
        }
        self.escaped = letter == '\\' && self.quoted && !self.escaped;
        outside
    }
}

fn leaves_a_quote_open(line: &str) -> bool {
    let mut quotes = Quotes::default();
    for letter in line.chars() {
        quotes.outside(letter);
    }
    quotes.quoted
}

/// Parts of `text` between `by`, which counts for nothing inside quotes.
fn split(text: &str, by: char) -> impl Iterator<Item = &str> {
    let mut quotes = Quotes::default();
    text.split(move |letter: char| quotes.outside(letter) && letter == by)
}

fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inside) = inside else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const PROXY: &str = "10.0.0.1";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    fn trusted(ip: IpAddr) -> bool {
        ip.to_string().starts_with("10.")
    }

    fn x(lines: &[(&'static str, &str)]) -> Forwarded {
        Forwarded::by_x_forwarded(&headers(lines), PROXY.parse().ok(), &trusted)
    }

    fn f(lines: &[(&'static str, &str)]) -> Forwarded {
        Forwarded::by_forwarded(&headers(lines), PROXY.parse().ok(), &trusted)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxys_is_the_client() {
        let said = |value| x(&[("x-forwarded-for", value)]).ip;
        assert_eq!(said("192.0.2.1"), ip("192.0.2.1"));
        assert_eq!(said("203.0.113.9, 192.0.2.1, 10.0.0.2"), ip("192.0.2.1"));
        assert_eq!(
            said("10.9.9.9, 10.0.0.2"),
            ip("10.9.9.9"),
            "all are proxies: the outermost"
        );
        assert_eq!(said("192.0.2.1:8443"), ip("192.0.2.1"));
        assert_eq!(said("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert_eq!(x(&[]).ip, ip(PROXY), "the proxy asks for itself");
        let lines = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2, 10.0.0.2"),
        ];
        assert_eq!(x(&lines).ip, ip("192.0.2.2"), "lines are one list");
    }

    #[test]
    fn what_cannot_be_read_is_an_unknown_address_and_not_the_proxys() {
        for value in ["unknown", "", "192.0.2.1, _hidden", "192.0.2.1,", "1.2.3.4.5"] {
            assert_eq!(x(&[("x-forwarded-for", value)]).ip, None, "{value}");
        }
        assert_eq!(
            x(&[("x-forwarded-for", "garbage, 192.0.2.1")]).ip,
            ip("192.0.2.1")
        );
        assert_eq!(f(&[("forwarded", "for=unknown")]).ip, None);
        assert_eq!(f(&[("forwarded", "proto=https")]).ip, None);
    }

    #[test]
    fn forwarded_is_read_as_the_standard_writes_it() {
        let said = f(&[(
            "forwarded",
            "for=203.0.113.9;host=evil.example, For=\"[2001:db8:cafe::17]:4711\";Proto=https;host=\"hub.example:443\", for=10.0.0.2;proto=http",
        )]);
        assert_eq!(said.ip, ip("2001:db8:cafe::17"));
        assert_eq!(
            (said.proto.as_deref(), said.host.as_deref()),
            (Some("https"), Some("hub.example:443"))
        );
        assert_eq!(
            f(&[("forwarded", "for=\"10.0.0.2\", for=\"a,b;c=\\\"\"")]).ip,
            None
        );
        assert_eq!(f(&[]), Forwarded::direct(ip(PROXY)));
    }

    #[test]
    fn one_header_says_nothing_about_the_other() {
        let both = [("forwarded", "for=192.0.2.66"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!((x(&both).ip, f(&both).ip), (ip("192.0.2.1"), ip("192.0.2.66")));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "[ -~]{0,80}", other in "[0-9a-f.:\\[\\]\",;= for]{0,60}") {
            for value in [&line, &other] {
                x(&[("x-forwarded-for", value)]);
                f(&[("forwarded", value)]);
            }
        }

        #[test]
        fn whatever_a_client_claims_a_trusted_proxys_word_stands(claim in "[ -~]{0,60}", a: u32) {
            let client = IpAddr::V4(a.into());
            prop_assume!(!trusted(client));
            let value = format!("{claim}, {client}");
            prop_assert_eq!(x(&[("x-forwarded-for", &value)]).ip, Some(client));
            let lines = [("forwarded", claim.as_str()), ("forwarded", &format!("for={client}"))];
            prop_assert_eq!(f(&lines).ip, Some(client));
            // in one line an open quote makes it unknown, and never another's
            let said = f(&[("forwarded", &format!("{claim}, for={client}"))]).ip;
            prop_assert!(said == Some(client) || said.is_none(), "{said:?}");
        }

        #[test]
        fn no_quote_of_a_clients_hides_the_proxys_word(before in "[a-z=;\"\\\\, ]{0,20}", a: u32) {
            let client = IpAddr::V4(a.into());
            prop_assume!(!trusted(client));
            let said = f(&[("forwarded", &format!("for=192.0.2.66;{before}, for=\"{client}\""))]).ip;
            prop_assert!(said == Some(client) || said.is_none(), "{said:?}");
        }
    }
}
