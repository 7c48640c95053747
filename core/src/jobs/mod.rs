//! Tables `jobs`, `job_leases`, `job_events`, `queues`: the ledger of background jobs, and their dispatcher in Redis.
//!
//! PostgreSQL is the truth: state, attempts, crashes, checkpoint, result, who asked. Redis holds ids and their order,
//! and may lose them at any time. The acts that write events (enqueue, claim, settle, cancel, reconcile) stand in
//! `change`, because events leave through the outbox.
//!
//! Events: `job.enqueued`, `job.started`, `job.retrying`, `job.succeeded`, `job.failed`, `job.cancelled`,
//! `job.cancel_requested`, `job.quarantined`, `job.removed` (of those that failed: they are counted), on `feed:jobs` and `job:<id>`.
//!
//! Invariant: whoever runs a job holds its lease of the job's present epoch; every write of the run names that epoch
//! and changes nothing when it has moved on.
//! Invariant: `job_events` is append-only, and written in the transaction that changes the state; it goes with its job.

pub mod backoff;
pub mod dispatch;
mod events;
mod model;
mod run;
pub mod store;

pub(crate) use events::forgotten;
pub use events::{JobAuthor, JobItem, JobProgress, JobSubject, acts, event, item};
pub use model::{Job, JobEvent, JobState, KeptDays, Lease, NewJob, Node, Outcome};
pub use run::{Cancel, Ending, Progress, Run};

/// Wire channel on which every job's events appear.
pub const CHANNEL: &str = "feed:jobs";

/// A lease lasts this long without renewal, in seconds; renewed every third of it.
pub const LEASE_SECONDS: f64 = 6.0;

/// After so many crashes without a checkpoint between them a job is set aside for a person to look at.
pub const MOST_CRASHES: i32 = 3;

/// Wire channel of one job.
pub fn channel(job: crate::kernel::id::JobId) -> String {
    format!("job:{job}")
}
