//! Centrifugo 6, where a binary is given.

use super::Server;
use super::hub::{KEY, PLAIN, SECRET, application_token};
use super::process::{Process, Scratch, free_port, version};
use crate::client::{Dialect, Door};
use crate::publish::Route;
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::process::Command;

pub fn start(binary: Option<&Path>) -> anyhow::Result<Server> {
    let binary = binary.context("no binary was given with --centrifugo")?;
    let said = version(&binary.to_string_lossy(), "version")?;
    let (scratch, address) = (Scratch::new("centrifugo")?, free_port()?);
    let path = scratch.path().join("config.json");
    // keys as in its documentation of configuration, version 6
    let configuration = json!({
        "http_server": {"address": address.ip().to_string(), "port": address.port().to_string()},
        "log": {"level": "error"},
        "client": {"token": {"hmac_secret_key": SECRET}, "allowed_origins": ["*"]},
        "http_api": {"key": KEY},
        "channel": {"namespaces": [{"name": "load", "allow_subscribe_for_client": true}]},
    });
    std::fs::write(&path, serde_json::to_vec(&configuration)?)?;
    let mut command = Command::new(binary);
    command.arg("--config").arg(&path);
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(address)?;
    Ok(Server {
        name: said.to_lowercase(),
        pid: process.pid(),
        door: Door {
            address,
            path: "/connection/websocket".to_owned(),
            dialect: Dialect::Centrifuge {
                token: application_token("load")?,
                channel: PLAIN.to_owned(),
            },
        },
        route: Route::Api {
            address,
            key: KEY.to_owned(),
            channel: PLAIN.to_owned(),
        },
        _running: Box::new((process, scratch)),
    })
}
