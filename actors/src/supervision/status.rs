//! What anybody may see of an actor: the items of `GET /api/v1/system/actors`.

use serde::Serialize;
use time::OffsetDateTime;

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    /// Not yet seen to take messages since the tree or the child was started.
    Starting,
    /// Takes messages.
    Running,
    /// Went down; pausing before, or in the middle of, coming back. Messages keep waiting.
    Restarting,
    /// Went down too often. Stays so (readiness red) until a retry has lived through a whole window.
    Failed,
    /// Stopped with the tree.
    Stopped,
}

impl ActorState {
    /// The word used on the wire and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Messages waiting, and how many may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MailboxStatus {
    /// Messages waiting to be taken.
    pub depth: usize,
    /// The next message beyond this is answered `Busy`.
    pub capacity: usize,
}

/// How long messages took, in microseconds, over the whole life of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HandlingTime {
    /// Arithmetic mean.
    pub mean: u64,
    /// The longest one.
    pub max: u64,
}

/// One actor, as the console and the metrics show it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ActorStatus {
    /// Unique in the tree.
    pub name: String,
    /// Its role.
    pub kind: String,
    /// Whom it belongs to, for display.
    pub parent: Option<String>,
    /// Where it is in its life.
    pub state: ActorState,
    /// How often it has been brought back since the process started.
    pub restarts: u64,
    /// Why it last went down; at most 200 characters, one line.
    pub last_reason: Option<String>,
    /// Messages waiting.
    pub mailbox: MailboxStatus,
    /// Messages handled to their end since the process started.
    pub handled: u64,
    /// How long they took.
    pub handling_us: HandlingTime,
    /// Milliseconds since it could last have taken a message; `null` when nothing runs.
    pub heartbeat_age_ms: Option<u64>,
    /// When `state` began.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}
