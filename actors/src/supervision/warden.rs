//! The warden: the one thread that starts, watches, replaces and stops.
//!
//! A plain thread with a plain channel. It waits for nothing but its own clock, so neither a stuck
//! actor, nor a starved runtime, nor a blocked reactor can keep it from seeing that they are.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::export::export;
use super::post::{ExitKind, Post};
use super::status::ActorState;
use super::thread::Thread;
use super::tree::{Shared, StopReport};

/// How long one child may hold up the start of the next.
const START_WITHIN: Duration = Duration::from_secs(5);
/// Between two writings of the metrics.
const EXPORT_EVERY: Duration = Duration::from_secs(1);

/// What the tree asks of its warden.
pub(super) enum Order {
    /// Start what has never run.
    Start(oneshot::Sender<()>),
    /// Stop everything within the deadline.
    Stop(Duration, oneshot::Sender<StopReport>),
    /// Look at the children now.
    Look,
}

/// Starts the warden's thread. It ends when the last tree is gone.
pub(super) fn start(shared: Arc<Shared>, tick: Duration) -> io::Result<Sender<Order>> {
    let (orders, inbox) = channel();
    let mut warden = Warden {
        shared,
        tick,
        threads: HashMap::new(),
        retired: Vec::new(),
        places: HashMap::new(),
        last_thread: 0,
        silences: HashMap::new(),
        looked: Instant::now(),
        exported: None,
    };
    std::thread::Builder::new()
        .name(String::from("supervisor"))
        .spawn(move || warden.serve(&inbox))?;
    Ok(orders)
}

struct Warden {
    shared: Arc<Shared>,
    tick: Duration,
    /// Where launches go, by the thread's name.
    threads: HashMap<String, Thread>,
    /// Threads that held a frozen actor. Nothing is launched there any more, but they are kept while
    /// neighbours run on them: if only one actor hung, the others never notice.
    retired: Vec<Thread>,
    /// The thread each child was last launched on.
    places: HashMap<String, u64>,
    last_thread: u64,
    silences: HashMap<String, Silence>,
    looked: Instant,
    exported: Option<Instant>,
}

impl Warden {
    fn serve(&mut self, inbox: &Receiver<Order>) {
        loop {
            match inbox.recv_timeout(self.tick) {
                Ok(Order::Start(done)) => {
                    self.start_all();
                    let _ = done.send(());
                }
                Ok(Order::Stop(deadline, done)) => {
                    let report = self.stop_all(deadline);
                    let _ = done.send(report);
                }
                Ok(Order::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look();
        }
    }

    fn posts(&self) -> Vec<Arc<Post>> {
        self.shared.posts.read().clone()
    }

    fn start_all(&mut self) {
        for post in self.posts() {
            if post.has_run() {
                continue;
            }
            self.launch(&post);
            self.look_until(START_WITHIN, || {
                matches!(
                    post.state(),
                    ActorState::Running | ActorState::Failed | ActorState::Stopped
                )
            });
        }
    }

    fn stop_all(&mut self, deadline: Duration) -> StopReport {
        let end = Instant::now() + deadline;
        let posts = self.posts();
        let mut report = StopReport::default();
        for post in posts.iter().rev() {
            let name = post.spec.name.clone();
            let Some(line) = post.begin_stop() else { continue };
            let within = post
                .spec
                .stop_within
                .min(end.saturating_duration_since(Instant::now()));
            if !within.is_zero() {
                line.drain();
                self.look_until(within, || post.line().is_none());
            }
            if post.kill("killed: did not stop in time") {
                tracing::warn!(actor = %name, "actor did not stop in time; its waiting messages are dropped");
            }
            let ended = if post.stopped_cleanly() {
                &mut report.stopped
            } else {
                &mut report.killed
            };
            ended.push(name);
        }
        report
    }

    /// Goes on watching until `done` or `within` is over. Returns whether it is done.
    fn look_until(&mut self, within: Duration, done: impl Fn() -> bool) -> bool {
        let end = Instant::now() + within;
        let mut changes = self.shared.site.changes.subscribe();
        loop {
            if done() {
                return true;
            }
            let now = Instant::now();
            if now >= end {
                return false;
            }
            // A short nap instead of a second wake-up channel: this runs only at start and stop.
            if !changes.has_changed().unwrap_or(false) {
                std::thread::sleep(Duration::from_millis(2).min(end - now));
            }
            changes.mark_unchanged();
            self.look();
        }
    }

    /// One look at every child.
    fn look(&mut self) {
        let now = Instant::now();
        // Whoever slept too long to watch (the machine was suspended, the process was stopped) has seen
        // no silence either: without this cap everything would look frozen after a SIGCONT.
        let watched = now.duration_since(self.looked).min(2 * self.tick);
        self.looked = now;
        let posts = self.posts();
        for post in &posts {
            self.check_heartbeat(post, watched, now);
            post.believe(now);
            if post.is_due(now) {
                self.launch(post);
            }
        }
        self.release_threads(&posts);
        if self
            .exported
            .is_none_or(|at| now.duration_since(at) >= EXPORT_EVERY)
        {
            self.exported = Some(now);
            for post in &posts {
                export(post, now);
            }
        }
    }

    fn check_heartbeat(&mut self, post: &Arc<Post>, watched: Duration, now: Instant) {
        let Some(line) = post.line() else { return };
        let silence = self.silences.entry(post.spec.name.clone()).or_default();
        let silent = silence.observe(line.generation, line.beats(), watched);
        if silent < post.spec.frozen_after {
            return;
        }
        self.retire_thread_of(post);
        let detail = format!("no heartbeat for {:.1} s", silent.as_secs_f32());
        post.exit(line.generation, ExitKind::Frozen, &detail, now);
    }

    /// Nobody shall be launched on a thread that may be stuck.
    fn retire_thread_of(&mut self, post: &Post) {
        let name = thread_name(post);
        let place = self.places.get(&post.spec.name);
        // A neighbour may have been found frozen first: then the name leads to a new, sound thread.
        if self
            .threads
            .get(name)
            .is_some_and(|thread| Some(&thread.id) == place)
        {
            self.retired.extend(self.threads.remove(name));
        }
    }

    /// Lets go of retired threads nothing runs on. They end by themselves, should they ever wake.
    fn release_threads(&mut self, posts: &[Arc<Post>]) {
        let places = &self.places;
        self.retired.retain(|thread| {
            posts
                .iter()
                .any(|post| places.get(&post.spec.name) == Some(&thread.id) && post.line().is_some())
        });
    }

    fn launch(&mut self, post: &Arc<Post>) {
        let name = thread_name(post);
        if !self.threads.get(name).is_some_and(Thread::is_open) {
            self.last_thread += 1;
            match Thread::start(name, self.last_thread, &self.shared.io) {
                Ok(thread) => {
                    self.threads.insert(name.to_owned(), thread);
                }
                Err(cause) => {
                    // The system is out of threads or memory. The child stays due; the next look tries again.
                    tracing::error!(actor = %post.spec.name, %cause, "no thread for an actor");
                    post.postpone(Instant::now());
                    return;
                }
            }
        }
        if let Some(thread) = self.threads.get(name) {
            self.places.insert(post.spec.name.clone(), thread.id);
            post.launch(thread, Instant::now());
        }
    }
}

fn thread_name(post: &Post) -> &str {
    post.spec.thread.as_deref().unwrap_or(&post.spec.name)
}

/// How long one incarnation has not beaten, as far as anybody watched.
#[derive(Default)]
struct Silence {
    generation: u64,
    beats: u64,
    lasted: Duration,
}

impl Silence {
    fn observe(&mut self, generation: u64, beats: u64, watched: Duration) -> Duration {
        if (generation, beats) == (self.generation, self.beats) {
            self.lasted += watched;
        } else {
            *self = Self {
                generation,
                beats,
                lasted: Duration::ZERO,
            };
        }
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_adds_up_and_ends_with_a_beat_or_a_new_incarnation() {
        let (mut silence, ms) = (Silence::default(), Duration::from_millis);
        assert_eq!(silence.observe(1, 1, ms(10)), ms(0));
        assert_eq!(silence.observe(1, 1, ms(10)), ms(10));
        assert_eq!(silence.observe(1, 1, ms(10)), ms(20));
        assert_eq!(silence.observe(1, 2, ms(10)), ms(0));
        assert_eq!(silence.observe(1, 2, ms(10)), ms(10));
        assert_eq!(silence.observe(2, 2, ms(10)), ms(0));
    }
}
