//! `signalbox serve`: starts the floors from below and stops them from above.
//!
//! Start: servers, secret, migrations, store, actors, HTTP. Stop: the same backwards, `server.shutdown_seconds` in
//! all; a second signal ends at once, and then the kernel ends the private servers cleanly.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sha2::{Digest, Sha256};
use signalbox_actors::live_hub::LiveHub;
use signalbox_actors::nodes::Nodes;
use signalbox_actors::presence::Presence;
use signalbox_actors::private_services::{PrivateServices, ServerState};
use signalbox_actors::supervision::Tree;
use signalbox_actors::user_cache::UserCache;
use signalbox_core::Store;
use signalbox_core::auth;
use signalbox_core::jobs::{KeptDays, Node};
use signalbox_core::kernel::id::BootId;
use signalbox_jobs::Workers;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::actors::Actors;
use crate::cli::{say, say_how_to_sign_in};
use crate::config::{Role, Settings};
use crate::health::{self, Health};
use crate::http::access::FromMemory;
use crate::http::admission::Admission;
use crate::http::server_api::{self, ServerApi};
use crate::http::system::{System, fault_routes};
use crate::listener;
use crate::live::{self, Application, Door, Live};
use crate::running::{Notice, Running};
use crate::servers::Servers;
use crate::stop::{self, Floors};
use crate::{
    http::{self, State},
    logging, metrics, store,
};

/// How often a start looks whether live delivery has opened.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    actix_web::rt::System::with_tokio_rt(|| runtime).block_on(async {
        let mut signals = StopSignals::listen()?;
        let drain = signal(SignalKind::user_defined1())?;
        let outcome = floors(&settings, &servers, &mut signals, drain).await;
        if let Some(private) = servers.private.clone() {
            tokio::select! {
                _ = actix_web::rt::task::spawn_blocking(move || private.stop()) => {}
                () = signals.next() => end_at_once(),
            }
        }
        tracing::info!("stopping: the servers have stopped");
        outcome
    })
}

/// Everything above the servers.
async fn floors(
    settings: &Settings,
    servers: &Servers,
    signals: &mut StopSignals,
    drain: Signal,
) -> anyhow::Result<()> {
    let health = web::Data::new(Health::default());
    if let Some(private) = &servers.private {
        watch_private(&health, private);
    }
    let store = tokio::select! {
        store = first_start(settings, servers) => store?,
        () = signals.next() => return Ok(()),
    };
    watch_store(&health, &store);
    let recorder = web::Data::new(metrics::install().context("metrics cannot be recorded")?);
    let node = BootId::new().to_string();
    let actors = Actors::start(settings, servers, &store, &node).await?;
    watch_actors(&health, &actors.tree);
    watch_live(&health, &actors.hub);
    let access = FromMemory {
        sessions: actors.sessions.clone(),
        permissions: actors.permissions.clone(),
        clock: store.clock.clone(),
    };
    let workers = settings
        .has_role(Role::Jobs)
        .then(|| start_workers(settings, &store))
        .transpose()?;
    let state = State::start(store.clone(), Arc::new(settings.clone()))
        .await?
        .with_access(Arc::new(access))
        .with_users(UserCache::start(&store, &actors.sessions));
    let system = web::Data::new(System {
        tree: actors.tree.clone(),
        node,
        started_at: store.clock.now(),
    });
    let state = web::Data::new(state);
    let application = Application::new(&settings.live, store.clock.clone())?;
    let door = Door::new(
        state.clone(),
        actors.sessions.clone(),
        actors.permissions.clone(),
        application,
    );
    let live = web::Data::new(Live::new(
        settings,
        store.clone(),
        actors.hub.clone(),
        actors.presence.clone(),
        actors.polls.clone(),
        actors.nodes.clone(),
        Arc::new(door),
    ));
    let shared = Shared {
        state,
        live,
        system,
        nodes: web::Data::new(actors.nodes.clone()),
        presence: web::Data::new(actors.presence.clone()),
        server_api: web::Data::new(ServerApi::new(settings, &store, &actors.nodes, &actors.presence)),
        admission: web::Data::new(Admission::to(actors.hub.clone(), settings.live.connection_rate)),
        health: health.clone(),
        recorder,
    };
    let outside = store.outside.clone();
    let (address, mut http) = serve_http(settings, shared)?;
    outside.console_is_at(console_address(settings, address));
    let announcing = async {
        while !actors.hub.has_opened() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        say(format_args!(
            "Signalbox is ready: {}",
            console_address(settings, address)
        ));
        std::future::pending::<Infallible>().await
    };
    let _notice = notice(settings, address);
    let drained = drained(drain, &health, &actors, settings.live.drain_per_second);
    let ended = tokio::select! {
        ended = &mut http => Some(ended),
        () = signals.next() => None,
        never = announcing => match never {},
        never = drained => match never {},
    };
    let floors = Floors {
        http: ended.is_none().then_some(http),
        workers,
        actors,
        store,
        drain_per_second: settings.live.drain_per_second,
    };
    tokio::select! {
        outcome = floors.stop(&health, Duration::from_secs(settings.server.shutdown_seconds)) => {
            ended.unwrap_or(Ok(())).context("the HTTP server ended by itself")?;
            outcome.context("the HTTP server failed")
        }
        () = signals.next() => end_at_once(),
    }
}

/// Lets commands find this hub. Without it the hub runs all the same.
fn notice(settings: &Settings, address: SocketAddr) -> Option<Notice> {
    let said = settings
        .data_dir()
        .and_then(|dir| Ok(Running::notice(&dir, address)?));
    match said {
        Ok(None) => tracing::warn!("another hub runs on this data folder; `signalbox drain` finds that one"),
        Err(ref error) => tracing::warn!(%error, "`signalbox drain` will not find this hub"),
        Ok(Some(_)) => {}
    }
    said.ok().flatten()
}

/// Once it is told to: not ready any more, and whoever is connected or still comes in is moved to other nodes, for as long
/// as the hub runs. Requests are served as before.
async fn drained(mut told: Signal, health: &Health, actors: &Actors, per_second: u32) -> Infallible {
    told.recv().await;
    health.drain();
    let others = actors.nodes.others().len();
    tracing::info!(
        connections = actors.hub.connections(),
        others,
        "draining: not ready from now on"
    );
    if others == 0 {
        tracing::warn!("draining: no other node lives, so clients wait until one does");
    }
    loop {
        actors.hub.drain(per_second, None).await;
        if actors.hub.connections() == 0 {
            tracing::info!("draining: no client is left");
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Opens the store, and on a new installation makes its first owner and says how to sign in.
async fn first_start(settings: &Settings, servers: &Servers) -> anyhow::Result<Store> {
    let store = store::open(settings, servers).await?;
    let (email, password) = (
        settings.bootstrap.email.as_deref(),
        settings.bootstrap.password.clone(),
    );
    let made = auth::bootstrap(&store, email, password)
        .await
        .context("the first owner cannot be made; see bootstrap.email and bootstrap.password")?;
    if let Some(owner) = made {
        say_how_to_sign_in(&owner);
    }
    Ok(store)
}

/// Job workers under a name that outlives this start, so that a restarted node frees at once what it held.
fn start_workers(settings: &Settings, store: &Store) -> anyhow::Result<Workers> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let place = Sha256::digest(settings.data_dir()?.as_os_str().as_encoded_bytes());
    let options = signalbox_jobs::Options {
        node: Node {
            name: format!("{}-{}", host.trim(), hex::encode(&place[..4])),
            boot: BootId::new(),
        },
        concurrency: settings.jobs.concurrency,
        lease_seconds: settings.jobs.lease_seconds as f64,
        kept: KeptDays {
            succeeded: settings.jobs.kept_days.succeeded.into(),
            cancelled: settings.jobs.kept_days.cancelled.into(),
            failed: settings.jobs.kept_days.failed.into(),
        },
    };
    let kinds = signalbox_jobs::registry(&longest_runs(settings));
    Ok(Workers::start(store.clone(), kinds, options))
}

fn longest_runs(settings: &Settings) -> signalbox_jobs::Longest {
    let seconds = &settings.jobs.longest_run_seconds;
    signalbox_jobs::Longest {
        imports: Duration::from_secs(seconds.imports),
        mail: Duration::from_secs(seconds.mail),
        sms: Duration::from_secs(seconds.sms),
        acts_on_many: Duration::from_secs(seconds.acts_on_many),
        exports: Duration::from_secs(seconds.exports),
        erasures: Duration::from_secs(seconds.erasures),
    }
}

fn watch_actors(health: &Health, tree: &Tree) {
    let tree = tree.clone();
    health.add("actors", move || {
        std::future::ready(
            tree.ready()
                .map(|()| "all run".into())
                .map_err(|red| red.join("; ")),
        )
    });
}

/// Nobody is sent here before live delivery has opened once: the node must hear itself through the bus first. A bus that
/// is cut later ends streams and nothing else, so that is told and not red: requests are served as before.
fn watch_live(health: &Health, hub: &LiveHub) {
    let hub = hub.clone();
    health.add("live_delivery", move || {
        std::future::ready(match (hub.is_open(), hub.has_opened()) {
            (true, _) => Ok("open".to_owned()),
            (false, true) => Ok("interrupted, and opens again by itself when the bus is heard".to_owned()),
            (false, false) => Err("not open yet: this node does not hear itself through Redis".to_owned()),
        })
    });
}

/// What every worker of the HTTP server has.
#[derive(Clone)]
struct Shared {
    state: web::Data<State>,
    live: web::Data<Live>,
    system: web::Data<System>,
    nodes: web::Data<Nodes>,
    presence: web::Data<Presence>,
    server_api: web::Data<ServerApi>,
    admission: web::Data<Admission>,
    health: web::Data<Health>,
    recorder: web::Data<PrometheusHandle>,
}

fn serve_http(settings: &Settings, shared: Shared) -> anyhow::Result<(SocketAddr, Server)> {
    let listen = settings.server.listen;
    let app = move || {
        let shared = shared.clone();
        http::app(shared.state)
            .app_data(shared.live)
            .app_data(shared.system.clone())
            .app_data(shared.nodes)
            .app_data(shared.presence)
            .app_data(shared.server_api)
            .app_data(shared.admission)
            .app_data(shared.health)
            .app_data(shared.recorder)
            .configure(|app| fault_routes(app, &shared.system))
            .configure(live::routes)
            .configure(server_api::routes)
            .configure(health::routes)
            .configure(metrics::routes)
    };
    let listener = listener::bind(listen).with_context(|| {
        format!(
            "cannot listen on {listen}. Stop what uses that address, or choose another with --listen; port 0 \
             takes a free one"
        )
    })?;
    let address = listener.local_addr()?;
    let terms = listener::Terms {
        workers: None,
        shutdown_seconds: stop::for_requests(settings.server.shutdown_seconds),
        unasked: Duration::from_secs(15),
        on_connect: live::on_connect,
    };
    Ok((address, listener::serve(listener, terms, app)?))
}

fn watch_private(health: &Health, private: &Arc<PrivateServices>) {
    let private = Arc::clone(private);
    health.add("private_servers", move || {
        let down: Vec<_> = private
            .status()
            .into_iter()
            .filter(|s| s.state != ServerState::Running)
            .collect();
        let told = down.iter().map(|s| {
            format!(
                "{} is {:?}: {}",
                s.name,
                s.state,
                s.last_reason.as_deref().unwrap_or("-")
            )
        });
        let told = told.collect::<Vec<_>>().join("; ");
        // without Redis requests are served as before, so that alone turns nobody away
        std::future::ready(match down.iter().all(|server| server.name == "redis") {
            _ if down.is_empty() => Ok("both run".to_owned()),
            true => Ok(told),
            false => Err(told),
        })
    });
}

fn watch_store(health: &Health, store: &Store) {
    let (db, bus) = (store.db.clone(), store.bus.clone());
    health.add("postgresql", move || {
        let db = db.clone();
        async move {
            db.ping()
                .await
                .map(|()| "answers".into())
                .map_err(|e| e.to_string())
        }
    });
    health.add("redis", move || {
        let bus = bus.clone();
        async move {
            // told and not red: without Redis streams end, and requests are served as before
            let answer = tokio::time::timeout(Duration::from_secs(1), bus.ping()).await;
            Ok(match answer {
                Ok(Ok(())) => "answers".to_owned(),
                Ok(Err(error)) => format!("does not answer: {error}"),
                Err(_) => "does not answer".to_owned(),
            })
        }
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

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
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
