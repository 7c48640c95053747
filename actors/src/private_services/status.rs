//! What a watcher can know about a private server.

use serde::Serialize;
use time::OffsetDateTime;

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// Started, does not answer yet.
    Starting,
    /// Answers.
    Running,
    /// Died; the next start waits for its backoff.
    Restarting,
    /// Stopped because the hub asked.
    Stopped,
}

/// One server as it is now.
#[derive(Debug, Clone, Serialize)]
pub struct ServerStatus {
    /// `postgres` or `redis`.
    pub name: &'static str,
    pub state: ServerState,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Restarts since the hub started.
    pub restarts: u32,
    /// Why it last ended.
    pub last_reason: Option<String>,
    /// When it came into this state.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}
