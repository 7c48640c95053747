//! A job as the ledger has it.

use super::run::Run;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Kind, Result};
use crate::kernel::id::{BootId, JobId, OrganizationId, UserId};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Due, or due later.
    Waiting,
    /// Somebody holds its lease.
    Running,
    /// Held back by a person.
    Paused,
    /// Failed, and due again after a while.
    Retrying,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
    /// Ended by a person.
    Cancelled,
    /// Set aside: it took its workers down with it.
    Quarantined,
}

impl JobState {
    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Quarantined => "quarantined",
        }
    }

    /// From the database or a query; `None` for what is no state.
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [JobState; 8] = [
            JobState::Waiting,
            JobState::Running,
            JobState::Paused,
            JobState::Retrying,
            JobState::Succeeded,
            JobState::Failed,
            JobState::Cancelled,
            JobState::Quarantined,
        ];
        ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True when nothing more happens by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Quarantined
        )
    }
}

/// A job to be written into the ledger.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, made by the caller where its subject must name it.
    pub id: JobId,
    /// A constant of ours, such as `users.import`.
    pub queue: &'static str,
    /// What it does, such as `ImportUsers`.
    pub kind: &'static str,
    /// For its handler; carries what it needs to find its data, never the data.
    pub payload: Value,
    /// Grows when a handler must know; payloads only ever gain fields.
    pub payload_schema: i32,
    /// Higher goes first; -100 to 100.
    pub priority: i16,
    /// Not before this; at once when `None`.
    pub run_at: Option<OffsetDateTime>,
    /// Failures until it is given up. Crashes are counted apart.
    pub max_attempts: i32,
    /// Of unfinished jobs of a queue only one has a key.
    pub unique_key: Option<String>,
    /// What it is about: kind and id.
    pub subject: Option<(&'static str, Uuid)>,
}

impl NewJob {
    /// A job due at once, given up after five failures.
    pub fn new(queue: &'static str, kind: &'static str, payload: Value) -> Self {
        Self {
            id: JobId::new(),
            queue,
            kind,
            payload,
            payload_schema: 1,
            priority: 0,
            run_at: None,
            max_attempts: 5,
            unique_key: None,
            subject: None,
        }
    }
}

/// One row of the ledger, without payload and checkpoint.
#[derive(Clone, Debug)]
pub struct Job {
    /// Id.
    pub id: JobId,
    /// Whose.
    pub organization: OrganizationId,
    /// Queue.
    pub queue: String,
    /// Kind.
    pub kind: String,
    /// State.
    pub state: JobState,
    /// Fencing number of the present or last claim.
    pub epoch: i64,
    /// Starts so far.
    pub attempt: i32,
    /// Failures until it is given up.
    pub max_attempts: i32,
    /// Failures so far.
    pub failures: i32,
    /// Runs that ended with their worker.
    pub crashes: i32,
    /// Priority.
    pub priority: i16,
    /// Units done.
    pub progress_done: i64,
    /// Units in all, 0 while not known.
    pub progress_total: i64,
    /// Phase, empty before the first.
    pub progress_phase: String,
    /// When it is or was due.
    pub run_at: OffsetDateTime,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// First start.
    pub started_at: Option<OffsetDateTime>,
    /// End.
    pub finished_at: Option<OffsetDateTime>,
    /// Who asked.
    pub requested_by: Option<UserId>,
    /// Newest error's message.
    pub error: Option<String>,
    /// What it answered.
    pub result: Option<Value>,
    /// Whether its end was asked for.
    pub cancel_requested: bool,
    /// What it is about.
    pub subject_kind: Option<String>,
    /// Its id.
    pub subject_id: Option<Uuid>,
    /// Grows with every change.
    pub version: i64,
    /// Who asked, in full.
    pub ctx: Ctx,
}

/// One line of a job's own history.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct JobEvent {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// `enqueued`, `started`, `retrying`, ...
    pub kind: String,
    /// Attempt, message, node.
    pub detail: Value,
}

/// A node and its present start: a restarted node frees the leases of its previous one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The node's name, the same across restarts.
    pub name: String,
    /// This start.
    pub boot: BootId,
}

/// The right to run a job. Another claim ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Of the claim that gave it.
    pub epoch: i64,
}

/// For how many days ended jobs are kept, by how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptDays {
    /// Done.
    pub succeeded: i32,
    /// Ended by a person.
    pub cancelled: i32,
    /// Given up, or set aside.
    pub failed: i32,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done, with what it answers.
    Done(Value),
    /// Failed; try again after a growing pause, until `max_attempts`.
    Retry(String),
    /// Not to blame (a server is away): try again after this, without counting a failure.
    RetryAfter(String, Duration),
    /// Failed, and trying again would not help.
    Fail(String),
    /// Ended because somebody asked for it.
    Cancelled,
    /// Given back unfinished, because this node stops.
    Released,
}

impl Outcome {
    /// How a run ended that came to `done`: what a machine that is away is to blame for is tried again, what can never be is
    /// not. `what` failed, for the log.
    pub fn of(run: &Run, what: &'static str, done: Result<Self>) -> Self {
        let error = match done {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        match error.kind {
            // another run has the job: what this one answers is refused anyway
            Kind::Conflict if error.code == "job.lease_lost" => Self::Released,
            Kind::Unavailable | Kind::Timeout => Self::RetryAfter(error.detail, Duration::from_secs(1)),
            Kind::Invalid | Kind::NotFound => Self::Fail(error.detail),
            _ => {
                tracing::error!(job = %run.lease.job, error = ?error.source, "{what} failed");
                Self::Retry(error.detail)
            }
        }
    }
}
