//! Nchan: Debian's nginx with libnginx-mod-nchan, two workers.

use super::Server;
use super::process::{Process, Scratch, free_port, version};
use crate::client::{Dialect, Door};
use crate::publish::Route;
use anyhow::Context;
use nix::unistd::Uid;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

const MODULES: [&str; 2] = [
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
];
const NGINX: &str = "/usr/sbin/nginx";

pub fn start() -> anyhow::Result<Server> {
    let module = MODULES.iter().find(|module| Path::new(module).exists());
    let module = module.context("libnginx-mod-nchan is not installed")?;
    let (scratch, address) = (Scratch::new("nchan")?, free_port()?);
    let path = scratch.path().join("nginx.conf");
    std::fs::write(&path, configuration(scratch.path(), module, address))?;
    let mut command = Command::new(NGINX);
    command.arg("-c").arg(&path).arg("-p").arg(scratch.path());
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(address)?;
    let nginx = version(NGINX, "-v")?;
    let nginx = nginx.rsplit(' ').next().unwrap_or_default();
    Ok(Server {
        name: format!("nchan {} on {nginx}", package().unwrap_or_default()),
        pid: process.pid(),
        door: Door {
            address,
            path: "/subscribe".to_owned(),
            dialect: Dialect::Plain,
        },
        route: Route::Each {
            address,
            path: "/publish".to_owned(),
        },
        _running: Box::new((process, scratch)),
    })
}

/// The package's version, where dpkg knows it.
fn package() -> Option<String> {
    let asked = Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", "libnginx-mod-nchan"])
        .output();
    String::from_utf8(asked.ok()?.stdout).ok()
}

fn configuration(folder: &Path, module: &str, address: SocketAddr) -> String {
    // the workers must reach the folder, whoever started this
    let user = if Uid::effective().is_root() {
        "user root;"
    } else {
        ""
    };
    let folder = folder.display();
    format!(
        "load_module {module};
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log error;
worker_processes 2;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  nchan_shared_memory_size 256M;
  nchan_message_buffer_length 1000;
  nchan_message_timeout 60s;
  server {{
    listen {address} backlog=4096;
    location = /subscribe {{
      nchan_subscriber websocket;
      nchan_subscriber_first_message newest;
      nchan_channel_id load;
    }}
    location = /publish {{
      nchan_publisher http;
      nchan_channel_id load;
    }}
  }}
}}
"
    )
}
