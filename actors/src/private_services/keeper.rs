//! The thread that keeps the servers. It never ends: a server lives exactly as long as the thread that
//! started it (Linux sends the death signal at the end of the thread, not of the process).

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use signalbox_core::kernel::clock::Clock;
use time::OffsetDateTime;

use super::folder::Folder;
use super::{
    Binaries, RedisBinary, STOP_WITHIN, ServerState, ServerStatus, ServicesError, Urls, postgres, redis,
};

/// How often the servers are looked at.
const BEAT: Duration = Duration::from_millis(20);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MOST: Duration = Duration::from_secs(5);
/// A server that ran this long has recovered: its backoff begins anew.
const RECOVERED: Duration = Duration::from_secs(10);
/// At the first start a server that keeps ending is given up after this; an earlier hub's server may still be
/// on its way out.
const GIVE_UP: Duration = Duration::from_secs(15);
/// Replaying a long log after a power cut takes a while; this bounds the wait for a server that lives.
const READY_WITHIN: Duration = Duration::from_mins(5);
/// A log larger than this is moved aside at the next start, in bytes.
const LOG_MOST: u64 = 10 * 1024 * 1024;

/// The order to stop; `done` hears when the servers are gone.
pub(super) struct Stop {
    pub done: Sender<()>,
}

/// What the starter learns.
pub(super) struct Started {
    pub urls: Urls,
    pub notice: Option<String>,
}

/// The thread's whole life.
pub(super) fn run(
    dir: &Path,
    hub: &Path,
    report: &Sender<Result<Started, ServicesError>>,
    orders: &Receiver<Stop>,
    status: &Mutex<Vec<ServerStatus>>,
) {
    let (folder, mut servers) = match prepare(dir, hub) {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = report.send(Err(error));
            return;
        }
    };
    let publish = |servers: &[Server]| *status.lock() = servers.iter().map(Server::status).collect();
    let ready = wait_until_ready(&mut servers);
    publish(&servers);
    if let Err(error) = ready {
        stop(&mut servers);
        drop(folder);
        let _ = report.send(Err(error));
        return;
    }
    let _ = report.send(Ok(Started {
        urls: Urls::at(&folder.sockets),
        notice: folder.notice.clone(),
    }));
    let order = loop {
        match orders.recv_timeout(BEAT) {
            Ok(order) => break Some(order),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {
                for server in &mut servers {
                    server.beat();
                }
                publish(&servers);
            }
        }
    };
    stop(&mut servers);
    publish(&servers);
    // The lock goes before the answer, so that whoever waited for it may start anew on the folder.
    drop(folder);
    if let Some(order) = order {
        let _ = order.done.send(());
    }
}

fn prepare(dir: &Path, hub: &Path) -> Result<(Folder, [Server; 2]), ServicesError> {
    let folder = Folder::prepare(dir, hub)?;
    let binaries = Binaries {
        redis: RedisBinary::find()?,
        postgres: postgres::prepare(&folder, hub)?,
    };
    let servers = [
        postgres::server(&folder, hub, &binaries.postgres),
        redis::server(&folder, hub, &binaries.redis),
    ];
    Ok((folder, servers))
}

fn wait_until_ready(servers: &mut [Server]) -> Result<(), ServicesError> {
    let begun = Instant::now();
    loop {
        for server in &mut *servers {
            server.beat();
        }
        if servers.iter().all(|server| server.state == ServerState::Running) {
            return Ok(());
        }
        let late = |server: &&Server| {
            server.state != ServerState::Running
                && ((server.restarts > 0 && begun.elapsed() > GIVE_UP) || begun.elapsed() > READY_WITHIN)
        };
        if let Some(server) = servers.iter().find(late) {
            let reason = server
                .last_reason
                .clone()
                .unwrap_or_else(|| "it did not answer in time".into());
            return Err(ServicesError::Server {
                what: server.name.into(),
                reason: format!("{reason}\n{}", log_end(&server.log)),
                log: server.log.clone(),
            });
        }
        std::thread::sleep(BEAT);
    }
}

/// Redis first, then PostgreSQL: the truth closes last. What does not go in time is killed.
fn stop(servers: &mut [Server]) {
    for server in servers.iter_mut().rev() {
        server.signal(server.stop_signal);
    }
    let until = Instant::now() + STOP_WITHIN;
    for server in servers.iter_mut().rev() {
        while server.lives() && Instant::now() < until {
            std::thread::sleep(BEAT);
        }
        if server.lives() {
            tracing::warn!(server = server.name, "did not stop in time and is killed");
            // For PostgreSQL: immediate shutdown, which ends its own children too; the next start replays its log.
            server.signal(Signal::SIGQUIT);
            std::thread::sleep(Duration::from_millis(500));
            server.signal(Signal::SIGKILL);
        }
        server.ended(ServerState::Stopped, None);
    }
}

type MakeCommand = Box<dyn Fn() -> Command + Send>;
type IsReady = Box<dyn Fn(u32) -> bool + Send>;

/// One server and where it stands.
pub(super) struct Server {
    name: &'static str,
    log: PathBuf,
    stop_signal: Signal,
    command: MakeCommand,
    is_ready: IsReady,
    child: Option<Child>,
    state: ServerState,
    since: OffsetDateTime,
    started: Instant,
    next_start: Instant,
    backoff: Duration,
    restarts: u32,
    last_reason: Option<String>,
}

impl Server {
    pub(super) fn new(
        name: &'static str,
        log: PathBuf,
        stop_signal: Signal,
        command: MakeCommand,
        is_ready: IsReady,
    ) -> Self {
        let now = Instant::now();
        Self {
            name,
            log,
            stop_signal,
            command,
            is_ready,
            child: None,
            state: ServerState::Starting,
            since: Clock::system().now(),
            started: now,
            next_start: now,
            backoff: BACKOFF_FIRST,
            restarts: 0,
            last_reason: None,
        }
    }

    fn status(&self) -> ServerStatus {
        ServerStatus {
            name: self.name,
            state: self.state,
            pid: self.child.as_ref().map(Child::id),
            restarts: self.restarts,
            last_reason: self.last_reason.clone(),
            since: self.since,
        }
    }

    /// One look: starts what is due, notices what died or became ready.
    fn beat(&mut self) {
        let Some(child) = &mut self.child else {
            if Instant::now() >= self.next_start {
                self.start();
            }
            return;
        };
        match child.try_wait() {
            Ok(None) => {
                let pid = child.id();
                if self.state == ServerState::Starting && (self.is_ready)(pid) {
                    self.enter(ServerState::Running);
                }
                if self.state == ServerState::Running && self.started.elapsed() > RECOVERED {
                    self.backoff = BACKOFF_FIRST;
                }
            }
            Ok(Some(status)) => self.failed(format!("it ended with {status}")),
            Err(error) => self.failed(format!("it cannot be watched: {error}")),
        }
    }

    fn start(&mut self) {
        self.started = Instant::now();
        match self.spawn() {
            Ok(child) => {
                self.child = Some(child);
                self.enter(ServerState::Starting);
            }
            Err(error) => self.failed(format!("it cannot be started: {error}")),
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        if std::fs::metadata(&self.log).is_ok_and(|log| log.len() > LOG_MOST) {
            std::fs::rename(&self.log, self.log.with_extension("log.1"))?;
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        (self.command)().stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn failed(&mut self, reason: String) {
        tracing::warn!(
            server = self.name,
            reason,
            wait_ms = self.backoff.as_millis(),
            "a private server ended"
        );
        self.ended(ServerState::Restarting, Some(reason));
        self.restarts += 1;
        self.next_start = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_MOST);
    }

    fn ended(&mut self, state: ServerState, reason: Option<String>) {
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        if reason.is_some() {
            self.last_reason = reason;
        }
        self.enter(state);
    }

    fn enter(&mut self, state: ServerState) {
        self.state = state;
        self.since = Clock::system().now();
    }

    fn lives(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    fn signal(&mut self, signal: Signal) {
        // Only while it has not been waited for: afterwards the number may be somebody else's.
        if self.lives()
            && let Some(child) = &self.child
        {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
        }
    }
}

/// The last lines of a log, for the message of a start that failed.
pub(super) fn log_end(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines
        .iter()
        .rev()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
