//! What an import tells the world.

use super::model::{Counts, Import};
use super::store;
use crate::jobs::{self, JobState};
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity, Subject};
use crate::users::{self, User};
use serde_json::{Value, json};

/// What the import's state allows: cancelling while it is under way, using its file again when it is over.
pub(super) fn acts(import: &Import) -> Vec<&'static str> {
    if import.state.is_final() {
        vec!["imports.create"]
    } else {
        vec!["jobs.cancel"]
    }
}

fn event(kind: &'static str, action: &'static str, import: &Import, text: &'static str) -> Result<Event> {
    let mut event = Event::new(kind, action, subject(import), super::CHANNEL, text)
        .patch(store::item(import)?, acts(import))
        .detail("mode", import.mode.as_str())
        .detail("file_sha256", import.file.sha256.clone())
        .detail("file_size", import.file.size)
        .detail("job_id", json!(import.job_id));
    if let Some(job) = import.job_id {
        event = event.also(jobs::channel(job));
    }
    Ok(event)
}

fn subject(import: &Import) -> Subject {
    Subject {
        kind: "import".into(),
        id: import.id.0,
        version: import.version,
    }
}

/// A file was taken in.
pub(super) fn submitted(import: &Import) -> Result<Event> {
    event(
        "import.submitted",
        "imports.create",
        import,
        "{actor} uploaded a file to import",
    )
}

/// The act began.
pub(super) fn started(import: &Import) -> Result<Event> {
    event(
        "import.started",
        "imports.start",
        import,
        "{actor} began an import of people",
    )
}

/// The act is over.
pub(super) fn finished(import: &Import) -> Result<Event> {
    let (severity, text) = match import.state {
        JobState::Succeeded => (Severity::Info, "{actor} imported people"),
        JobState::Cancelled => (Severity::Warn, "An import of people was cancelled"),
        _ => (Severity::Bad, "An import of people failed"),
    };
    let mut event = event("import.finished", "imports.finish", import, text)?
        .detail("state", import.state.as_str())
        .detail("counts", counts(import.counts))
        .severity(severity);
    if let Some(error) = &import.error {
        event = event.detail("error", error.clone());
    }
    Ok(event)
}

/// It got on: counts and phase.
pub(super) fn progressed(import: &Import) -> Result<Event> {
    Ok(event(
        "import.progressed",
        "imports.progress",
        import,
        "{subject} goes on",
    )?
    .unaudited())
}

/// A chunk was committed; `people` are some of those it wrote.
pub(super) fn imported(import: &Import, inserted: i64, updated: i64, people: &[User]) -> Result<Event> {
    let rows = people.iter().map(|user| {
        let mut row = user.patch()?;
        row["acts"] = json!(user.acts());
        Ok((row, Some(user.person())))
    });
    let mut event = Event::new(
        "users.imported",
        "users.import",
        subject(import),
        users::CHANNEL,
        "{actor} imported people",
    )
    .data("import_id", json!(import.id))
    .data("seq", import.version)
    .data("inserted", inserted)
    .data("updated", updated)
    .data("counts", counts(import.counts))
    .counts("users_total", inserted)
    .counts("users_active", inserted)
    .unaudited();
    event.rows = rows.collect::<Result<_>>()?;
    Ok(event)
}

pub(super) fn counts(counts: Counts) -> Value {
    json!(counts)
}
