//! V4, APIs and web services.

use super::json_of;
use crate::faults::relay::cluster::Cluster;
use crate::harness::{client, hub, hub_with, problem};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[tokio::test]
async fn v5_0_0_4_1_1_every_answer_says_what_it_is() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for (path, kind) in [
        ("/me", "application/json"),
        ("/nothing", "application/problem+json"),
        ("/users", "application/json"),
    ] {
        let answer = hub.get(&owner, path).await;
        assert_eq!(answer.headers()["content-type"], kind, "{path}");
        let text = answer.text().await.unwrap();
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{path}: {text}");
    }
    let page = client().get(format!("{}/", hub.url)).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn v5_0_0_4_1_2_no_program_that_forgot_tls_is_led_on_in_silence() {
    let hub = hub_with(&[
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__SERVER__PUBLIC_URL", "https://hub.example.com"),
    ])
    .await;
    let plain = crate::harness::client_with().redirect(reqwest::redirect::Policy::none());
    let plain = plain.build().unwrap();
    for path in [
        "/api/v1/me",
        "/api/v1/auth/login",
        "/api/openapi.json",
        "/connection/websocket",
        "/livez",
    ] {
        let asked = plain.get(format!("{}{path}", hub.url));
        let asked = asked
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-proto", "http");
        let answer = asked.send().await.unwrap();
        assert!(
            !answer.status().is_redirection() && answer.headers().get("location").is_none(),
            "{path}"
        );
    }
    let body = json!({"email": "owner@example.com", "password": crate::harness::PASSWORD});
    let asked = plain.post(format!("{}/api/v1/auth/login", hub.url)).json(&body);
    let asked = asked
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "http");
    let refused = asked.send().await.unwrap();
    assert_eq!(problem(refused).await.0, 403, "they are told, and not let in");
}

#[tokio::test]
async fn v5_0_0_4_1_3_what_a_proxy_says_cannot_be_said_by_a_client() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let asked = hub
        .ask(Method::POST, "/teams")
        .bearer_auth(&owner.token)
        .json(&json!({"name": "Made"}));
    let asked = asked
        .header("x-forwarded-for", "192.0.2.66")
        .header("forwarded", "for=192.0.2.66");
    assert_eq!(
        asked
            .header("x-real-ip", "192.0.2.66")
            .send()
            .await
            .unwrap()
            .status(),
        201
    );
    let from = "SELECT host(ip) FROM audit_logs WHERE action = 'teams.create'";
    assert_eq!(hub.test.texts(from).await, ["127.0.0.1"]);
}

/// What is answered to bytes as they stand.
async fn raw(url: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(
        std::time::Duration::from_secs(20),
        stream.read_to_end(&mut answer),
    );
    read.await
        .expect("the connection is neither answered nor closed")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_4_2_1_a_message_whose_length_is_said_in_two_ways_is_refused() {
    let cluster = Cluster::start(1, "").await;
    let url = &cluster.nodes[0].url;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let smuggled = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    for (what, framing) in [
        (
            "both",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}"),
        ("a length with a sign", "Content-Length: +2\r\n\r\n{}"),
        (
            "a hidden encoding",
            "Content-Length: 2\r\nTransfer-Encoding: xchunked\r\n\r\n{}",
        ),
        (
            "an encoding after a space",
            "Content-Length: 2\r\nTransfer-Encoding : chunked\r\n\r\n{}",
        ),
        ("a wrong chunk", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ] {
        let answer = raw(url, &format!("{head}{framing}{smuggled}")).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(
            answers <= 1 && !answer.starts_with("HTTP/1.1 2"),
            "{what}: {answer}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_4_4_1_nobody_signs_in_without_tls_from_another_machine() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let asked = hub
        .ask(Method::POST, "/auth/login")
        .header("x-forwarded-for", "192.0.2.1");
    let asked = asked.json(&json!({"email": "owner@example.com", "password": crate::harness::PASSWORD}));
    assert_eq!(
        problem(asked.send().await.unwrap()).await,
        (403, "auth.https_required".into())
    );
}

/// What a handshake with these headers is answered.
async fn handshake(url: &str, headers: &[(&'static str, &str)]) -> u16 {
    let mut asked = format!("{}/connection/websocket", url.replacen("http", "ws", 1))
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        asked.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(asked).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_4_4_2_a_socket_is_opened_for_pages_of_known_origins_alone() {
    let cluster = Cluster::start(1, "").await;
    let url = &cluster.nodes[0].url;
    assert_eq!(handshake(url, &[("origin", url)]).await, 101);
    for origin in ["https://evil.example", "null"] {
        assert_eq!(handshake(url, &[("origin", origin)]).await, 403, "{origin}");
    }
}

#[tokio::test]
async fn v5_0_0_4_4_3_a_token_for_live_connections_is_short_lived_and_opens_nothing_else() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let made = json_of(hub.send(&owner, Method::POST, "/live/token", json!({})).await).await;
    let says = super::super::matrix::tokens::claims(made["token"].as_str().unwrap());
    let life = says["exp"].as_i64().unwrap() - says["iat"].as_i64().unwrap();
    assert!(life <= 600, "{life} s");
    assert_eq!(says["sid"], json!(owner.session), "it ends with the session");
    let elsewhere = hub
        .ask(Method::GET, "/me")
        .bearer_auth(made["token"].as_str().unwrap());
    assert_eq!(problem(elsewhere.send().await.unwrap()).await.0, 401);
    let body = json!({"purpose": "socket"});
    let made = json_of(hub.send(&owner, Method::POST, "/auth/tickets", body).await).await;
    let lives =
        "SELECT extract(epoch FROM expires_at - created_at)::text || ' ' || session_id FROM auth_tickets";
    let kept = hub.test.texts(lives).await;
    assert_eq!(kept.len(), 1);
    let (seconds, session) = kept[0].split_once(' ').unwrap();
    assert_eq!(
        (seconds.parse::<f64>().unwrap(), session),
        (30.0, owner.session.as_str())
    );
    let elsewhere = hub
        .ask(Method::GET, "/me")
        .bearer_auth(made["ticket"].as_str().unwrap());
    assert_eq!(problem(elsewhere.send().await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn v5_0_0_4_4_4_a_token_for_live_connections_is_given_to_whoever_has_signed_in_alone() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let key = json!({"name": "Key", "scopes": ["users:read"]});
    let key = json_of(hub.send(&owner, Method::POST, "/api_keys", key).await).await;
    for (path, body) in [
        ("/live/token", json!({})),
        ("/auth/tickets", json!({"purpose": "stream"})),
    ] {
        assert_eq!(problem(hub.post(path, body.clone()).await).await.0, 401, "{path}");
        // a browser's page of another site, with the cookie that goes along
        let browser = super::Browser::of_owner(&hub).await;
        let foreign = browser
            .ask(&hub, Method::POST, path)
            .header("origin", "https://evil.example");
        let foreign = foreign.header("x-csrf-token", &browser.csrf).json(&body);
        assert_eq!(problem(foreign.send().await.unwrap()).await.0, 403, "{path}");
    }
    let by_key = hub
        .ask(Method::POST, "/auth/tickets")
        .bearer_auth(key["secret"].as_str().unwrap());
    let by_key = by_key.json(&json!({"purpose": "stream"}));
    assert_eq!(
        problem(by_key.send().await.unwrap()).await,
        (403, "auth.session_required".into())
    );
}
