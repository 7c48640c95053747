//! Second factors, passkeys, and proving again who one is.

mod passkeys;
mod phones;
mod proving;
mod roles;
mod second_step;

use crate::harness::{Hub, PASSWORD, SignedIn, client};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::change::ledger;
use signalbox_core::jobs::Node;
use signalbox_core::kernel::id::BootId;
use signalbox_core::messages;
use signalbox_core::testing::authenticator::Authenticator;
use signalbox_core::testing::code;
use time::Duration;

/// The hub by its name, since passkeys need one.
pub(super) fn named(hub: &Hub) -> String {
    hub.url.replace("127.0.0.1", "localhost")
}

/// A POST of a page at the hub's own address.
pub(super) async fn post(hub: &Hub, who: Option<&SignedIn>, path: &str, body: Value) -> Response {
    let url = format!("{}/api/v1{path}", named(hub));
    let mut request = client().post(url).header("origin", named(hub)).json(&body);
    if let Some(who) = who {
        request = request.bearer_auth(&who.token);
    }
    request.send().await.unwrap()
}

pub(super) async fn told(answer: Response, status: u16) -> Value {
    let (is, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(is, status, "{text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Begins to set an authenticator app up, which counts once it is confirmed.
pub(super) async fn begin_app(hub: &Hub, who: &SignedIn) -> Value {
    let begun = post(hub, Some(who), "/me/factors", json!({"kind": "totp"})).await;
    told(begun, 200).await
}

/// Sets an authenticator app up; its secret and the recovery codes, where it is the first factor.
pub(super) async fn with_app(hub: &Hub, who: &SignedIn) -> (String, Vec<String>) {
    let begun = begin_app(hub, who).await;
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["url"].as_str().unwrap().contains(&secret), "{begun}");
    let confirmation = json!({"enrollment": begun["enrollment"], "name": "App", "code": now(hub, &secret)});
    let done = told(
        post(hub, Some(who), "/me/factors/confirm", confirmation).await,
        201,
    )
    .await;
    assert_eq!(done["factor"]["kind"], "totp");
    hub.clock.advance(Duration::seconds(60));
    (secret, codes(&done))
}

pub(super) fn codes(answer: &Value) -> Vec<String> {
    let codes = answer["recovery_codes"].as_array().into_iter().flatten();
    codes.map(|code| code.as_str().unwrap().to_owned()).collect()
}

pub(super) fn now(hub: &Hub, secret: &str) -> String {
    code(secret, hub.clock.now())
}

pub(super) async fn with_passkey(hub: &Hub, who: &SignedIn, name: &str) -> Authenticator {
    let begun = told(
        post(hub, Some(who), "/me/factors", json!({"kind": "passkey"})).await,
        200,
    )
    .await;
    let mut device = Authenticator::new(&named(hub));
    let made = device.make(&begun["options"]);
    let confirmation = json!({"enrollment": begun["enrollment"], "name": name, "credential": made});
    told(
        post(hub, Some(who), "/me/factors/confirm", confirmation).await,
        201,
    )
    .await;
    hub.clock.advance(Duration::seconds(1));
    device
}

pub(super) async fn login(hub: &Hub, email: &str) -> Response {
    post(
        hub,
        None,
        "/auth/login",
        json!({"email": email, "password": PASSWORD}),
    )
    .await
}

/// What the password alone gets.
pub(super) async fn ticket(hub: &Hub, email: &str) -> Value {
    told(login(hub, email).await, 202).await["factor_needed"].clone()
}

pub(super) async fn show(hub: &Hub, ticket: &Value, proof: Value) -> Response {
    post(
        hub,
        None,
        "/auth/factor",
        json!({"ticket": ticket["ticket"], "proof": proof}),
    )
    .await
}

pub(super) fn totp(code: &str) -> Value {
    json!({"kind": "totp", "code": code})
}

pub(super) fn signed_in(who: &SignedIn, tokens: &Value) -> SignedIn {
    SignedIn {
        token: tokens["access_token"].as_str().unwrap().to_owned(),
        refresh: tokens["refresh_token"].as_str().unwrap().to_owned(),
        session: tokens["session_id"].as_str().unwrap().to_owned(),
        ..who.clone()
    }
}

/// Kinds of what was said to the person, oldest first.
pub(super) async fn alerts(hub: &Hub, who: &SignedIn) -> Vec<String> {
    let sql = "SELECT type FROM outbox WHERE array_to_string(channels, ' ') LIKE";
    hub.test
        .texts(format!("{sql} '%inbox:{}%' ORDER BY seq", who.id))
        .await
}

/// Sets whether holders of `role` need a second factor.
pub(super) async fn demand(hub: &Hub, owner: &SignedIn, role: &str, demanded: bool) {
    let roles: Value = hub.get(owner, "/roles").await.json().await.unwrap();
    let role = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == role)
        .unwrap();
    let path = format!("/roles/{}", role["id"].as_str().unwrap());
    let set = hub
        .send(owner, Method::PATCH, &path, json!({"requires_factor": demanded}))
        .await;
    assert_eq!(told(set, 200).await["requires_factor"], demanded);
}

/// The last code that was sent, from the development outbox: no provider is configured.
pub(super) async fn sent(hub: &Hub, owner: &SignedIn) -> String {
    // due by the database's clock, whatever the test's says
    let due = "UPDATE jobs SET run_at = now() - interval '1 minute' WHERE queue = 'messages.sms' AND state = 'waiting'
               RETURNING id::text";
    let ids = hub.test.texts(due).await;
    let ids: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let node = Node {
        name: "test".to_owned(),
        boot: BootId::new(),
    };
    for run in ledger::claim(&hub.test.store, &node, 60.0, &ids).await.unwrap() {
        let outcome = messages::send_sms(&hub.test.store, &run).await;
        ledger::settle(&hub.test.store, &run, &outcome).await.unwrap();
    }
    let seen: Value = hub.get(owner, "/development_outbox").await.json().await.unwrap();
    let text = seen["items"][0]["text"].as_str().unwrap().to_owned();
    let words = text.split(|c: char| !c.is_ascii_digit());
    words.into_iter().find(|word| word.len() == 6).unwrap().to_owned()
}
