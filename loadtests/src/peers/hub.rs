//! The hub itself, with its private servers, as an operator starts it.

use super::Server;
use crate::client::{Dialect, Door};
use crate::hub::Hub;
use crate::publish::Route;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use std::path::Path;

/// For the server API.
pub const KEY: &str = "a key of the load tests and of nobody else";
/// For the tokens of application users.
pub const SECRET: &str = "a secret of the load tests that is long enough";
/// A channel without history.
pub const PLAIN: &str = "load:all";
/// A channel whose subscribers can resume.
pub const HISTORY: &str = "kept:all";

/// What the scenarios need of an installation.
pub fn configuration() -> String {
    format!(
        "[live.token]
hmac_secret = \"{SECRET}\"
[live.api]
keys = [\"{KEY}\"]
[live.namespaces.load]
allow_subscribe_for_client = true
[live.namespaces.kept]
allow_subscribe_for_client = true
history_size = 10000
history_ttl = \"1h\"
force_recovery = true
"
    )
}

pub async fn start(binary: &Path, channel: &str) -> anyhow::Result<Server> {
    let hub = Hub::start_with(binary, &configuration()).await?;
    Ok(Server {
        name: hub.version(),
        pid: hub.pid(),
        door: door(&hub, channel)?,
        route: Route::Api {
            address: hub.address,
            key: KEY.to_owned(),
            channel: channel.to_owned(),
        },
        _running: Box::new(hub),
    })
}

/// Where a user of the application subscribes to `channel`.
pub fn door(hub: &Hub, channel: &str) -> anyhow::Result<Door> {
    Ok(member_door(hub, &application_token("load")?, channel))
}

/// Where whoever holds `token` subscribes to `channel`.
pub fn member_door(hub: &Hub, token: &str, channel: &str) -> Door {
    Door {
        address: hub.address,
        path: "/connection/websocket".to_owned(),
        dialect: Dialect::Centrifuge {
            token: token.to_owned(),
            channel: channel.to_owned(),
        },
    }
}

/// The token of an application's user, good until 2100.
pub fn application_token(user: &str) -> anyhow::Result<String> {
    let claims = json!({"sub": user, "exp": 4_102_444_800_i64});
    Ok(encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )?)
}
