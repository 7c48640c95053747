//! What is told of an act on many.

use super::model::{BulkAction, BulkRun};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{BulkId, RoleId, UserId};
use crate::users::CHANNEL;
use crate::users::deeds::Applied;

/// What the chunks of one act have in common.
pub(super) struct Told<'a> {
    pub bulk: BulkId,
    pub action: &'a str,
    /// The job's, where there is one.
    pub channel: Option<String>,
}

/// A committed chunk.
pub(super) fn changed(told: &Told<'_>, applied: Vec<Applied>) -> Event {
    let mut event = Event::new(
        "users.bulk_changed",
        "users.bulk",
        subject(told.bulk),
        CHANNEL,
        "{actor} changed people together",
    )
    .data("bulk_id", told.bulk.to_string())
    .data("action", told.action)
    .data("inserted", 0)
    .unaudited();
    event.channels.extend(told.channel.clone());
    for one in applied {
        for (counter, by) in one.counters {
            event = event.counts(counter, by);
        }
        event
            .rows
            .extend(one.row.map(|(row, person)| (row, Some(person))));
    }
    let rows = event.rows.len();
    event.data("updated", rows)
}

/// It begins. Whoever is named is named in the record too; whom a filter found is what the chunks tell. Why stands in each one's
/// line, sealed.
pub(super) fn started(
    bulk: BulkId,
    action: BulkAction,
    role: Option<RoleId>,
    count: i64,
    named: &[UserId],
) -> Event {
    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
    let mut event = audited(
        "users.bulk_started",
        bulk,
        "{actor} began to change people together",
    )
    .detail("action", action.as_str())
    .detail("count", count)
    .severity(Severity::Warn);
    if let Some(role) = role {
        event = event.detail("role_id", role.to_string());
    }
    if !named.is_empty() {
        event = event.detail("people", named);
    }
    event
}

/// It is over.
pub(super) fn finished(bulk: BulkId, action: BulkAction, done: i64, failed: i64, left: i64) -> Event {
    audited("users.bulk_finished", bulk, "{actor} changed people together")
        .detail("action", action.as_str())
        .detail("done", done)
        .detail("failed", failed)
        .detail("not_reached", left)
}

/// It is over, as it stands in the table. Whoever asked hears of it, whatever else they may see.
pub(super) fn run_finished(run: &BulkRun) -> Event {
    let event = finished(run.id, run.action, run.done, run.failed, run.left)
        .detail("job_id", run.job_id.to_string())
        .also(crate::jobs::channel(run.job_id));
    match run.created_by {
        Some(asked) => event.also(format!("inbox:{asked}")),
        None => event,
    }
}

fn audited(kind: &'static str, bulk: BulkId, text: &'static str) -> Event {
    Event::new(kind, "users.bulk", subject(bulk), CHANNEL, text).data("bulk_id", bulk.to_string())
}

fn subject(bulk: BulkId) -> Subject {
    Subject {
        kind: "bulk".into(),
        id: bulk.0,
        version: 1,
    }
}
