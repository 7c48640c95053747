//! What Prometheus sees of the tree. Written from the posts at an interval, so that handling a message
//! costs three relaxed atomic additions and no look-up.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `signalbox_actor_state` | gauge, 1 for the present state | actor, state |
//! | `signalbox_actor_restarts_total` | counter | actor |
//! | `signalbox_actor_exits_total` | counter, one per unclean exit | actor, kind |
//! | `signalbox_actor_mailbox_depth`, `signalbox_actor_mailbox_capacity` | gauge, messages | actor |
//! | `signalbox_actor_refused_total` | counter, messages answered `Busy` | actor |
//! | `signalbox_actor_handled_total` | counter, messages | actor |
//! | `signalbox_actor_handling_microseconds_total` | counter | actor |
//! | `signalbox_actor_handling_max_seconds` | gauge, over the process's life | actor |
//! | `signalbox_actor_heartbeat_age_seconds` | gauge, 0 when nothing runs | actor |

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use metrics::{counter, gauge};

use super::post::{ExitKind, Post};
use super::status::ActorState;

const STATES: [ActorState; 5] = [
    ActorState::Starting,
    ActorState::Running,
    ActorState::Restarting,
    ActorState::Failed,
    ActorState::Stopped,
];

/// Brings the figures of one child up to date.
pub(super) fn export(post: &Post, now: Instant) {
    let status = post.status(now);
    let actor = status.name;
    for state in STATES {
        let is = if state == status.state { 1.0 } else { 0.0 };
        gauge!("signalbox_actor_state", "actor" => actor.clone(), "state" => state.word()).set(is);
    }
    let total = |name: &'static str, value: u64| counter!(name, "actor" => actor.clone()).absolute(value);
    total("signalbox_actor_restarts_total", status.restarts);
    total("signalbox_actor_refused_total", post.meter.refused.load(Relaxed));
    total("signalbox_actor_handled_total", status.handled);
    total(
        "signalbox_actor_handling_microseconds_total",
        post.meter.handling_us.load(Relaxed),
    );
    let level = |name: &'static str, value: f64| gauge!(name, "actor" => actor.clone()).set(value);
    level("signalbox_actor_mailbox_depth", status.mailbox.depth as f64);
    level("signalbox_actor_mailbox_capacity", status.mailbox.capacity as f64);
    level(
        "signalbox_actor_handling_max_seconds",
        status.handling_us.max as f64 / 1e6,
    );
    level(
        "signalbox_actor_heartbeat_age_seconds",
        status.heartbeat_age_ms.unwrap_or(0) as f64 / 1e3,
    );
}

/// Counted where it is judged: between two exports there may be several.
pub(super) fn count_exit(actor: &str, kind: ExitKind) {
    counter!("signalbox_actor_exits_total", "actor" => actor.to_owned(), "kind" => kind.word()).increment(1);
}
