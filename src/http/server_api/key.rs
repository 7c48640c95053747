//! Who may call: whoever has one of the keys.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Query;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

#[derive(Deserialize)]
struct InQuery {
    api_key: String,
}

/// Whether `request` brings one of `keys`: in `X-API-Key`, as `Authorization: apikey KEY`, or as `?api_key=KEY`; the first of
/// these that is there counts. How long it takes says nothing about the keys.
pub(super) fn opens(request: &HttpRequest, keys: &[SecretString]) -> bool {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let by_scheme = || {
        let (scheme, key) = header(AUTHORIZATION.as_str())?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("apikey").then(|| key.trim())
    };
    let in_query = || Query::<InQuery>::from_query(request.query_string()).ok();
    let brought = match header("X-API-Key").or_else(by_scheme) {
        Some(key) => Sha256::digest(key),
        None => match in_query() {
            Some(query) => Sha256::digest(&query.api_key),
            None => return false,
        },
    };
    let found = keys.iter().fold(Choice::from(0), |found, key| {
        found | Sha256::digest(key.expose_secret()).ct_eq(&brought)
    });
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_key_opens_in_each_of_its_places_and_nothing_else_does() {
        let keys = [SecretString::from("one"), SecretString::from("two")];
        let with = |name: &'static str, value: &'static str| TestRequest::post().insert_header((name, value));
        let good = [
            with("X-API-Key", "one"),
            with("x-api-key", "two"),
            with("Authorization", "apikey two"),
            with("Authorization", "ApiKey one"),
            TestRequest::post().uri("/api/info?api_key=two"),
        ];
        for request in good {
            assert!(opens(&request.to_http_request(), &keys));
        }
        let bad = [
            TestRequest::post(),
            with("X-API-Key", ""),
            with("X-API-Key", "on"),
            with("X-API-Key", "one2"),
            with("Authorization", "Bearer one"),
            with("Authorization", "one"),
            with("Authorization", "apikey"),
            TestRequest::post().uri("/api/info?api_key="),
            TestRequest::post().uri("/api/info?key=one"),
            // the first place counts
            with("X-API-Key", "wrong").uri("/api/info?api_key=one"),
        ];
        for request in bad {
            assert!(!opens(&request.to_http_request(), &keys));
        }
        let request = with("X-API-Key", "one").to_http_request();
        assert!(!opens(&request, &[]), "without keys nobody gets in");
    }
}
