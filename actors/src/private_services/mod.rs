//! The private PostgreSQL and Redis of a hub that was given none.
//!
//! One thread that never ends ([`keeper`]) prepares the data folder, starts both servers, restarts what dies
//! and stops them with the hub. Servers listen on Unix sockets in a folder that only their user can enter;
//! that folder is the access control.
//!
//! Invariant: no server outlives its hub, not even after `kill -9`: each carries a death signal that the
//! kernel sends. Linux binds that signal to the *thread* that started the child, hence the one thread.
//! Invariant: one hub a data folder ([`folder`] holds a lock), and one server process a data set (each server
//! holds a lock of its own until its last process is gone).
//! Invariant: a data set appears whole or not at all: it is made beside its place and renamed.
//!
//! No unsafe code: what must happen between fork and exec happens in a process of our own, the hidden
//! `signalbox __child` ([`child`]), which changes identity and then becomes the server.

mod binaries;
pub mod child;
mod error;
mod folder;
mod identity;
mod keeper;
mod postgres;
mod redis;
mod status;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;

pub use binaries::{Binaries, PostgresBinaries, RedisBinary};
pub use error::ServicesError;
pub use status::{ServerState, ServerStatus};
pub use watch::ServerWatch;

/// How long a stop may take before the servers are killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Running private servers; stops them when dropped.
pub struct PrivateServices {
    urls: Urls,
    notice: Option<String>,
    status: Arc<Mutex<Vec<ServerStatus>>>,
    orders: Sender<keeper::Stop>,
}

impl PrivateServices {
    /// Starts both servers on `dir` (absolute; made when missing) and returns when they answer.
    ///
    /// `hub` is the program whose hidden `__child` command starts them: the hub's own.
    ///
    /// # Errors
    /// Says what is missing or in the way, and how to mend it.
    pub fn start(dir: &Path, hub: &Path) -> Result<Self, ServicesError> {
        let (orders, received) = channel();
        let (report, reported) = channel();
        let status = Arc::new(Mutex::new(Vec::new()));
        let (dir, hub, shared) = (dir.to_owned(), hub.to_owned(), Arc::clone(&status));
        std::thread::Builder::new()
            .name("private-services".into())
            .spawn(move || keeper::run(&dir, &hub, &report, &received, &shared))
            .map_err(|source| ServicesError::io("start the thread of the private servers", source))?;
        let started = reported.recv().unwrap_or(Err(ServicesError::Ended))?;
        Ok(Self {
            urls: started.urls,
            notice: started.notice,
            status,
            orders,
        })
    }

    /// Where the servers listen.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// A line for the person who starts the hub, when the data lies elsewhere than they would look.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// What each server does at this moment.
    pub fn status(&self) -> Vec<ServerStatus> {
        self.status.lock().clone()
    }

    /// Stops Redis and PostgreSQL and waits until they are gone, at most 10 s. Safe to call twice.
    pub fn stop(&self) {
        let (done, wait) = channel();
        if self.orders.send(keeper::Stop { done }).is_ok() {
            let _ = wait.recv_timeout(STOP_WITHIN + Duration::from_secs(2));
        }
    }
}

impl Drop for PrivateServices {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Addresses of the private servers. They hold no secret: the socket folder is the access control.
#[derive(Debug, Clone)]
pub struct Urls {
    /// As `signalbox_app`, the role the hub works with.
    pub app: String,
    /// As `signalbox_owner`, who owns the tables.
    pub owner: String,
    /// As the cluster's superuser, for backup and restore.
    pub superuser: String,
    /// Redis.
    pub redis: String,
    /// The folder of the sockets.
    pub sockets: PathBuf,
}

impl Urls {
    /// The addresses of servers whose sockets lie in `sockets`, a path without characters that a URL escapes.
    pub fn at(sockets: &Path) -> Self {
        let as_role = |role: &str| {
            format!(
                "postgres://{role}@localhost/{}?host={}",
                postgres::DATABASE,
                sockets.display()
            )
        };
        Self {
            app: as_role("signalbox_app"),
            owner: as_role("signalbox_owner"),
            superuser: as_role(postgres::SUPERUSER),
            redis: format!("redis+unix://{}", sockets.join(redis::SOCKET).display()),
            sockets: sockets.to_owned(),
        }
    }

    /// The addresses of the hub that is running on `dir` at this moment, if one is.
    pub fn of_running(dir: &Path) -> Option<Self> {
        folder::is_locked(dir)
            .then(|| folder::sockets_of(dir))
            .flatten()
            .map(|sockets| Self::at(&sockets))
    }
}

/// Forgets what the private Redis of `dir` held: after a restore it would speak of another past.
/// Only for a data folder that no hub is running on.
pub fn forget_redis(dir: &Path) -> Result<(), ServicesError> {
    let _lock = folder::lock(dir)?;
    redis::forget(&dir.join(folder::SERVERS))
}
