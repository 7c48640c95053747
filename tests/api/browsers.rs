//! What answers tell browsers: which pages may read them, and what nobody may do with them.

use crate::harness::{Hub, hub, hub_with};
use reqwest::{Method, Response};

const APP: &str = "https://app.example.com";

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

async fn preflight(hub: &Hub, origin: &str) -> Response {
    hub.ask(Method::OPTIONS, "/users")
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn no_page_of_another_host_reads_an_answer_unless_it_is_named() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for origin in [APP, "null", "https://evil.example"] {
        let asked = preflight(&hub, origin).await;
        assert_eq!(asked.status(), 405, "{origin}");
        let got = hub
            .ask(Method::GET, "/me")
            .bearer_auth(&owner.token)
            .header("origin", origin);
        for answer in [asked, got.send().await.unwrap()] {
            for name in ["origin", "credentials", "methods", "headers"] {
                assert_eq!(
                    header(&answer, &format!("access-control-allow-{name}")),
                    None,
                    "{origin}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_named_page_calls_with_a_token_and_never_with_cookies() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__ALLOWED_ORIGINS", APP)]).await;
    let owner = hub.owner().await;
    let asked = preflight(&hub, APP).await;
    assert_eq!(asked.status(), 204);
    assert_eq!(header(&asked, "access-control-allow-origin"), Some(APP));
    assert!(
        header(&asked, "access-control-allow-headers")
            .unwrap()
            .contains("Authorization")
    );
    assert!(
        header(&asked, "access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    let got = hub
        .ask(Method::GET, "/me")
        .bearer_auth(&owner.token)
        .header("origin", APP);
    let missing = hub.ask(Method::GET, "/nothing").header("origin", APP);
    for answer in [asked, got.send().await.unwrap(), missing.send().await.unwrap()] {
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            Some(APP),
            "{}",
            answer.status()
        );
        assert!(
            header(&answer, "access-control-expose-headers")
                .unwrap()
                .contains("RateLimit")
        );
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        assert!(header(&answer, "vary").unwrap().contains("Origin"));
    }
    for origin in [
        "https://app.example.com.evil.example",
        "https://app.example.co",
        "http://app.example.com",
        "null",
    ] {
        let asked = preflight(&hub, origin).await;
        assert_eq!(header(&asked, "access-control-allow-origin"), None, "{origin}");
        let cookie = format!("__Host-signalbox_access={}", owner.token);
        let by_cookie = hub
            .ask(Method::GET, "/me")
            .header("cookie", cookie)
            .header("origin", origin);
        assert_eq!(by_cookie.send().await.unwrap().status(), 403, "{origin}");
    }
    let by_cookie = hub
        .ask(Method::GET, "/me")
        .header("cookie", format!("__Host-signalbox_access={}", owner.token));
    let by_cookie = by_cookie.header("origin", APP).send().await.unwrap();
    assert_eq!(
        by_cookie.status(),
        403,
        "cookies are for the hub's own pages, whatever is allowed"
    );
}

#[tokio::test]
async fn every_answer_says_what_browsers_may_not_do_with_it() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__PUBLIC_URL", "https://hub.example.com")]).await;
    let owner = hub.owner().await;
    let good = hub.get(&owner, "/me").await;
    let refused = hub.ask(Method::GET, "/me").send().await.unwrap();
    let missing = hub.get(&owner, "/nothing").await;
    let malformed = hub
        .ask(Method::POST, "/auth/login")
        .body("{")
        .send()
        .await
        .unwrap();
    let spec = crate::harness::client()
        .get(format!("{}/api/openapi.json", hub.url))
        .send()
        .await
        .unwrap();
    for answer in [good, refused, missing, malformed, spec] {
        let status = answer.status();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{status}: {name}");
        }
        let policy = header(&answer, "content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{status}: {policy}"
        );
        assert!(
            header(&answer, "permissions-policy")
                .unwrap()
                .contains("camera=()"),
            "{status}"
        );
    }
}

#[tokio::test]
async fn names_below_the_hubs_own_are_left_alone_where_the_operator_says_so() {
    let settings = [
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__SERVER__HSTS_SUBDOMAINS", "false"),
    ];
    let hub = hub_with(&settings).await;
    let asked = hub.ask(Method::GET, "/me").header("x-forwarded-proto", "https");
    assert_eq!(
        header(&asked.send().await.unwrap(), "strict-transport-security"),
        Some("max-age=63072000")
    );
}

#[tokio::test]
async fn a_hub_without_tls_does_not_tell_browsers_to_keep_to_it() {
    let hub = hub().await;
    let owner = hub.owner().await;
    assert_eq!(
        header(&hub.get(&owner, "/me").await, "strict-transport-security"),
        None
    );
}
