//! A hub with its own servers, and an owner, that is killed and started again.

use std::path::Path;

use serde_json::{Value, json};

use crate::services::hub::{Hub, signalbox};

pub const EMAIL: &str = "owner@example.com";
const PASSWORD: &str = "correct horse battery";

/// On the data that is there, with more settings. It stops wherever `data` holds a file that says so
/// (`signalbox_core::fault::point`).
pub fn start(data: &Path, settings: &[(&str, &str)]) -> Hub {
    let mut command = signalbox();
    command
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", EMAIL)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD)
        .env("SIGNALBOX_FAULTS", format!("points={}", data.display()))
        .envs(settings.iter().copied());
    let mut hub = Hub::launch(command, data);
    hub.wait_until_ready();
    hub
}

/// The owner's token.
pub async fn sign_in(hub: &Hub) -> String {
    let asked = crate::harness::client()
        .post(format!("http://{}/api/v1/auth/login", hub.address))
        .json(&json!({"email": EMAIL, "password": PASSWORD}));
    let tokens: Value = asked.send().await.unwrap().json().await.unwrap();
    tokens["access_token"].as_str().unwrap().to_owned()
}
