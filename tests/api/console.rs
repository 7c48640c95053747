use crate::harness::{hub, problem};
use reqwest::Response;

async fn get(url: String, headers: &[(&str, &str)]) -> Response {
    let mut request = crate::harness::client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn nonce(csp: &str) -> &str {
    csp.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap()
}

#[tokio::test]
async fn every_path_that_is_not_the_hubs_own_is_the_page_with_a_nonce_of_its_own() {
    let hub = hub().await;
    let mut nonces = Vec::new();
    for path in ["/", "/users", "/users/some-id?tab=activity", "/index.html"] {
        let page = get(format!("{}{path}", hub.url), &[]).await;
        assert_eq!(
            (page.status().as_u16(), &page.headers()["cache-control"]),
            (200, &"no-store".parse().unwrap())
        );
        let csp = page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            csp.contains("default-src 'none'")
                && csp.contains("trusted-types live-worker")
                && !csp.contains("unsafe")
        );
        let html = page.text().await.unwrap();
        assert!(html.contains(nonce(&csp)) && !html.contains("__CSP_NONCE__"));
        nonces.push(nonce(&csp).to_owned());
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);
    for path in [
        "/api/nothing",
        "/connection/nothing",
        "/docs/nothing",
        "/assets/nothing.js",
    ] {
        assert_eq!(
            problem(get(format!("{}{path}", hub.url), &[]).await).await.0,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_asset_comes_in_the_best_encoding_asked_for_and_is_kept_for_ever() {
    let hub = hub().await;
    let html = get(hub.url.clone(), &[]).await.text().await.unwrap();
    let path = html
        .split('"')
        .find(|part| part.starts_with("/assets/") && part.contains("index"))
        .unwrap();
    let url = format!("{}{path}", hub.url);
    let plain = get(url.clone(), &[]).await;
    let policy = plain.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("connect-src 'self'"));
    assert!(plain.headers().get("content-encoding").is_none());
    let length = plain.bytes().await.unwrap().len();
    for (accept, encoding) in [
        ("gzip, deflate, br", Some("br")),
        ("gzip", Some("gzip")),
        ("br;q=0", None),
    ] {
        let asset = get(url.clone(), &[("accept-encoding", accept)]).await;
        let headers = asset.headers().clone();
        assert_eq!(
            headers
                .get("content-encoding")
                .map(|value| value.to_str().unwrap()),
            encoding
        );
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["vary"], "Accept-Encoding");
        assert!(headers["content-type"].to_str().unwrap().contains("javascript"));
        let size = asset.bytes().await.unwrap().len();
        assert_eq!(size == length, encoding.is_none(), "{accept}");
        let tag = headers["etag"].to_str().unwrap();
        let known = get(
            url.clone(),
            &[("accept-encoding", accept), ("if-none-match", tag)],
        )
        .await;
        assert_eq!(known.status(), 304);
    }
    assert_eq!(problem(get(format!("{url}.br"), &[]).await).await.0, 404);
}
