//! Custom roles, direct grants and denials, and why: over HTTP.

mod doors;
mod foreign;
mod many;
mod roles;
mod together;
mod why;

use crate::harness::{Hub, SignedIn};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::UserId;

/// `users:ban` and the like, granted.
fn grant(permission: &str) -> Value {
    json!({"permission": permission, "effect": "grant"})
}

fn deny(permission: &str) -> Value {
    json!({"permission": permission, "effect": "deny"})
}

async fn role_named(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let list: Value = hub.get(who, "/roles").await.json().await.unwrap();
    let roles = list["items"].as_array().unwrap();
    roles.iter().find(|role| role["name"] == name).unwrap().clone()
}

async fn make(hub: &Hub, who: &SignedIn, role: Value) -> Response {
    hub.send(who, Method::POST, "/roles", role).await
}

/// A role made by the owner; its id.
async fn made(hub: &Hub, owner: &SignedIn, role: Value) -> String {
    let answer = make(hub, owner, role).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let role: Value = answer.json().await.unwrap();
    role["id"].as_str().unwrap().to_owned()
}

async fn change(hub: &Hub, who: &SignedIn, role: &str, change: Value) -> Response {
    hub.send(who, Method::PATCH, &format!("/roles/{role}"), change)
        .await
}

async fn give(hub: &Hub, owner: &SignedIn, whom: &SignedIn, roles: &[&str]) {
    let path = format!("/users/{}/roles", whom.id);
    let answer = hub.send(owner, Method::PUT, &path, json!({"roles": roles})).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn say(hub: &Hub, who: &SignedIn, of: UserId, direct: Value) -> Response {
    hub.send(who, Method::PUT, &format!("/users/{of}/permissions"), direct)
        .await
}

/// Names of what somebody holds on everything.
async fn held(hub: &Hub, who: &SignedIn, of: UserId) -> Vec<String> {
    let answer: Value = hub
        .get(who, &format!("/users/{of}/permissions"))
        .await
        .json()
        .await
        .unwrap();
    let held = answer["held"].as_array().unwrap();
    let everywhere = held
        .iter()
        .filter(|held| held["everywhere"] == true && held["denied"] == json!([]));
    everywhere
        .map(|held| held["permission"].as_str().unwrap().to_owned())
        .collect()
}
