//! V15, secure coding.

use super::{json_of, login};
use crate::harness::{SignedIn, hub, hub_with, problem, problem_in_full};
use futures::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn v5_0_0_15_3_1_an_answer_holds_what_it_is_for_and_no_hash_and_no_secret() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let new = json!({"name": "Key", "scopes": ["users:read"]});
    json_of(hub.send(&owner, Method::POST, "/api_keys", new).await).await;
    let provider = json!({"kind": "oidc", "name": "Staff", "issuer": "https://id.example.com", "client_id": "c",
                          "client_secret": "canary-secret-of-a-client"});
    assert_eq!(
        hub.send(&owner, Method::POST, "/providers", provider)
            .await
            .status(),
        201
    );
    let secrets = "SELECT password_hash FROM users WHERE password_hash IS NOT NULL UNION ALL
                   SELECT encode(hash, 'hex') FROM auth_tokens UNION ALL SELECT seal_salt::text FROM users UNION ALL
                   SELECT encode(private_key, 'hex') FROM signing_keys";
    let mut secrets = hub.test.texts(secrets).await;
    secrets.push("canary-secret-of-a-client".to_owned());
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() || path.ends_with("/stream") {
            continue;
        }
        let path = path
            .trim_start_matches("/api/v1")
            .replace("{id}", &owner.id.to_string());
        let text = hub.get(&owner, &path).await.text().await.unwrap();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{path}");
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            !has_field(
                &body,
                &[
                    "password",
                    "password_hash",
                    "hash",
                    "private_key",
                    "client_secret",
                    "seal_salt"
                ]
            ),
            "{path}: {text}"
        );
    }
}

fn has_field(value: &Value, names: &[&str]) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            names.contains(&name.as_str()) && !value.is_null() || has_field(value, names)
        }),
        Value::Array(items) => items.iter().any(|item| has_field(item, names)),
        _ => false,
    }
}

#[tokio::test]
async fn v5_0_0_15_2_2_what_keeps_the_hub_busy_is_limited_by_itself() {
    let hub = hub_with(&[("SIGNALBOX__LIMITS__DEFAULT__COSTLY__USER", "2")]).await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["admin"]).await);
    let ask = async |who: &SignedIn| hub.get(who, "/permissions/holders?permission=users:ban").await;
    for _ in 0..2 {
        assert_eq!(ask(&owner).await.status(), 200);
    }
    let refused = ask(&owner).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await.0, 429);
    assert_eq!(ask(&viewer).await.status(), 200, "nobody else waits for it");
    assert_eq!(
        hub.get(&owner, "/me").await.status(),
        200,
        "nor for anything else"
    );
    // every turn at hashing is taken, and nobody waits for one without end
    let held = hub.test.store.passwords.clone();
    let mut turns = Vec::new();
    while let Some(Ok(turn)) = held.turn().now_or_never() {
        turns.push(turn);
    }
    assert!(!turns.is_empty() && turns.len() <= 64, "{}", turns.len());
    assert_eq!(
        hub.get(&owner, "/me").await.status(),
        200,
        "what hashes nothing goes on"
    );
    drop(turns);
    assert_eq!(
        login(&hub, "owner@example.com", crate::harness::PASSWORD)
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn v5_0_0_15_3_2_the_hub_follows_no_redirect_of_whom_it_asks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let paths = Arc::new(Mutex::new(Vec::new()));
    let asked = paths.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 2_048];
            let read = socket.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            asked.lock().unwrap().push(path);
            let answer = format!(
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let hub = hub().await;
    let owner = hub.owner().await;
    let body = json!({"kind": "oidc", "name": "Staff", "issuer": format!("http://127.0.0.1:{port}"), "client_id": "c"});
    let made = json_of(hub.send(&owner, Method::POST, "/providers", body).await).await;
    let path = format!("/providers/{}/test", made["id"].as_str().unwrap());
    let tested = json_of(hub.send(&owner, Method::POST, &path, json!({})).await).await;
    assert_eq!(tested["works"], false, "{tested}");
    assert_eq!(*paths.lock().unwrap(), ["/.well-known/openid-configuration"]);
}

#[tokio::test]
async fn v5_0_0_15_3_3_no_field_is_written_that_the_act_is_not_about() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let person = format!("/users/{}", who.id);
    let before = hub
        .test
        .texts(format!("SELECT u::text FROM users u WHERE id = '{}'", who.id))
        .await;
    for (field, value) in [
        ("id", json!(owner.id)),
        ("organization_id", json!(owner.id)),
        ("status", json!("banned")),
        ("roles", json!([])),
        ("password", json!("one that nobody chose")),
        ("password_hash", json!("x")),
        ("version", json!(9)),
        ("access_version", json!(0)),
        ("must_change_password", json!(false)),
    ] {
        let body = json!({"name": "Another", field: value});
        let (status, _, said) = problem_in_full(hub.send(&owner, Method::PATCH, &person, body).await).await;
        assert_eq!(
            (status, &said["errors"][0]["field"]),
            (422, &json!(field)),
            "{said}"
        );
    }
    let after = hub
        .test
        .texts(format!("SELECT u::text FROM users u WHERE id = '{}'", who.id))
        .await;
    assert_eq!(after, before);
    // and so it is of every body that the API's document knows
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    let mut bodies = 0;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let content = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(name) = content.as_str().and_then(|named| named.rsplit('/').next()) else {
                continue;
            };
            let schema = &document["components"]["schemas"][name];
            // what is one of several is told by its own tests, and so is what is documented as a whole and taken as a change
            let whole = ["Proof", "Privacy", "OrganizationSettings"].contains(&name);
            if !whole && schema["type"] == "object" && schema.get("properties").is_some() {
                assert_eq!(schema["additionalProperties"], false, "{name}");
                bodies += 1;
            }
        }
    }
    for (path, body) in [
        ("/settings", json!({"surprise": {"open": true}})),
        ("/settings", json!({"sign_up": {"surprise": true}})),
        ("/me/privacy", json!({"surprise": "team"})),
    ] {
        let refused = hub.send(&owner, Method::PATCH, path, body.clone()).await;
        assert_eq!(problem(refused).await.0, 422, "{body}");
    }
    assert!(bodies > 30, "{bodies}");
}

#[tokio::test]
async fn v5_0_0_15_3_4_where_somebody_comes_from_is_what_the_trusted_proxy_says_and_counts_everywhere() {
    let hub = hub_with(&[
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "1"),
    ])
    .await;
    let from = async |claimed: &str| {
        let asked = hub
            .ask(Method::POST, "/auth/login")
            .header("x-forwarded-for", claimed)
            .header("x-forwarded-proto", "https")
            .json(&json!({"email": "owner@example.com", "password": "a guess"}));
        asked.send().await.unwrap().status().as_u16()
    };
    // what stands left of the proxy's own word is the client's, and makes nobody another
    assert_eq!(from("203.0.113.9, 192.0.2.1").await, 401);
    assert_eq!(from("203.0.113.10, 192.0.2.1").await, 429);
    assert_eq!(from("192.0.2.1, 192.0.2.2").await, 401);
    let seen = "SELECT DISTINCT host(ip) FROM audit_logs WHERE action = 'auth.login_failed' ORDER BY 1";
    assert_eq!(hub.test.texts(seen).await, ["192.0.2.1", "192.0.2.2"]);
}

#[tokio::test]
async fn v5_0_0_15_3_5_a_value_of_another_type_is_refused_and_not_made_fit() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for (path, body, field) in [
        ("/teams", json!({"name": 7}), "name"),
        ("/teams", json!({"name": ["Team"]}), "name"),
        ("/teams", json!({"name": true}), "name"),
        (
            "/api_keys",
            json!({"name": "Key", "scopes": "users:read"}),
            "scopes",
        ),
        (
            "/api_keys",
            json!({"name": "Key", "scopes": ["users:read"], "requests_per_minute": "60"}),
            "requests_per_minute",
        ),
        (
            "/api_keys",
            json!({"name": "Key", "scopes": ["users:read"], "requests_per_minute": 1.5}),
            "requests_per_minute",
        ),
        (
            "/providers",
            json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c", "provision": "true"}),
            "provision",
        ),
    ] {
        let (status, _, said) = problem_in_full(hub.send(&owner, Method::POST, path, body).await).await;
        assert_eq!(
            (status, &said["errors"][0]["field"]),
            (422, &json!(field)),
            "{said}"
        );
    }
    for query in ["limit=ten", "limit=1.5", "limit=0x10", "limit=true", "limit="] {
        assert_eq!(
            problem(hub.get(&owner, &format!("/users?{query}")).await).await.0,
            422,
            "{query}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_15_3_7_a_parameter_is_given_once_and_where_it_belongs() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for query in ["limit=1&limit=1000", "q=a&q=b", "sort=name&sort=email"] {
        assert_eq!(
            problem(hub.get(&owner, &format!("/users?{query}")).await).await.0,
            422,
            "{query}"
        );
    }
    // what belongs into the body is not taken from the address, nor a field that is there twice
    let nameless = hub
        .send(&owner, Method::POST, "/teams?name=Smuggled", json!({}))
        .await;
    assert_eq!(problem(nameless).await.0, 422);
    let twice = hub.ask(Method::POST, "/teams").bearer_auth(&owner.token);
    let twice = twice
        .header("content-type", "application/json")
        .body(r#"{"name": "One", "name": "Other"}"#);
    assert_eq!(problem(twice.send().await.unwrap()).await.0, 422);
    assert_eq!(hub.test.count("SELECT count(*) FROM teams").await, 0);
}
