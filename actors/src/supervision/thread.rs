//! The threads actors run on.
//!
//! Not `actix::Arbiter`, for three reasons. An arbiter's I/O and timers live on its own thread, so a
//! frozen actor would also freeze every pooled database connection that was opened there, for everybody;
//! here the reactor belongs to the shared multi-thread runtime and a thread carries nothing but its
//! actors. An arbiter needs a global `System`. And its thread cannot be named, which matters when
//! somebody asks `top` which actor burns the processor.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

type Job = Box<dyn FnOnce() + Send>;

/// Sends work to one thread. The thread ends once this is dropped; what still runs on it is dropped too.
pub(super) struct Thread {
    jobs: UnboundedSender<Job>,
    /// Tells a thread from its successor of the same name.
    pub(super) id: u64,
}

impl Thread {
    /// Starts a thread named `actor-<name>`. An error is the system's: no more threads or memory.
    pub(super) fn start(name: &str, id: u64, io: &Handle) -> io::Result<Self> {
        // Unbounded, but only the warden writes here: one job per launch.
        let (jobs, mut inbox) = unbounded_channel::<Job>();
        let io = io.clone();
        std::thread::Builder::new()
            .name(format!("actor-{name}"))
            .spawn(move || {
                // Outlives the set: what an actor leaves behind is dropped inside the runtime too. A pooled connection
                // panics where there is none, and twice in one drop ends the process.
                let _inside = io.enter();
                let local = LocalSet::new();
                io.block_on(local.run_until(async move {
                    while let Some(job) = inbox.recv().await {
                        job();
                    }
                }));
            })?;
        Ok(Self { jobs, id })
    }

    /// Whether the thread still takes work. A stuck one does: only the heartbeat tells.
    pub(super) fn is_open(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Runs `job` on the thread, inside its `LocalSet`.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // A thread that ended meanwhile drops the job, and with it the guard, which reports the loss.
        let _ = self.jobs.send(Box::new(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells, when dropped, whether there still was a runtime.
    struct Leaving(std::sync::mpsc::Sender<bool>);

    impl Drop for Leaving {
        fn drop(&mut self) {
            let _ = self.0.send(Handle::try_current().is_ok());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread owns it, and that is what is tested"
    )]
    async fn what_still_runs_when_a_thread_ends_is_dropped_inside_the_runtime() {
        let thread = Thread::start("ending", 0, &Handle::current()).unwrap();
        let (leaving, left) = std::sync::mpsc::channel();
        let leaving = Leaving(leaving);
        thread.run(move || {
            tokio::task::spawn_local(async move {
                let _kept = leaving;
                std::future::pending::<()>().await;
            });
        });
        drop(thread);
        let left = tokio::task::spawn_blocking(move || left.recv_timeout(std::time::Duration::from_secs(10)));
        assert_eq!(left.await.unwrap(), Ok(true));
    }
}
