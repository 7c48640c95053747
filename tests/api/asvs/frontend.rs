//! V3, the web front end.

use super::{Browser, status};
use crate::harness::{client, hub, hub_with, problem};
use reqwest::{Method, Response};
use serde_json::json;

/// A page of the console, what the API answers and how it refuses, and something that is not there.
async fn answers(url: &str) -> Vec<Response> {
    let mut all = Vec::new();
    for path in [
        "/",
        "/users",
        "/api/v1/me",
        "/api/v1/nothing",
        "/api/openapi.json",
        "/assets/nothing.js",
        "/livez",
    ] {
        all.push(client().get(format!("{url}{path}")).send().await.unwrap());
    }
    all
}

fn header(answer: &Response, name: &str) -> String {
    let value = answer
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned());
    value.unwrap_or_else(|| panic!("{} carries no {name}", answer.url()))
}

#[tokio::test]
async fn v5_0_0_3_2_1_what_is_no_page_cannot_be_looked_at_as_one() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let answer = hub.get(&owner, "/me").await;
    assert!(header(&answer, "content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert_eq!(header(&answer, "cross-origin-resource-policy"), "same-origin");
}

#[test]
fn v5_0_0_3_2_2_the_console_shows_text_as_text() {
    let raw = [
        "dangerouslySetInnerHTML",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
        "srcDoc",
    ];
    for (path, text) in super::console_sources() {
        for word in raw {
            assert!(!text.contains(word), "{path} uses {word}");
        }
    }
}

#[tokio::test]
async fn v5_0_0_3_3_1_cookies_are_secure() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    assert!(browser.set.len() == 3 && browser.set.iter().all(|cookie| cookie.contains("; Secure")));
}

#[tokio::test]
async fn v5_0_0_3_3_2_cookies_are_not_sent_along_by_other_sites() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    assert!(
        browser
            .set
            .iter()
            .all(|cookie| cookie.contains("; SameSite=Strict"))
    );
}

#[tokio::test]
async fn v5_0_0_3_3_3_cookies_are_of_this_host_alone() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    let bound = |cookie: &String| {
        cookie.starts_with("__Host-") && cookie.contains("; Path=/;") && !cookie.contains("Domain")
    };
    assert!(browser.set.iter().all(bound), "{:?}", browser.set);
}

#[tokio::test]
async fn v5_0_0_3_3_4_no_script_reads_a_session_from_cookie_or_answer() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    assert!(browser.set.iter().all(|cookie| cookie.contains("; HttpOnly")));
    let me = browser
        .ask(&hub, Method::GET, "/me")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for cookie in browser.cookies.split("; ") {
        let (_, token) = cookie.split_once('=').unwrap();
        assert!(!me.contains(token));
    }
}

#[tokio::test]
async fn v5_0_0_3_4_1_a_browser_that_came_over_tls_is_told_to_keep_to_it_for_a_year_at_least() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    for path in ["/", "/api/v1/me"] {
        let answer = client()
            .get(format!("{}{path}", hub.url))
            .header("x-forwarded-proto", "https");
        let told = header(&answer.send().await.unwrap(), "strict-transport-security");
        let seconds = told.split(';').next().unwrap().trim_start_matches("max-age=");
        assert!(seconds.parse::<u64>().unwrap() >= 365 * 24 * 3_600, "{told}");
        assert!(told.ends_with("; includeSubDomains"), "{told}");
    }
}

#[tokio::test]
async fn v5_0_0_3_4_2_no_other_site_is_let_to_read_an_answer() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for origin in ["https://evil.example", "null"] {
        let asked = hub
            .ask(Method::GET, "/me")
            .bearer_auth(&owner.token)
            .header("origin", origin);
        let answer = asked.send().await.unwrap();
        assert!(answer.headers().get("access-control-allow-origin").is_none());
        let preflight = client().request(Method::OPTIONS, format!("{}/api/v1/users", hub.url));
        let preflight = preflight
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let answer = preflight.send().await.unwrap();
        assert!(answer.headers().get("access-control-allow-origin").is_none());
    }
}

#[tokio::test]
async fn v5_0_0_3_4_3_a_page_runs_its_own_scripts_alone() {
    let hub = hub().await;
    for answer in answers(&hub.url).await {
        let policy = header(&answer, "content-security-policy");
        let none = |part: &str| {
            policy
                .split(';')
                .any(|said| said.trim() == format!("{part} 'none'"))
        };
        assert!(
            none("base-uri") && (none("object-src") || none("default-src")),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval") && !policy.contains('*'),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_3_4_4_no_browser_guesses_what_an_answer_is() {
    let hub = hub().await;
    for answer in answers(&hub.url).await {
        assert_eq!(
            header(&answer, "x-content-type-options"),
            "nosniff",
            "{}",
            answer.url()
        );
    }
}

#[tokio::test]
async fn v5_0_0_3_4_5_no_address_of_ours_is_told_to_other_sites() {
    let hub = hub().await;
    for answer in answers(&hub.url).await {
        let policy = header(&answer, "referrer-policy");
        assert!(["no-referrer", "same-origin"].contains(&&*policy), "{policy}");
    }
}

#[tokio::test]
async fn v5_0_0_3_4_6_no_other_page_frames_ours() {
    let hub = hub().await;
    for answer in answers(&hub.url).await {
        let policy = header(&answer, "content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{}: {policy}",
            answer.url()
        );
    }
}

#[tokio::test]
async fn v5_0_0_3_5_1_a_request_by_cookie_proves_that_it_comes_from_our_page() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    let ask = || browser.ask(&hub, Method::POST, "/live/token").json(&json!({}));
    assert_eq!(status(ask()).await, 403);
    assert_eq!(status(ask().header("origin", &hub.url)).await, 403);
    assert_eq!(
        status(
            ask()
                .header("origin", &hub.url)
                .header("x-csrf-token", &browser.csrf)
        )
        .await,
        200
    );
}

#[tokio::test]
async fn v5_0_0_3_5_2_nothing_is_carried_out_that_a_browser_sends_without_asking_first() {
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let asked = browser
            .ask(&hub, Method::POST, "/teams")
            .header("origin", &hub.url);
        let asked = asked.header("content-type", kind).body(r#"{"name": "Smuggled"}"#);
        assert_eq!(status(asked).await, 403, "{kind}");
        let asked = browser
            .ask(&hub, Method::POST, "/teams")
            .header("origin", &hub.url);
        let asked = asked
            .header("content-type", kind)
            .header("x-csrf-token", &browser.csrf);
        assert_eq!(status(asked.body(r#"{"name": "Smuggled"}"#)).await, 415, "{kind}");
    }
    assert_eq!(hub.test.count("SELECT count(*) FROM teams").await, 0);
}

#[tokio::test]
async fn v5_0_0_3_5_3_what_is_called_safe_changes_nothing() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let written = "SELECT (SELECT count(*) FROM audit_logs) + (SELECT count(*) FROM outbox)";
    let before = hub.test.count(written).await;
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() || path.ends_with("/stream") {
            continue;
        }
        let path = path.trim_start_matches("/api/v1").replace(['{', '}'], "");
        let path = path.split('/').map(|part| {
            if ["id", "user"].contains(&part) {
                owner.id.to_string()
            } else {
                part.to_owned()
            }
        });
        hub.get(&owner, &path.collect::<Vec<_>>().join("/")).await;
    }
    assert_eq!(hub.test.count(written).await, before);
    for method in [Method::GET, Method::HEAD] {
        let asked = hub
            .ask(method, &format!("/users/{}/ban", owner.id))
            .bearer_auth(&owner.token);
        assert_eq!(status(asked).await, 405);
    }
}

#[tokio::test]
async fn v5_0_0_3_7_2_nobody_is_sent_to_another_site() {
    let hub = hub().await;
    let http = crate::harness::client_with()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for path in [
        "//evil.example",
        "/?next=https://evil.example",
        "/login?return_to=//evil.example",
        "/%2f%2fevil.example",
    ] {
        let answer = http.get(format!("{}{path}", hub.url)).send().await.unwrap();
        let to = answer
            .headers()
            .get("location")
            .map(|to| to.to_str().unwrap().to_owned());
        assert!(
            to.is_none_or(|to| to.starts_with('/') && !to.starts_with("//")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_6_2_6_password_fields_hide_what_is_typed() {
    let fields = password_fields();
    assert!(
        fields.len() >= 2,
        "the console's password fields stand elsewhere now"
    );
}

#[tokio::test]
async fn v5_0_0_6_2_7_passwords_can_be_pasted_and_filled_in_by_a_password_manager() {
    for (file, text) in password_fields() {
        assert!(!text.contains("onPaste"), "{file}");
        assert!(
            text.contains("autoComplete"),
            "{file}: a password manager is not told what the field is"
        );
    }
}

/// The console's sources with a password field.
fn password_fields() -> Vec<(String, String)> {
    let (mut found, mut waiting) = (
        Vec::new(),
        vec![concat!(env!("CARGO_MANIFEST_DIR"), "/console/src").to_owned()],
    );
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).unwrap().flatten() {
            let path = entry.path().display().to_string();
            if entry.path().is_dir() {
                waiting.push(path);
            } else if path.rsplit('.').next() == Some("tsx") {
                let text = std::fs::read_to_string(&path).unwrap();
                let named = text.contains("current-password") || text.contains("new-password");
                let hidden = text.contains(r#"type="password""#);
                assert!(
                    !named || hidden,
                    "{path} has a password field that shows what is typed"
                );
                if hidden {
                    found.push((path, text));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn v5_0_0_7_4_4_signing_out_is_offered_wherever_somebody_is_signed_in() {
    // the console's frame, around every page, has it
    let frame = concat!(env!("CARGO_MANIFEST_DIR"), "/console/src/app");
    let files = std::fs::read_dir(frame).unwrap().flatten();
    let offers =
        files.filter(|file| std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("signOut")));
    assert!(offers.count() > 0);
    let hub = hub().await;
    let browser = Browser::of_owner(&hub).await;
    let out = browser
        .ask(&hub, Method::POST, "/auth/logout")
        .header("origin", &hub.url);
    assert_eq!(status(out.header("x-csrf-token", &browser.csrf)).await, 204);
    assert_eq!(
        problem(browser.ask(&hub, Method::GET, "/me").send().await.unwrap())
            .await
            .0,
        401
    );
}
