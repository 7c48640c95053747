//! `signalbox serve`: starts the floors from below and stops them from above.
//!
//! Start: servers, HTTP. Stop: the same backwards, `server.shutdown_seconds` in all; a second signal ends at
//! once, and then the kernel ends the private servers cleanly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signalbox_actors::private_services::{PrivateServices, ServerState};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::say;
use crate::config::Settings;
use crate::health::{self, Health};
use crate::logging;
use crate::servers::Servers;

/// Runs the hub until a signal stops it.
///
/// # Errors
/// What kept it from starting, with how to mend it.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    logging::install(&settings.log);
    allow_many_files();
    let servers = Servers::start(&settings)?;
    if let Some(notice) = servers.private.as_ref().and_then(|private| private.notice()) {
        say(notice);
    }
    let outcome = actix_web::rt::System::new().block_on(floors(&settings, &servers));
    servers.stop();
    outcome
}

/// Everything above the servers.
async fn floors(settings: &Settings, servers: &Servers) -> anyhow::Result<()> {
    let mut stop = StopSignals::listen()?;
    let health = web::Data::new(Health::default());
    if let Some(private) = &servers.private {
        watch_private(&health, private);
    }
    let (address, http, running) = start_http(settings, health.clone())?;
    say(format_args!(
        "Signalbox is ready: {}",
        console_address(settings, address)
    ));
    stop.first().await;
    tracing::info!("stopping");
    health.drain();
    let ending = async {
        http.stop(true).await;
        running.await
    };
    tokio::select! {
        ended = tokio::time::timeout(Duration::from_secs(settings.server.shutdown_seconds), ending) => {
            if let Ok(outcome) = ended {
                return outcome.context("the HTTP server task failed")?.context("the HTTP server failed");
            }
            tracing::warn!("the stop took too long and is cut short");
            Ok(())
        }
        () = stop.second() => end_at_once(),
    }
}

type Running = actix_web::rt::task::JoinHandle<std::io::Result<()>>;

fn start_http(
    settings: &Settings,
    health: web::Data<Health>,
) -> anyhow::Result<(SocketAddr, ServerHandle, Running)> {
    let listen = settings.server.listen;
    let server = HttpServer::new(move || App::new().app_data(health.clone()).configure(health::routes))
        .disable_signals()
        .shutdown_timeout(settings.server.shutdown_seconds)
        .bind(listen)
        .with_context(|| {
            format!("cannot listen on {listen}. Stop what uses that address, or choose another with --listen; port 0 takes a free one")
        })?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    Ok((address, handle, actix_web::rt::spawn(server)))
}

fn watch_private(health: &Health, private: &Arc<PrivateServices>) {
    let private = Arc::clone(private);
    health.add("private_servers", move || {
        let down: Vec<_> = private
            .status()
            .into_iter()
            .filter(|s| s.state != ServerState::Running)
            .collect();
        std::future::ready(if down.is_empty() {
            Ok("PostgreSQL and Redis run".to_owned())
        } else {
            Err(down
                .iter()
                .map(|s| {
                    format!(
                        "{} is {:?}: {}",
                        s.name,
                        s.state,
                        s.last_reason.as_deref().unwrap_or("-")
                    )
                })
                .collect::<Vec<_>>()
                .join("; "))
        })
    });
}

fn console_address(settings: &Settings, bound: SocketAddr) -> String {
    settings.server.public_url.clone().unwrap_or_else(|| {
        // Nobody can open 0.0.0.0; on this machine the loopback address reaches it.
        let host = if bound.ip().is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            bound.ip().to_string()
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        format!("http://{host}:{}", bound.port())
    })
}

/// SIGTERM and SIGINT: the first asks to stop, the second insists.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn second(&mut self) {
        self.first().await;
    }
}

/// The private servers get their death signal from the kernel and stop cleanly by themselves.
fn end_at_once() -> ! {
    tracing::warn!("a second signal: ending at once");
    std::process::exit(130)
}

/// A connection is a file, and the usual soft limit of 1024 is meant for programs that use `select`.
fn allow_many_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
