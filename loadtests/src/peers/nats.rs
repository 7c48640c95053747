//! NATS over its WebSocket listener.

use super::Server;
use super::process::{Process, Scratch, free_port, version};
use crate::client::{Dialect, Door};
use crate::publish::Route;
use std::process::Command;

const SUBJECT: &str = "load";
const PROGRAM: &str = "nats-server";

pub fn start() -> anyhow::Result<Server> {
    let name = version(PROGRAM, "--version")?.replace("nats-server: v", "nats ");
    let (scratch, plain, web) = (Scratch::new("nats")?, free_port()?, free_port()?);
    let path = scratch.path().join("nats.conf");
    let configuration =
        format!("listen: \"{plain}\"\nwebsocket {{ listen: \"{web}\", no_tls: true, compression: false }}\n");
    std::fs::write(&path, configuration)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-c").arg(&path);
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(plain)?;
    process.accepts(web)?;
    Ok(Server {
        name,
        pid: process.pid(),
        door: Door {
            address: web,
            path: "/".to_owned(),
            dialect: Dialect::Nats {
                subject: SUBJECT.to_owned(),
            },
        },
        route: Route::Nats {
            address: plain,
            subject: SUBJECT.to_owned(),
        },
        _running: Box::new((process, scratch)),
    })
}
