//! One act on many people: on chosen ones within the request, on everybody whom a filter finds as a job.
//!
//! Tables: `user_bulks`, `user_bulk_people`. Whom a job still has to reach is a row of its own for each: a chunk takes its
//! rows, changes the people, and commits both with the run's checkpoint, so nobody is changed twice and nobody left out,
//! whatever is killed.
//!
//! Events: `users.bulk_started` and `users.bulk_finished` (audited: who, what, on how many), and for each committed chunk one
//! `users.bulk_changed` with the rows as they are now, on `feed:users`.
//!
//! Invariant: each person is asked about on their own, with the actor's rights at that moment; whoever cannot be changed is
//! left as they are and named in the result.

mod events;
mod model;
mod report;
mod run;
mod service;
mod step;
mod store;
#[cfg(test)]
mod tests;

pub use model::{BulkAction, BulkFilter, BulkItem, BulkOutcome, BulkRun, NewBulk};
pub use report::Failures;
pub use run::{close_ended, run};
pub use service::{failures, get, start, sweep};

/// Queue of the jobs.
pub const QUEUE: &str = "users.bulk";
/// People that may be named in one request.
pub const MOST_NAMED: usize = 500;
/// People whose passwords one request may reset: each is hashed.
pub const MOST_RESET: usize = 50;
/// People whom one job may be for.
pub const MOST_FOUND: usize = 100_000;
/// People of one transaction.
const CHUNK: usize = 25;
