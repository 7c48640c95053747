//! V13, configuration, and V14, data protection: what is reachable that need not be, and what is kept on the way.

use super::json_of;
use crate::harness::{client, hub, problem};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn v5_0_0_13_2_2_the_hub_works_in_the_database_as_somebody_who_may_do_little_there() {
    let hub = hub().await;
    let may = "SELECT concat_ws(' ', rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication)
               FROM pg_roles WHERE rolname = 'signalbox_app'";
    assert_eq!(hub.test.texts(may).await, ["f f f f f"]);
    assert!(
        hub.test.app_url.contains("signalbox_app@"),
        "it is who the hub comes as"
    );
    let owned =
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tableowner = 'signalbox_app'";
    assert_eq!(hub.test.texts(owned).await, Vec::<String>::new());
    let unguarded = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT c.relrowsecurity
                       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id')";
    assert_eq!(
        hub.test.texts(unguarded).await,
        Vec::<String>::new(),
        "rows of one organization"
    );
}

#[tokio::test]
async fn v5_0_0_13_4_1_nothing_of_the_source_and_no_file_of_the_machine_is_served() {
    let hub = hub().await;
    for path in [
        "/.git/HEAD",
        "/.git/config",
        "/.svn/entries",
        "/.env",
        "/secrets.hex",
        "/Cargo.toml",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fsecrets.hex",
        "//etc/passwd",
        "/assets//etc/passwd",
    ] {
        let answer = client().get(format!("{}{path}", hub.url)).send().await.unwrap();
        // either nothing, or the console's page, which says itself that there is no such page
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(
            status == 404 || text.starts_with("<!doctype html>"),
            "{path}: {status} {text}"
        );
        for word in ["ref: refs", "[package]", "[core]", "root:x"] {
            assert!(!text.contains(word), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn v5_0_0_13_4_3_no_folder_is_listed() {
    let hub = hub().await;
    for path in ["/assets", "/assets/", "/assets/.", "/docs/", "/api/", "/api/v1/"] {
        let answer = client().get(format!("{}{path}", hub.url)).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let page = text.starts_with("<!doctype html>") && !text.contains("Index of");
        assert!(status.is_client_error() || page, "{path}: {status} {text}");
    }
}

#[tokio::test]
async fn v5_0_0_13_4_4_no_request_is_echoed() {
    let hub = hub().await;
    for path in ["/", "/api/v1/me", "/livez"] {
        let trace = client().request(Method::TRACE, format!("{}{path}", hub.url));
        let answer = trace.header("x-canary", "canary-42").send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
        assert!(!answer.text().await.unwrap().contains("canary-42"), "{path}");
    }
}

#[tokio::test]
async fn v5_0_0_14_2_1_no_secret_stands_in_an_address_but_for_tickets_that_are_good_once() {
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    let mut secret = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|parameter| parameter["in"] != "header") {
                let name = parameter["name"].as_str().unwrap();
                let words = [
                    "token",
                    "password",
                    "secret",
                    "ticket",
                    "code",
                    "csrf",
                    "proof",
                    "credential",
                ];
                if words.iter().any(|word| name.contains(word)) {
                    let id = operation["operationId"].as_str().unwrap();
                    secret.insert(format!("{id} {name}"));
                }
            }
        }
    }
    assert_eq!(secret, BTreeSet::from(["live.stream ticket".to_owned()]));
    let hub = hub().await;
    let owner = hub.owner().await;
    let key = json!({"name": "Key", "scopes": ["users:read"]});
    let key = json_of(hub.send(&owner, Method::POST, "/api_keys", key).await).await;
    let key = key["secret"].as_str().unwrap();
    for query in ["access_token", "token", "authorization", "api_key", "bearer"] {
        for shown in [owner.token.as_str(), key] {
            let path = format!("/me?{query}={shown}");
            let asked = hub.ask(Method::GET, &path).send().await.unwrap();
            assert_eq!(problem(asked).await.0, 401, "{query}");
        }
    }
}

#[tokio::test]
async fn v5_0_0_14_2_3_no_page_tells_anybody_else_anything() {
    let hub = hub().await;
    let page = client().get(format!("{}/", hub.url)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    let mut sources = policy.split([';', ' ']).filter(|word| !word.is_empty());
    // the hub's own address, nonces and nothing: no host of somebody else, whatever a script wants to send or load
    assert!(
        sources.all(|word| !word.contains('.') && !word.contains("//") && word != "https:" && word != "*"),
        "{policy}"
    );
    let html = page.text().await.unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
}

#[tokio::test]
async fn v5_0_0_14_3_2_no_answer_with_anything_of_anybodys_is_kept_by_a_browser_or_on_the_way() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() || path.ends_with("/stream") {
            continue;
        }
        let path = path
            .trim_start_matches("/api/v1")
            .replace("{id}", &owner.id.to_string());
        let answer = hub.get(&owner, &path).await;
        let told = answer.headers()["cache-control"].to_str().unwrap().to_owned();
        assert!(told.contains("no-store"), "{path}: {told}");
        asked += 1;
    }
    assert!(asked > 50, "{asked}");
    let refused = hub.ask(Method::GET, "/me").send().await.unwrap();
    assert_eq!(refused.headers()["cache-control"], "no-store");
}

#[test]
fn v5_0_0_14_3_3_a_browser_keeps_no_token_and_nothing_personal_in_its_storage() {
    // each with what it keeps there
    let known = BTreeSet::from([
        "api/client.ts",    // the CSRF token, worth nothing without the cookies; when it was refreshed
        "auth/acting.ts",   // since when one acts as somebody else
        "auth/session.ts",  // the line that says why a session ended
        "keys/registry.ts", // whether single keys are shortcuts
        "parts/times.ts",   // the time zone that times are told in
        "parts/useHidden.ts", // which columns are hidden
        "theme/density.ts", // how close rows stand
        "theme/scheme.ts",  // light or dark
    ]);
    let mut found = BTreeSet::new();
    for (path, text) in super::console_sources() {
        let keeps = [
            "localStorage.setItem",
            "sessionStorage.setItem",
            "localStorage[",
            "document.cookie",
            "indexedDB",
            "caches.open",
        ];
        if keeps.iter().any(|word| text.contains(word)) {
            found.insert(path);
        }
    }
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, known, "say here what else is kept, and that it may be");
}
