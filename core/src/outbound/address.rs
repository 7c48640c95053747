//! Addresses that somebody sets and the hub then asks: what they may be, and how they are written.

use reqwest::Url;
use std::net::IpAddr;

/// The longest address that is looked at, in bytes.
const LONGEST: usize = 2_000;

/// Whether the hub may ask at `url`, or send a browser there: https, without a name and password in it and without a
/// fragment; or plain http on this very machine, where somebody tries things out.
pub fn may_be_asked(url: &str) -> bool {
    let Some(url) = read(url) else { return false };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)))
}

/// `url` with `pairs` added to its query, encoded as a form is; `None` where `url` is none.
pub fn with_query(url: &str, pairs: &[(&str, &str)]) -> Option<String> {
    let mut url = read(url)?;
    url.query_pairs_mut().extend_pairs(pairs);
    Some(url.into())
}

/// `pairs` as `application/x-www-form-urlencoded`.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://form.invalid") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn read(url: &str) -> Option<Url> {
    let url = Url::parse(Some(url).filter(|url| url.len() <= LONGEST)?).ok()?;
    url.has_host().then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn https_may_be_asked_anywhere_and_plain_http_on_this_machine_alone() {
        for url in [
            "https://id.example.com",
            "https://id.example.com:8443/realms/a?b=c",
            "http://localhost:3000/",
            "http://127.0.0.1:3000/keys",
            "http://[::1]/keys",
        ] {
            assert!(may_be_asked(url), "{url}");
        }
        for url in [
            "http://id.example.com",
            "http://localhost.example.com/",
            "http://169.254.169.254/latest/meta-data",
            "https://user:secret@id.example.com",
            "https://id.example.com/#fragment",
            "ftp://id.example.com",
            "file:///etc/passwd",
            "//id.example.com",
            "id.example.com",
            "",
        ] {
            assert!(!may_be_asked(url), "{url}");
        }
        assert!(!may_be_asked(&format!(
            "https://id.example.com/{}",
            "a".repeat(LONGEST)
        )));
    }

    #[test]
    fn what_is_added_to_a_query_stays_one_value() {
        let url = with_query(
            "https://id.example.com/auth?tenant=1",
            &[("state", "a&b=c d#e"), ("next", "/x?y")],
        );
        assert_eq!(
            url.unwrap(),
            "https://id.example.com/auth?tenant=1&state=a%26b%3Dc+d%23e&next=%2Fx%3Fy"
        );
        assert_eq!(form(&[("a", "1&2"), ("b", "ü")]), "a=1%262&b=%C3%BC");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
            let _ = may_be_asked(&text);
            let _ = with_query(&text, &[("a", &text)]);
            let _ = form(&[(&text, &text)]);
        }
    }
}
