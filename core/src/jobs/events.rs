//! What a job tells the world when its state changes.

use super::model::{Job, JobState};
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Scope, Severity, Subject};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The job as lists and events show it, without the name of who asked, which is looked up when shown.
pub fn item(job: &Job) -> Result<Value> {
    let at = |at: Option<OffsetDateTime>| {
        at.map(|at| at.format(&Rfc3339))
            .transpose()
            .map_err(Error::internal)
    };
    Ok(json!({
        "id": job.id,
        "queue": job.queue,
        "kind": job.kind,
        "state": job.state,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "crashes": job.crashes,
        "priority": job.priority,
        "progress": {"done": job.progress_done, "total": job.progress_total, "phase": job.progress_phase},
        "run_at": at(Some(job.run_at))?,
        "created_at": at(Some(job.created_at))?,
        "started_at": at(job.started_at)?,
        "finished_at": at(job.finished_at)?,
        "requested_by": {"id": job.requested_by, "name": null},
        "error": job.error,
        "result": job.result,
        "cancel_requested": job.cancel_requested,
        "subject": {"kind": job.subject_kind, "id": job.subject_id},
        "version": job.version,
    }))
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
        team: None,
        owner: job.requested_by.map(|user| user.0),
    };
    let mut event = Event::new(kind, action, subject, super::CHANNEL, text)
        .also(super::channel(job.id))
        .patch(item(job)?, acts(job))
        .severity(severity)
        .scope(before.map(|_| owner.clone()), Some(owner))
        .unaudited();
    for (name, delta) in counters(job, before) {
        event = event.counts(name, delta);
    }
    Ok(event)
}

/// The Overview counts waiting, running and failed jobs, and running imports.
fn counters(job: &Job, before: Option<JobState>) -> Vec<(&'static str, i64)> {
    let of = |state: JobState, by: i64| {
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
    };
    before
        .into_iter()
        .flat_map(|state| of(state, -1))
        .chain(of(job.state, 1))
        .collect()
}
