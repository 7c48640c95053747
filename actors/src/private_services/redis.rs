//! The private Redis: its settings, and when it is ready.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::folder::Folder;
use super::keeper::Server;
use super::{RedisBinary, ServicesError, child};

pub(super) const SOCKET: &str = "redis.sock";
const DATA: &str = "redis";

/// The server as the keeper runs it.
pub(super) fn server(folder: &Folder, hub: &Path, binary: &RedisBinary) -> Server {
    let data = folder.servers.join(DATA);
    let lock = data.join("lock");
    let (hub, identity, program) = (hub.to_owned(), folder.identity, binary.program.clone());
    let socket = folder.sockets.join(SOCKET);
    let asked = socket.clone();
    Server::new(
        "redis",
        folder.log("redis"),
        Signal::SIGTERM,
        Box::new(move || {
            let mut command = child::command(&hub, identity, Signal::SIGTERM, Some(&lock), &program);
            command
                .args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"])
                .arg(&socket)
                .args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""])
                // What does not fit is an error for the writer, never a silent loss.
                .args(["--maxmemory-policy", "noeviction", "--daemonize", "no", "--dir"])
                .arg(&data)
                .current_dir(&data);
            command
        }),
        Box::new(move |_| answers(&asked)),
    )
}

/// Loading a large file takes a while; until then PING is answered with LOADING.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}

/// Removes what the Redis below `servers` wrote to disk.
pub(super) fn forget(servers: &Path) -> Result<(), ServicesError> {
    let kept = servers.join(DATA).join("appendonlydir");
    match std::fs::remove_dir_all(&kept) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(ServicesError::io(format!("remove {}", kept.display()), e))
        }
        _ => Ok(()),
    }
}
