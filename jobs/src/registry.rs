//! Every kind of job, once.

use futures::FutureExt;
use futures::future::BoxFuture;
use signalbox_core::jobs::{Outcome, Run};
use signalbox_core::{Store, bulk, imports, messages, personal_data};
use std::time::Duration;

/// Runs a job, or goes on with it from its checkpoint.
pub type Handler = for<'a> fn(&'a Store, &'a Run) -> BoxFuture<'a, Outcome>;

/// A queue and what runs its jobs.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Constant of the feature that enqueues.
    pub queue: &'static str,
    /// Its handler.
    pub run: Handler,
    /// How long a run may take: then it is told to end, and counted as failed.
    pub longest: Duration,
}

/// How long a run of each kind may take.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// An import, from its checkpoint to its end.
    pub imports: Duration,
    /// Sending one mail.
    pub mail: Duration,
    /// Sending one SMS.
    pub sms: Duration,
    /// An act on everybody whom a filter found.
    pub acts_on_many: Duration,
    /// Gathering what is held on a person.
    pub exports: Duration,
    /// Erasing a person.
    pub erasures: Duration,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.queue)
    }
}

impl Longest {
    /// The same for each.
    pub fn each(longest: Duration) -> Self {
        Self {
            imports: longest,
            mail: longest,
            sms: longest,
            acts_on_many: longest,
            exports: longest,
            erasures: longest,
        }
    }
}

/// All of them.
pub fn registry(longest: &Longest) -> Vec<Kind> {
    vec![
        Kind {
            queue: imports::QUEUE,
            run: |store, run| imports::run(store, run).boxed(),
            longest: longest.imports,
        },
        Kind {
            queue: messages::MAIL,
            run: |store, run| messages::send_mail(store, run).boxed(),
            longest: longest.mail,
        },
        Kind {
            queue: messages::SMS,
            run: |store, run| messages::send_sms(store, run).boxed(),
            longest: longest.sms,
        },
        Kind {
            queue: bulk::QUEUE,
            run: |store, run| bulk::run(store, run).boxed(),
            longest: longest.acts_on_many,
        },
        Kind {
            queue: personal_data::EXPORTS,
            run: |store, run| personal_data::run_export(store, run).boxed(),
            longest: longest.exports,
        },
        Kind {
            queue: personal_data::ERASURES,
            run: |store, run| personal_data::run_erasure(store, run).boxed(),
            longest: longest.erasures,
        },
    ]
}
