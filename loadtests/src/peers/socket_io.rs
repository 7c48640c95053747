//! Socket.IO's own server on Node: `npm install socket.io` in a folder, and a script of a few lines.

use super::Server;
use super::process::{Process, Scratch, free_port, version};
use crate::client::{Dialect, Door};
use crate::publish::Route;
use anyhow::Context;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

pub fn start(folder: &Path) -> anyhow::Result<Server> {
    let package = folder.join("node_modules/socket.io/package.json");
    let missing = || format!("socket.io is not installed in {}", folder.display());
    let package: Value = serde_json::from_str(&std::fs::read_to_string(package).with_context(missing)?)?;
    let node = version("node", "--version")?;
    let (scratch, address) = (Scratch::new("socket-io")?, free_port()?);
    let script = scratch.path().join("server.mjs");
    std::fs::write(&script, include_str!("socket_io.mjs"))?;
    let mut command = Command::new("node");
    command
        .arg(&script)
        .arg(folder.canonicalize()?)
        .arg(address.port().to_string());
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(address)?;
    Ok(Server {
        name: format!(
            "socket.io {} on node {node}",
            package["version"].as_str().unwrap_or_default()
        ),
        pid: process.pid(),
        door: Door {
            address,
            path: "/socket.io/?EIO=4&transport=websocket".to_owned(),
            dialect: Dialect::SocketIo,
        },
        route: Route::Lines {
            address,
            path: "/publish".to_owned(),
        },
        _running: Box::new((process, scratch)),
    })
}
