//! What is open through a provider ends with it: a logout there, the end of a token, an issuer that is switched off.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::identity::{Browser, CLIENT, Identity, SECRET, returned};
use super::{Desk, OWNER, program};
use crate::services::hub::{Folder, Hub};

/// A hub that knows its own address, and a provider that can reach it there.
async fn stage(kind: &str) -> (Desk, Identity, String) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let mut command = program();
    command.env("SIGNALBOX__SERVER__PUBLIC_URL", format!("http://{address}"));
    let folder = Folder::new();
    let mut hub = Hub::launch_at(&address, command, folder.path());
    hub.wait_until_ready();
    let mut desk = Desk {
        hub,
        folder,
        token: String::new(),
    };
    desk.token = desk.sign_in(OWNER).await;
    let mut identity = Identity::start().await;
    let mut provider = json!({"kind": kind, "name": "Staff", "issuer": identity.issuer, "provision": true});
    let of_its_kind = if kind == "oidc" {
        json!({"client_id": CLIENT, "client_secret": SECRET})
    } else {
        json!({"jwks_url": identity.hosted_keys(), "audience": "project-7"})
    };
    provider
        .as_object_mut()
        .unwrap()
        .extend(of_its_kind.as_object().unwrap().clone());
    let made = desk.act("/providers", provider).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let people = json!({"ada": {"email": "ada@example.com", "email_verified": true, "name": "Ada"}});
    let logout = made["backchannel_logout_uri"].as_str();
    identity
        .configure(&format!("http://{address}/sign-in/callback"), logout, people)
        .await;
    (desk, identity, id)
}

/// A live connection by a token, and how it ends: after how long, with which code.
struct Line(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

impl Line {
    async fn open(desk: &Desk, token: &str) -> Self {
        let url = format!("ws://{}/connection/websocket", desk.hub.address);
        let (mut wire, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let hello = json!({"id": 1, "connect": {"token": token}}).to_string();
        wire.send(Message::text(hello)).await.unwrap();
        let answer = wire.next().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
        assert!(answer["connect"]["client"].is_string(), "{answer}");
        Self(wire)
    }

    async fn ended(mut self) -> u16 {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), self.0.next());
            match next.await.expect("the connection stays open") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("it broke: {other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_at_the_provider_is_signed_out_here_with_their_open_streams() {
    let (desk, identity, id) = stage("oidc").await;
    let mut browser = Browser::new();
    let start = desk
        .ask(Method::POST, &format!("/auth/providers/{id}/start"))
        .json(&json!({}));
    let answer = start.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let away: Value = answer.json().await.unwrap();
    let back = format!("http://{}/sign-in/callback", desk.hub.address);
    let back = browser
        .go(away["authorization_url"].as_str().unwrap(), "ada", &back)
        .await;
    let finish = desk
        .ask(Method::POST, "/auth/providers/finish")
        .header("cookie", cookie);
    let signed_in: Value = finish
        .json(&returned(&back))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = signed_in["access_token"].as_str().unwrap();
    let (theirs, others) = (
        Line::open(&desk, token).await,
        Line::open(&desk, &desk.token).await,
    );

    let began = Instant::now();
    browser.sign_out(&identity.issuer).await;
    assert_eq!(
        theirs.ended().await,
        4500,
        "signed out, and not to come back by itself"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let me = desk
        .ask(Method::GET, "/me")
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(me.status(), 401);
    drop(others);
    let owner = desk
        .ask(Method::GET, "/me")
        .bearer_auth(&desk.token)
        .send()
        .await
        .unwrap();
    assert_eq!(owner.status(), 200, "nobody else is");
    // what is no logout token of this provider ends nothing
    let wrong = desk.ask(Method::POST, &format!("/auth/providers/{id}/logout"));
    let wrong = wrong
        .header("content-type", "application/x-www-form-urlencoded")
        .body("logout_token=a.b.c");
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_by_an_outside_token_ends_with_the_token_and_with_its_issuer() {
    let (desk, mut identity, id) = stage("external_jwt").await;
    let mut token = async |lasts: i64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
        let claims = json!({
            "iss": identity.issuer.clone(), "aud": "project-7", "sub": "u-1", "iat": now, "exp": now + lasts,
            "email": "ada@example.com", "email_verified": true, "name": "Ada",
        });
        identity.token(claims, json!({}), "").await
    };
    let long = token(600).await;
    let line = Line::open(&desk, &long).await;
    let off = desk
        .ask(Method::PATCH, &format!("/providers/{id}"))
        .bearer_auth(&desk.token);
    let began = Instant::now();
    assert_eq!(
        off.json(&json!({"enabled": false}))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(line.ended().await, 4500);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let on = desk
        .ask(Method::PATCH, &format!("/providers/{id}"))
        .bearer_auth(&desk.token);
    assert_eq!(
        on.json(&json!({"enabled": true})).send().await.unwrap().status(),
        200
    );

    let me = desk
        .ask(Method::GET, "/me")
        .bearer_auth(&long)
        .send()
        .await
        .unwrap();
    let me: Value = me.json().await.unwrap();
    // an event stream cannot be given another token, so it ends with the one it has
    let short = token(10).await;
    let inbox = format!("/stream?channel=inbox:{}", me["user"]["id"].as_str().unwrap());
    let answer = desk
        .ask(Method::GET, &inbox)
        .bearer_auth(&short)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let began = Instant::now();
    tokio::time::timeout(Duration::from_mins(1), answer.text())
        .await
        .expect("the stream stays open")
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let late = desk
        .ask(Method::GET, "/me")
        .bearer_auth(&short)
        .send()
        .await
        .unwrap();
    assert_eq!(late.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_by_an_outside_token_ends_when_all_of_its_person_is_signed_out() {
    let (desk, mut identity, _) = stage("external_jwt").await;
    let mut token = async |later: i64| {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": identity.issuer.clone(), "aud": "project-7", "sub": "u-1", "iat": now + later, "exp": now + 600,
            "email": "ada@example.com", "email_verified": true, "name": "Ada",
        });
        identity.token(claims, json!({}), "").await
    };
    let before = token(0).await;
    let line = Line::open(&desk, &before).await;
    let me = desk.ask(Method::GET, "/me").bearer_auth(&before);
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    let id = me["user"]["id"].as_str().unwrap();
    let began = Instant::now();
    desk.act(&format!("/users/{id}/sessions/revoke"), json!({})).await;
    assert_eq!(line.ended().await, 4500);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // by the issuer's clock, which may be ahead
    let after = token(2).await;
    drop(Line::open(&desk, &after).await);
}
