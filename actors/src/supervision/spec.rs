//! What is decided about a child before it runs.

use std::time::Duration;

/// When a child that went down may come back.
///
/// The defaults are the product's rule (5 restarts in 10 s, then `failed`); tests shorten them.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Restarts allowed within `window`; one unclean exit more and the child is `failed`.
    pub restarts: usize,
    /// How far back restarts count. Also how long a retried child must live before it is believed.
    pub window: Duration,
    /// Pause before the first restart in a window; each further one doubles it.
    pub first_pause: Duration,
    /// The doubling stops here.
    pub longest_pause: Duration,
    /// A failed child gets one attempt after each such pause. A hub nobody looks at should mend itself
    /// when the cause has gone (a full disk, a bad row), but slowly enough not to be a storm.
    pub retry_failed: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restarts: 5,
            window: Duration::from_secs(10),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            retry_failed: Duration::from_secs(30),
        }
    }
}

/// One child of the tree: its name, its place in the order, and its limits.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Unique in the tree; what people, logs and metrics call it (`session_keeper`, `live_hub/1`).
    pub name: String,
    /// The role, shared by actors that differ only in number. Defaults to the name up to the first `/`.
    pub kind: String,
    /// Whom it belongs to on the System page. Display only: there is one level of supervision, because
    /// every actor can start empty and so no restart ever has to take others along.
    pub parent: Option<String>,
    /// Started in ascending, stopped in descending order; equals in the order they were added.
    pub order: u32,
    /// Messages that may wait. The next one is answered [`Busy`](super::CallError::Busy). At least 1.
    pub capacity: usize,
    /// Children naming the same thread share it (cheap, but they freeze together).
    /// `None`: a thread of its own.
    pub thread: Option<String>,
    /// Without a heartbeat for this long the child counts as frozen and is replaced. A handler that
    /// computes, and an `AtomicResponse` or `ctx.wait` that waits, must stay well below it.
    pub frozen_after: Duration,
    /// How long a caller of [`Handle::ask`](super::Handle::ask) waits for its answer.
    pub answer_within: Duration,
    /// Its share of the stop deadline: after this its remaining messages are dropped.
    pub stop_within: Duration,
    /// Restart rule.
    pub policy: Policy,
}

impl Spec {
    /// A child with the default limits: capacity 1024, frozen after 2 s, answers and stops within 5 s.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            kind: name.split('/').next().unwrap_or_default().to_owned(),
            name,
            parent: None,
            order: 100,
            capacity: 1024,
            thread: None,
            frozen_after: Duration::from_secs(2),
            answer_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(5),
            policy: Policy::default(),
        }
    }

    /// Sets [`Self::order`].
    pub fn order(self, order: u32) -> Self {
        Self { order, ..self }
    }

    /// Sets [`Self::capacity`]; 0 is taken as 1, since a mailbox that holds nothing answers nobody.
    pub fn capacity(self, capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            ..self
        }
    }

    /// Sets [`Self::parent`].
    pub fn parent(self, parent: impl Into<String>) -> Self {
        Self {
            parent: Some(parent.into()),
            ..self
        }
    }

    /// Sets [`Self::thread`].
    pub fn thread(self, thread: impl Into<String>) -> Self {
        Self {
            thread: Some(thread.into()),
            ..self
        }
    }

    /// Sets [`Self::frozen_after`].
    pub fn frozen_after(self, frozen_after: Duration) -> Self {
        Self { frozen_after, ..self }
    }

    /// Sets [`Self::answer_within`].
    pub fn answer_within(self, answer_within: Duration) -> Self {
        Self {
            answer_within,
            ..self
        }
    }

    /// Sets [`Self::stop_within`].
    pub fn stop_within(self, stop_within: Duration) -> Self {
        Self { stop_within, ..self }
    }

    /// Sets [`Self::policy`].
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// How often the guard wakes its actor to beat: eight chances before it counts as frozen, so that
    /// one late wake-up on a loaded machine is not taken for a freeze.
    pub(super) fn pulse(&self) -> Duration {
        (self.frozen_after / 8).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }
}
