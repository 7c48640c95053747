//! Every kind of job, once.

use futures::FutureExt;
use futures::future::BoxFuture;
use signalbox_core::jobs::{Outcome, Run};
use signalbox_core::{Store, bulk, imports, messages, personal_data};

/// Runs a job, or goes on with it from its checkpoint.
pub type Handler = for<'a> fn(&'a Store, &'a Run) -> BoxFuture<'a, Outcome>;

/// A queue and what runs its jobs.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Constant of the feature that enqueues.
    pub queue: &'static str,
    /// Its handler.
    pub run: Handler,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.queue)
    }
}

/// All of them.
pub fn registry() -> Vec<Kind> {
    vec![
        Kind {
            queue: imports::QUEUE,
            run: |store, run| imports::run(store, run).boxed(),
        },
        Kind {
            queue: messages::MAIL,
            run: |store, run| messages::send_mail(store, run).boxed(),
        },
        Kind {
            queue: messages::SMS,
            run: |store, run| messages::send_sms(store, run).boxed(),
        },
        Kind {
            queue: bulk::QUEUE,
            run: |store, run| bulk::run(store, run).boxed(),
        },
        Kind {
            queue: personal_data::EXPORTS,
            run: |store, run| personal_data::run_export(store, run).boxed(),
        },
        Kind {
            queue: personal_data::ERASURES,
            run: |store, run| personal_data::run_erasure(store, run).boxed(),
        },
    ]
}
