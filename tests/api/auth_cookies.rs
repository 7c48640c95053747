use crate::harness::{Hub, hub, problem};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A browser with a session.
struct Browser {
    cookies: String,
    csrf: String,
}

async fn sign_in(hub: &Hub) -> Browser {
    let answer = hub.sign_in_at_the_console().await;
    assert_eq!(answer.status(), 200);
    let cookies = cookies(&answer);
    let body: Value = answer.json().await.unwrap();
    assert!(
        body.get("access_token").is_none() && body.get("refresh_token").is_none(),
        "{body}"
    );
    Browser {
        cookies,
        csrf: body["csrf_token"].as_str().unwrap().to_owned(),
    }
}

/// By which a browser is known when its session has ended.
const DEVICE: &str = "__Host-signalbox_device=";

fn cookies(answer: &Response) -> String {
    let set: Vec<&str> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    for cookie in &set {
        for part in [
            "__Host-signalbox_",
            "HttpOnly",
            "Secure",
            "SameSite=Strict",
            "Path=/",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let set: Vec<&str> = set
        .into_iter()
        .filter(|cookie| !cookie.starts_with(DEVICE))
        .collect();
    assert_eq!(set.len(), 2);
    let pair = |cookie: &&str| cookie.split(';').next().unwrap().to_owned();
    set.iter().map(pair).collect::<Vec<_>>().join("; ")
}

impl Browser {
    fn ask(&self, hub: &Hub, method: Method, path: &str) -> RequestBuilder {
        hub.ask(method, path).header("cookie", &self.cookies)
    }
}

async fn code(request: RequestBuilder) -> String {
    problem(request.send().await.unwrap()).await.1
}

#[tokio::test]
async fn a_page_of_the_console_works_by_cookie_with_csrf_token_and_origin() {
    let hub = hub().await;
    let browser = sign_in(&hub).await;
    let me: Value = browser
        .ask(&hub, Method::GET, "/me")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(me["csrf_token"], browser.csrf);
    let out = browser
        .ask(&hub, Method::POST, "/auth/logout")
        .header("origin", &hub.url)
        .header("x-csrf-token", &browser.csrf)
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 204);
    assert!(cookies(&out).ends_with('='));
    assert_eq!(
        code(browser.ask(&hub, Method::GET, "/me")).await,
        "auth.session_ended"
    );
}

#[tokio::test]
async fn a_foreign_page_can_change_nothing_with_the_browsers_cookies() {
    let hub = hub().await;
    let browser = sign_in(&hub).await;
    let out = || browser.ask(&hub, Method::POST, "/live/token").json(&json!({}));
    let csrf = &browser.csrf;
    assert_eq!(code(out()).await, "auth.origin");
    assert_eq!(code(out().header("x-csrf-token", csrf)).await, "auth.origin");
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let asked = out().header("x-csrf-token", csrf).header("origin", origin);
        assert_eq!(code(asked).await, "auth.origin", "{origin}");
    }
    assert_eq!(code(out().header("origin", &hub.url)).await, "auth.csrf");
    let wrong = out()
        .header("origin", &hub.url)
        .header("x-csrf-token", "0".repeat(64));
    assert_eq!(code(wrong).await, "auth.csrf");
    let read = browser
        .ask(&hub, Method::GET, "/me")
        .header("origin", "https://evil.example");
    assert_eq!(code(read).await, "auth.origin");
    let another = sign_in(&hub).await;
    let stolen = out()
        .header("origin", &hub.url)
        .header("x-csrf-token", &another.csrf);
    assert_eq!(code(stolen).await, "auth.csrf", "a token of another session");
}

#[tokio::test]
async fn a_browser_refreshes_by_cookie_and_a_page_that_was_reloaded_does_too() {
    let hub = hub().await;
    let browser = sign_in(&hub).await;
    let refresh = |browser: &Browser| {
        let request = browser.ask(&hub, Method::POST, "/auth/refresh").json(&json!({}));
        request.header("origin", &hub.url)
    };
    assert_eq!(code(refresh(&browser)).await, "auth.csrf");
    let reloaded = refresh(&browser)
        .header("x-signalbox-client", "console")
        .send()
        .await
        .unwrap();
    assert_eq!(reloaded.status(), 200);
    let next = Browser {
        cookies: cookies(&reloaded),
        csrf: browser.csrf.clone(),
    };
    assert_ne!(next.cookies, browser.cookies);
    let again = refresh(&next)
        .header("x-csrf-token", &next.csrf)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 200);
    let body: Value = again.json().await.unwrap();
    assert_eq!(body["csrf_token"], browser.csrf);
    assert!(body.get("refresh_token").is_none());
}
