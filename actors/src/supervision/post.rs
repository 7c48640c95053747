//! A child's post: everything that outlives its incarnations.
//!
//! Invariant: only the current incarnation changes the record. Each report carries its generation, and
//! a report from an older one (a thread that woke after it was replaced) is ignored.
//! Invariant: an exit is judged once, under the record's lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signalbox_core::kernel::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::budget::{Budget, Verdict};
use super::line::Line;
use super::spec::Spec;
use super::status::{ActorState, ActorStatus, HandlingTime, MailboxStatus};
use super::thread::Thread;

/// How an actor went down. The words are metric labels and the beginning of `last_reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitKind {
    /// A handler, timer, stream or `AtomicResponse` panicked.
    Panicked,
    /// The factory, `restarting` or `started` panicked.
    PoisonedStart,
    /// It ended itself (`ctx.stop()`), which no actor of ours is meant to.
    EndedItself,
    /// No heartbeat in time.
    Frozen,
    /// Its thread ended under it.
    Lost,
    /// Its `restarting` kept the old state.
    NotRebuilt,
}

impl ExitKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::PoisonedStart => "panicked while starting",
            Self::EndedItself => "ended itself",
            Self::Frozen => "frozen",
            Self::Lost => "lost its thread",
            Self::NotRebuilt => "kept its state over a restart",
        }
    }

    /// Whether the mailbox is within reach for the next incarnation.
    fn keeps_mailbox(self) -> bool {
        matches!(self, Self::Panicked | Self::PoisonedStart | Self::EndedItself)
    }
}

/// What a guard does after it has reported an exit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Restart on the same mailbox after this pause.
    Here(Duration),
    /// Let go of everything: somebody else follows, later, or nobody.
    Over,
}

/// Counters of one child, written by its thread and read by anybody.
#[derive(Default)]
pub(super) struct Meter {
    pub(super) handled: AtomicU64,
    pub(super) handling_us: AtomicU64,
    pub(super) longest_us: AtomicU64,
    /// Messages answered `Busy`.
    pub(super) refused: AtomicU64,
}

impl Meter {
    pub(super) fn handled(&self, took: Duration) {
        let took = took.as_micros() as u64;
        self.handled.fetch_add(1, Relaxed);
        self.handling_us.fetch_add(took, Relaxed);
        self.longest_us.fetch_max(took, Relaxed);
    }
}

/// The changing part of a post.
pub(super) struct Record {
    state: ActorState,
    since: OffsetDateTime,
    restarts: u64,
    last_reason: Option<String>,
    generation: u64,
    line: Option<Arc<Line>>,
    budget: Budget,
    /// When the warden launches the next incarnation.
    due: Option<Instant>,
    /// A failed child that was given another try, and since when it runs.
    probation: Option<Instant>,
    stopping: bool,
    /// It handled all it had and ran its `stopped`.
    clean: bool,
}

/// Starts an incarnation on a thread; typed knowledge (actor, factory, handle) is inside.
pub(super) type Launch = Box<dyn Fn(&Arc<Post>, Arc<Line>, &Thread) + Send + Sync>;

/// See the module.
pub(super) struct Post {
    pub(super) spec: Spec,
    pub(super) meter: Meter,
    launch: Launch,
    record: Mutex<Record>,
    site: Site,
    /// A fault test wants the next start to panic.
    spoiled: AtomicBool,
}

/// What all posts of a tree share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) changes: Arc<watch::Sender<u64>>,
    pub(super) clock: Clock,
}

impl Post {
    pub(super) fn create(spec: Spec, launch: Launch, site: Site) -> Arc<Self> {
        let record = Record {
            state: ActorState::Starting,
            since: site.clock.now(),
            restarts: 0,
            last_reason: None,
            generation: 0,
            line: None,
            budget: Budget::default(),
            due: None,
            probation: None,
            stopping: false,
            clean: false,
        };
        Arc::new(Self {
            spec,
            meter: Meter::default(),
            launch,
            record: Mutex::new(record),
            site,
            spoiled: AtomicBool::new(false),
        })
    }

    /// For [`Poison::Start`](super::Poison::Start).
    pub(super) fn spoil_next_start(&self) {
        self.spoiled.store(true, SeqCst);
    }

    /// Whether this start shall panic, once.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled.swap(false, SeqCst)
    }

    /// Starts a new incarnation with an empty mailbox. The line is published by `launch` before the
    /// actor exists, so messages may wait for it.
    pub(super) fn launch(self: &Arc<Self>, thread: &Thread, now: Instant) {
        let line = {
            let mut record = self.record.lock();
            // A second incarnation beside a living one must never be.
            if record.stopping || record.line.is_some() {
                return;
            }
            if record.generation > 0 {
                record.restarts += 1;
            }
            record.generation += 1;
            record.due = None;
            let line = Line::open(record.generation, self.spec.capacity, now);
            record.line = Some(Arc::clone(&line));
            if record.state == ActorState::Failed {
                record.probation = Some(now);
            }
            line
        };
        (self.launch)(self, line, thread);
        self.changed();
    }

    /// The incarnation has shown that it takes messages.
    pub(super) fn runs(&self, generation: u64) {
        let mut record = self.record.lock();
        if record.generation != generation || record.probation.is_some() || record.stopping {
            return;
        }
        self.enter(&mut record, ActorState::Running);
    }

    /// A guard restarts the actor on its old mailbox.
    pub(super) fn restarts_here(&self, generation: u64) {
        let mut record = self.record.lock();
        if record.generation == generation {
            record.restarts += 1;
        }
        drop(record);
        self.changed();
    }

    /// Judges an unclean exit of an incarnation.
    pub(super) fn exit(&self, generation: u64, kind: ExitKind, detail: &str, now: Instant) -> Next {
        let mut record = self.record.lock();
        if record.generation != generation || record.line.is_none() {
            return Next::Over;
        }
        let reason = one_line(kind, detail);
        record.last_reason = Some(reason.clone());
        super::export::count_exit(&self.spec.name, kind);
        if record.stopping {
            tracing::warn!(actor = %self.spec.name, reason, "actor went down while stopping; its waiting messages are dropped");
            self.end(&mut record, ActorState::Stopped);
            return Next::Over;
        }
        let verdict = if record.probation.take().is_some() {
            // One attempt at a time: a child that failed gets no second burst of restarts.
            Verdict::Fail
        } else {
            record.budget.exit(&self.spec.policy, now)
        };
        match verdict {
            Verdict::Fail => {
                let retry_s = self.spec.policy.retry_failed.as_secs_f32();
                tracing::error!(actor = %self.spec.name, reason, retry_s, "actor failed: too many restarts; readiness is red");
                record.due = Some(now + self.spec.policy.retry_failed);
                self.end(&mut record, ActorState::Failed);
                Next::Over
            }
            Verdict::Restart(pause) if kind.keeps_mailbox() => {
                tracing::error!(actor = %self.spec.name, reason, ?pause, "actor went down; restarting with its mailbox");
                self.enter(&mut record, ActorState::Restarting);
                Next::Here(pause)
            }
            Verdict::Restart(pause) => {
                tracing::error!(actor = %self.spec.name, reason, ?pause, "actor went down; replacing it, its waiting messages are lost");
                record.due = Some(now + pause);
                self.end(&mut record, ActorState::Restarting);
                Next::Over
            }
        }
    }

    /// An asked-for end. `clean`: nothing was left undone.
    pub(super) fn stopped(&self, generation: u64, clean: bool) {
        let mut record = self.record.lock();
        if record.generation == generation && record.line.is_some() {
            record.clean = clean;
            self.end(&mut record, ActorState::Stopped);
        }
    }

    pub(super) fn stopped_cleanly(&self) -> bool {
        self.record.lock().clean
    }

    /// From now on every exit is the last one. Returns the line to drain, if anything runs.
    pub(super) fn begin_stop(&self) -> Option<Arc<Line>> {
        let mut record = self.record.lock();
        record.stopping = true;
        record.due = None;
        if record.line.is_none() {
            self.enter(&mut record, ActorState::Stopped);
        }
        record.line.clone()
    }

    /// Ends whatever still runs. Returns whether there was anything.
    pub(super) fn kill(&self, reason: &str) -> bool {
        let mut record = self.record.lock();
        record.stopping = true;
        record.due = None;
        let ran = record.line.is_some();
        if ran {
            record.last_reason = Some(reason.to_owned());
        }
        self.end(&mut record, ActorState::Stopped);
        ran
    }

    /// Somebody wants the failed child tried now, with a fresh budget.
    pub(super) fn revive(&self, now: Instant) -> bool {
        let mut record = self.record.lock();
        let failed = record.state == ActorState::Failed && record.line.is_none() && !record.stopping;
        if failed {
            record.budget.clear();
            record.due = Some(now);
        }
        failed
    }

    /// A failed child that has lived through a whole window since its retry is believed again.
    pub(super) fn believe(&self, now: Instant) {
        let mut record = self.record.lock();
        if record
            .probation
            .is_some_and(|since| now.duration_since(since) >= self.spec.policy.window)
        {
            record.probation = None;
            record.budget.clear();
            tracing::info!(actor = %self.spec.name, "actor has recovered");
            self.enter(&mut record, ActorState::Running);
        }
    }

    /// The launch could not be tried; it stays due.
    pub(super) fn postpone(&self, now: Instant) {
        let mut record = self.record.lock();
        if record.line.is_none() && !record.stopping {
            record.due = Some(now + self.spec.policy.longest_pause);
        }
    }

    pub(super) fn has_run(&self) -> bool {
        self.record.lock().generation > 0
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        let record = self.record.lock();
        record.due.is_some_and(|due| due <= now)
    }

    pub(super) fn line(&self) -> Option<Arc<Line>> {
        self.record.lock().line.clone()
    }

    pub(super) fn state(&self) -> ActorState {
        self.record.lock().state
    }

    /// Why this child keeps the node from being ready, if it does. A restart in progress does not:
    /// messages wait for it, and a node that went unready at every panic would be taken out of service
    /// for what it can mend in milliseconds.
    pub(super) fn unready(&self) -> Option<String> {
        let record = self.record.lock();
        let name = &self.spec.name;
        match record.state {
            ActorState::Running | ActorState::Restarting => None,
            ActorState::Starting => Some(format!("{name} is starting")),
            ActorState::Stopped => Some(format!("{name} is stopped")),
            ActorState::Failed => Some(format!(
                "{name} failed: more than {} restarts in {:?}; last: {}. It is tried again every {:?}",
                self.spec.policy.restarts,
                self.spec.policy.window,
                record.last_reason.as_deref().unwrap_or("unknown"),
                self.spec.policy.retry_failed,
            )),
        }
    }

    pub(super) fn status(&self, now: Instant) -> ActorStatus {
        let record = self.record.lock();
        let handled = self.meter.handled.load(Relaxed);
        let line = record.line.as_deref();
        ActorStatus {
            name: self.spec.name.clone(),
            kind: self.spec.kind.clone(),
            parent: self.spec.parent.clone(),
            state: record.state,
            restarts: record.restarts,
            last_reason: record.last_reason.clone(),
            mailbox: MailboxStatus {
                depth: line.map_or(0, Line::depth),
                capacity: self.spec.capacity,
            },
            handled,
            handling_us: HandlingTime {
                mean: self
                    .meter
                    .handling_us
                    .load(Relaxed)
                    .checked_div(handled)
                    .unwrap_or(0),
                max: self.meter.longest_us.load(Relaxed),
            },
            heartbeat_age_ms: line.map(|line| line.beat_age(now).as_millis() as u64),
            since: record.since,
        }
    }

    /// Ends the current line and takes on `state`.
    fn end(&self, record: &mut Record, state: ActorState) {
        if let Some(line) = record.line.take() {
            line.disown();
        }
        record.probation = None;
        self.enter(record, state);
    }

    fn enter(&self, record: &mut Record, state: ActorState) {
        if record.state != state {
            record.state = state;
            record.since = self.site.clock.now();
            self.changed();
        }
    }

    fn changed(&self) {
        self.site.changes.send_modify(|version| *version += 1);
    }
}

/// A panic's text can be anything; people see one line of it.
fn one_line(kind: ExitKind, detail: &str) -> String {
    let detail: String = detail
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(160)
        .collect();
    if detail.is_empty() {
        kind.word().to_owned()
    } else {
        format!("{}: {detail}", kind.word())
    }
}
