//! What a job tells the world when its state changes.

use super::model::{Job, JobState};
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Scope, Severity, Subject};
use crate::kernel::id::{JobId, UserId};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// How far a run is.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobProgress {
    /// Units done.
    pub done: i64,
    /// Units in all, 0 while not known.
    pub total: i64,
    /// Phase, empty before the first.
    pub phase: String,
}

/// Whoever asked for a job.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobAuthor {
    /// The person; null for the hub itself.
    pub id: Option<UserId>,
    /// Looked up when shown.
    pub name: Option<String>,
}

/// What a job is about.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobSubject {
    /// `import`, ...
    pub kind: Option<String>,
    /// Its id.
    pub id: Option<Uuid>,
}

/// A job as lists and events show it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Job)]
pub struct JobItem {
    /// Id.
    pub id: JobId,
    /// Queue, such as `users.import`.
    pub queue: String,
    /// What it does, such as `ImportUsers`.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// Starts so far.
    pub attempt: i32,
    /// Failures until it is given up.
    pub max_attempts: i32,
    /// Runs that ended with their worker.
    pub crashes: i32,
    /// Higher goes first.
    pub priority: i16,
    /// How far it is.
    pub progress: JobProgress,
    /// When it is or was due.
    #[serde(with = "time::serde::rfc3339")]
    pub run_at: OffsetDateTime,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// First start.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// End.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Who asked.
    pub requested_by: JobAuthor,
    /// Newest error.
    pub error: Option<String>,
    /// What it answered.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Whether its end was asked for.
    pub cancel_requested: bool,
    /// What it is about.
    pub subject: JobSubject,
    /// Grows with every change.
    pub version: i64,
    /// What may be done with it: `jobs.cancel`.
    pub can: Vec<String>,
}

/// The job as lists show it, without the name of who asked, which is looked up when shown. `can` is what its state
/// allows.
pub fn item(job: Job) -> JobItem {
    JobItem {
        can: acts(&job).into_iter().map(str::to_owned).collect(),
        id: job.id,
        queue: job.queue,
        kind: job.kind,
        state: job.state,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        crashes: job.crashes,
        priority: job.priority,
        progress: JobProgress {
            done: job.progress_done,
            total: job.progress_total,
            phase: job.progress_phase,
        },
        run_at: job.run_at,
        created_at: job.created_at,
        started_at: job.started_at,
        finished_at: job.finished_at,
        requested_by: JobAuthor {
            id: job.requested_by,
            name: None,
        },
        error: job.error,
        result: job.result,
        cancel_requested: job.cancel_requested,
        subject: JobSubject {
            kind: job.subject_kind,
            id: job.subject_id,
        },
        version: job.version,
    }
}

/// The item in an event: what a viewer may do comes from the event's `acts`.
fn patch(job: &Job) -> Result<Value> {
    let mut patch = serde_json::to_value(item(job.clone()))?;
    if let Some(members) = patch.as_object_mut() {
        members.remove("can");
    }
    Ok(patch)
}

/// What the job's state allows; a viewer's rights are applied when it is shown.
pub fn acts(job: &Job) -> Vec<&'static str> {
    if job.state.is_final() || job.cancel_requested {
        Vec::new()
    } else {
        vec!["jobs.cancel"]
    }
}

/// The event `kind` of `job` (after the change), which was `before`.
pub fn event(kind: &'static str, job: &Job, before: Option<JobState>) -> Result<Event> {
    let subject = Subject {
        kind: "job".into(),
        id: job.id.0,
        version: job.version,
    };
    let (action, text, severity) = match kind {
        "job.enqueued" => ("jobs.enqueue", "{subject} was queued", Severity::Info),
        "job.started" => ("jobs.start", "{subject} started", Severity::Info),
        "job.retrying" => ("jobs.retry", "{subject} will be tried again", Severity::Warn),
        "job.released" => ("jobs.release", "{subject} was given back", Severity::Info),
        "job.succeeded" => ("jobs.succeed", "{subject} is done", Severity::Info),
        "job.failed" => ("jobs.fail", "{subject} failed", Severity::Bad),
        "job.quarantined" => (
            "jobs.quarantine",
            "{subject} was set aside after crashes",
            Severity::Bad,
        ),
        _ => ("jobs.cancel", "{actor} cancelled {subject}", Severity::Warn),
    };
    let owner = Scope {
        teams: Vec::new(),
        owner: job.requested_by.map(|user| user.0),
    };
    let mut event = Event::new(kind, action, subject, super::CHANNEL, text)
        .also(super::channel(job.id))
        .patch(patch(job)?, acts(job))
        .severity(severity)
        .scope(before.map(|_| owner.clone()), Some(owner))
        .unaudited();
    for (name, delta) in counters(job, before) {
        event = event.counts(name, delta);
    }
    Ok(event)
}

/// `job`, which is over for long, is deleted: it leaves the list and the counters.
pub(crate) fn forgotten(job: &Job) -> Event {
    let subject = Subject {
        kind: "job".into(),
        id: job.id.0,
        version: job.version + 1,
    };
    let owner = Scope {
        teams: Vec::new(),
        owner: job.requested_by.map(|user| user.0),
    };
    let text = "{subject} was deleted: it is over for long";
    let mut event = Event::new("job.removed", "jobs.forget", subject, super::CHANNEL, text)
        .scope(Some(owner), None)
        .unaudited();
    for (name, delta) in of_state(job, job.state, -1) {
        event = event.counts(name, delta);
    }
    event
}

/// The Overview counts waiting, running and failed jobs, and running imports.
fn counters(job: &Job, before: Option<JobState>) -> Vec<(&'static str, i64)> {
    before
        .into_iter()
        .flat_map(|state| of_state(job, state, -1))
        .chain(of_state(job, job.state, 1))
        .collect()
}

/// What `job` counts in while it is in `state`.
fn of_state(job: &Job, state: JobState, by: i64) -> impl Iterator<Item = (&'static str, i64)> + use<> {
    let name = match state {
        JobState::Waiting | JobState::Retrying | JobState::Paused => Some("jobs_waiting"),
        JobState::Running => Some("jobs_running"),
        JobState::Failed | JobState::Quarantined => Some("jobs_failed"),
        JobState::Succeeded | JobState::Cancelled => None,
    };
    let import = state == JobState::Running && job.subject_kind.as_deref() == Some("import");
    name.into_iter()
        .chain(import.then_some("imports_running"))
        .map(move |name| (name, by))
}
