//! Roles that a team carries for its members, over HTTP.

mod documented;
mod foreign;
mod giving;
mod holding;
mod what_if;

use crate::harness::{Hub, SignedIn};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::UserId;

async fn json(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn read(hub: &Hub, who: &SignedIn, path: &str) -> Value {
    json(hub.get(who, path).await).await
}

async fn made(hub: &Hub, who: &SignedIn, path: &str, body: Value) -> String {
    let made = json(hub.send(who, Method::POST, path, body).await).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn team(hub: &Hub, who: &SignedIn, name: &str) -> String {
    made(hub, who, "/teams", json!({"name": name})).await
}

/// A role that grants these on everything.
async fn role(hub: &Hub, who: &SignedIn, name: &str, grants: &[&str]) -> String {
    let grant = |permission: &&str| json!({"permission": permission, "effect": "grant"});
    let statements: Vec<Value> = grants.iter().map(grant).collect();
    made(
        hub,
        who,
        "/roles",
        json!({"name": name, "statements": statements}),
    )
    .await
}

async fn predefined(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let roles = read(hub, who, "/roles").await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    roles.find(|role| role["name"] == name).unwrap().clone()
}

async fn give(hub: &Hub, who: &SignedIn, team: &str, role: &str) -> Response {
    hub.send(
        who,
        Method::PUT,
        &format!("/teams/{team}/roles/{role}"),
        json!({}),
    )
    .await
}

async fn take(hub: &Hub, who: &SignedIn, team: &str, role: &str) -> Response {
    hub.send(
        who,
        Method::DELETE,
        &format!("/teams/{team}/roles/{role}"),
        Value::Null,
    )
    .await
}

async fn join(hub: &Hub, who: &SignedIn, team: &str, whom: UserId) -> Response {
    hub.send(
        who,
        Method::PUT,
        &format!("/teams/{team}/members/{whom}"),
        json!({}),
    )
    .await
}

async fn leave(hub: &Hub, who: &SignedIn, team: &str, whom: UserId) -> Response {
    hub.send(
        who,
        Method::DELETE,
        &format!("/teams/{team}/members/{whom}"),
        Value::Null,
    )
    .await
}

/// Ids in a list's items, under `name`.
fn ids(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}
